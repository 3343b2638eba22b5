// What `--dev` makes by itself so that nobody has to speak in the clear to try Meridian: a
// deployment of this user on this machine, with one authority, an identity for the servers and one
// for whoever types commands.
//
// It lies in $MERIDIAN_DEV_DIR, or else in meridian/dev below the user's state directory
// ($XDG_STATE_HOME, ~/.local/state). Passphrases lie beside the keys they seal, and all of it is in
// the trust domain local.dev.invalid, for which no production holds a bundle.
// Processes take turns by a lock. Cost: 50 ms for what has to be made, 1 ms if all is there.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/clock.h"
#include "io/executor.h"
#include "mesh/policy.h"
#include "mesh/spiffe_id.h"

namespace meridian::app {

inline constexpr std::string_view dev_trust_domain = "local.dev.invalid";

/// Where it lies. Errors: failed_precondition without a home; then MERIDIAN_DEV_DIR says where.
Result<std::string> dev_directory();

/// Makes sure that `directory` holds an identity of `id` with at least half of its life before it,
/// from the deployment at dev_directory(), which is made if it is not there. Errors: of the disk;
/// failed_precondition if another process has the deployment for long.
Status issue_dev_identity(const std::string& directory, const mesh::SpiffeId& id);

/// The directory of who types commands here, issued anew if it is about to end. Errors: not_found
/// if nobody started a server with --dev yet, with what to do; as issue_dev_identity.
Result<std::string> dev_caller();
/// The same, and makes it.
Result<std::string> make_dev_caller();

/// Everything for everybody of the deployment.
Result<std::shared_ptr<const mesh::Policy>> dev_policy();

/// Issues again what a server with --dev lives by, before it ends. A resource with a thread.
class DevKeeper {
 public:
  /// `notice` is told in that thread what failed.
  DevKeeper(std::string directory, mesh::SpiffeId id,
            std::function<void(const std::string&)> notice);
  ~DevKeeper();

 private:
  static constexpr io::Duration look_every = io::seconds(60);
  void look();

  std::string directory_;
  mesh::SpiffeId id_;
  std::function<void(const std::string&)> notice_;
  std::unique_ptr<io::Executor> executor_ = io::os_executor("dev");
};

}  // namespace meridian::app
