// Renewal by itself: keeps the identity of a directory alive through the authority that it names.
//
// At half of the certificate's life a new key is made here, and a certificate for it asked for;
// tries come again for as long as the certificate lives (mesh/renewal_schedule.h). Bundles and deny
// lists come as the authority has them. What comes is checked like what an operator puts there, put
// on, and written for the other processes that use the directory. Of those one keeps it, by a lock:
// another takes over when that one ends. Without an authority named there, nothing happens. A
// person signs in again instead: their trust is kept, and their certificate is not renewed. A
// resource with two threads of its own. The held identity outlives it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "identity_directory.h"
#include "io/entropy.h"
#include "io/executor.h"
#include "mesh/renewal_schedule.h"
#include "metrics/registry.h"
#include "trust_follower.h"

namespace meridian::app {

class IdentityKeeper {
 public:
  static constexpr io::Duration look_every = io::milliseconds(250);

  /// `notice` is told what happens, on internal threads; `metrics` outlives it.
  IdentityKeeper(HeldIdentity& held, metrics::Registry& metrics,
                 std::function<void(const std::string&)> notice);
  /// Breaks off what is under way.
  ~IdentityKeeper();
  IdentityKeeper(const IdentityKeeper&) = delete;
  IdentityKeeper& operator=(const IdentityKeeper&) = delete;

 private:
  void look();
  void renew(const std::vector<std::string>& addresses);
  Status renew_from(const std::string& address);
  std::vector<std::string> addresses_if_keeper();
  bool take(const api::TrustNotes& notes);
  void say_if_over();
  bool is_keeper();

  HeldIdentity& held_;
  std::function<void(const std::string&)> notice_;
  std::unique_ptr<io::Entropy> entropy_ = io::os_entropy();
  const bool is_person_;            // nobody renews those: they sign in
  mesh::RenewalSchedule schedule_;  // of the renewing thread, as the next
  std::uint64_t version_ = 0;       // of the certificate that is scheduled
  bool has_said_over_ = false, has_said_none_ = false;
  std::mutex mutex_;  // guards the lock
  std::unique_ptr<io::DiskLock> lock_;
  AuthorityLine line_;
  metrics::Counter &renewed_, &failed_;
  std::unique_ptr<io::Executor> renewer_ = io::os_executor("renewal");
  std::unique_ptr<TrustFollower> follower_;
};

}  // namespace meridian::app
