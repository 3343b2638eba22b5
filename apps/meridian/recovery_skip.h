// `meridian recovery skip`: have a stopped replica skip an entry that no replica can apply.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "key_access.h"
#include "replica/skip_list.h"

namespace meridian::app {

struct SkipOptions : KeyAccess {
  std::string directory;
  std::uint64_t index = 0;
  std::string digest;    ///< 64 hexadecimal digits.
  std::string approval;  ///< File of a proposal that two people signed; empty: none.
  bool json = false;
};

struct Skipped {
  replica::SkippedEntry entry;
  bool is_in_log = false;  ///< Else it will be skipped once it is.
};

/// Checks that it is the entry that the log holds, and puts it into the skip list. Errors:
/// invalid_argument (the digest is none); permission_denied (use_act_file); failed_precondition if
/// it is served, the entry was applied already or has another digest; data_loss.
Result<Skipped> skip_entry(const SkipOptions& options);

}  // namespace meridian::app
