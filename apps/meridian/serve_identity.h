// Who a replica is, and whom it believes, as `serve` is told: an identity that it was given, or,
// with
// --dev, one that is made here (dev_deployment.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "dev_deployment.h"
#include "group_flags.h"
#include "mesh/policy.h"
#include "mesh/spiffe_id.h"
#include "node.h"
#include "process_identity.h"

namespace CLI {
class App;
}

namespace meridian::app {

struct IdentityFlags {
  std::string directory;     ///< Of the identity; empty: that of --dev.
  std::string first_policy;  ///< File; empty: none, or that of --dev.
  std::vector<std::string> peer_domains;
};
/// --identity, --first-policy and --peer-domain.
void add_identity_flags(CLI::App& command, IdentityFlags& flags);

/// Before anything is opened. Errors: invalid_argument without --identity and without --dev.
Status check_identity_flags(const IdentityFlags& flags, bool is_dev);

/// What a replica shows and goes by. Members in the order in which they depend on each other.
struct ServeIdentity {
  ProcessIdentity process;
  std::vector<std::string> peer_domains;  ///< Of the other regions of its cell.
  std::shared_ptr<const mesh::Policy> first_policy;
  std::unique_ptr<DevKeeper> dev_keeper;  ///< Null if it was given.

  /// Of `node` in the directory `data`, which is alone without `group`. Errors: permission_denied
  /// with the id that it needs; those of the files.
  Status open(const IdentityFlags& flags, const std::string& data, const Node& node,
              const std::optional<replica::GroupConfig>& group);
};

}  // namespace meridian::app
