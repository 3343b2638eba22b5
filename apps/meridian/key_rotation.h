// `meridian keys rotate`: a new key in the place of one, in a directory that is not served.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "key_access.h"

namespace meridian::app {

struct RotationOptions : KeyAccess {
  std::string directory;
  std::string name;
  std::string approval;  ///< File of a proposal that two people signed; empty: none.
  bool json = false;
};

struct RotatedKey {
  std::uint32_t version = 0;  ///< In use now.
  std::uint64_t wrapped = 0;  ///< What was wrapped under the old one, and is under the new one.
  std::string what;           ///< "keys of files"
  std::vector<std::uint32_t> destroyed{};
};

/// Errors: failed_precondition with what to do for keys that are not turned over like this, and if
/// the directory is being served; not_found; permission_denied (also use_act_file); data_loss.
/// After an error of the disk, the next start or the next call goes on.
Result<RotatedKey> rotate_key(const RotationOptions& options);

}  // namespace meridian::app
