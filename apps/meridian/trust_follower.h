// Follows an authority: bundles and deny lists come as soon as it has them.
//
// A call waits at the authority until there is news; if none comes for it to be asked, the next
// address is tried after a pause. A resource with a thread of its own, in which all callbacks run.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/authority_client.h"
#include "io/executor.h"
#include "mesh/credentials.h"

namespace meridian::app {

/// The clients that a thread makes, one after another; stop() ends what is under way.
class AuthorityLine {
 public:
  /// Cancelled at once after stop().
  std::shared_ptr<api::AuthorityClient> to(const std::string& address);
  void stop();  ///< Thread-safe.

 private:
  std::mutex mutex_;
  std::shared_ptr<api::AuthorityClient> current_;
  bool is_stopped_ = false;
};

class TrustFollower {
 public:
  /// After a call that failed, or brought what is not believed: an authority that is back is found
  /// within that.
  static constexpr io::Duration pause = io::seconds(2);

  struct Setting {
    const mesh::Credentials& credentials;
    std::string trust_domain;                             ///< Of the authority.
    std::function<std::vector<std::string>()> addresses;  ///< Empty: not now.
    std::function<std::vector<api::HeldTrust>()> held;    ///< What news are asked for.
    std::function<bool(const api::TrustNotes&)> take;     ///< False: not all is believed.
    std::function<void(const std::string&)> notice;
  };
  /// What the setting refers to outlives it.
  explicit TrustFollower(Setting setting);
  /// Breaks off what is under way.
  ~TrustFollower();
  TrustFollower(const TrustFollower&) = delete;
  TrustFollower& operator=(const TrustFollower&) = delete;

 private:
  void follow();
  bool ask(const std::string& address);

  Setting setting_;
  std::size_t next_address_ = 0;
  bool was_reached_ = true;
  AuthorityLine line_;
  std::unique_ptr<io::Executor> executor_ = io::os_executor("trust");
};

}  // namespace meridian::app
