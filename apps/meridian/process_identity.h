// Who a serving process is, held once however often its cell is opened anew.
#pragma once

#include <spdlog/spdlog.h>

#include <memory>
#include <string>

#include "base/result.h"
#include "identity_directory.h"
#include "identity_keeper.h"
#include "metrics/registry.h"

namespace meridian::app {

/// Who this process is, once for its life, and what renews that. Members in the order in which they
/// depend on each other.
struct ProcessIdentity {
  metrics::Registry metrics;
  std::unique_ptr<HeldIdentity> held;
  std::unique_ptr<IdentityKeeper> keeper;  ///< Null if another renews it.

  Status open(const std::string& directory, bool is_kept_here) {
    held = TRY(HeldIdentity::open(directory, &metrics, [](const IdentityDirectory::Change& change) {
      if (change.taken)
        spdlog::info("{}: taken up", change.file);
      else
        spdlog::warn("{} stays as it was: {}", change.file, change.taken.error().message);
    }));
    if (!is_kept_here) return {};
    keeper = std::make_unique<IdentityKeeper>(
        *held, metrics, [](const std::string& line) { spdlog::warn("{}", line); });
    return {};
  }
};

}  // namespace meridian::app
