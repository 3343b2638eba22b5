// Copies the log into a directory in the C2SP tlog-tiles layout, checking it on the way.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "client.h"

namespace meridian::app {

struct LogExport {
  std::string origin, root;  ///< root in hexadecimal
  std::uint64_t size = 0, fetched = 0;
};

/// Goes on from the full tiles that `directory` holds. Errors: data_loss if what the server sent
/// does not give its signed root, or if the checkpoint of an earlier export does not hold any more.
Result<LogExport> export_log(Client& client, const std::string& directory,
                             const std::function<void(std::uint64_t, std::uint64_t)>& progress);

}  // namespace meridian::app
