// What a running authority does for who calls (`meridian ca serve`): join tokens, sign-ins of
// people, renewals, trust.
//
// Its directory is also used by commands (`ca issue`, `ca deny`, `ca token`, `ca rotate`), which
// want the passphrase as ever: there is no second door for them. They and this take turns by the
// directory's lock, and whoever has it reads first what the others changed. So a denial holds for
// the very next renewal.
// Thread-safe; one call at a time goes on, beside one that waits for the identity provider.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "api/authority_desk.h"
#include "base/result.h"
#include "ca_directory.h"
#include "mesh/credentials.h"
#include "mesh/renewal_schedule.h"
#include "metrics/registry.h"
#include "oidc/verifier.h"
#include "trust_directory.h"
#include "used_tokens.h"

namespace meridian::app {

class CaDesk {
 public:
  static constexpr io::Duration look_every = io::milliseconds(500);

  struct Options {
    NodeOptions ca;
    std::int64_t lifetime_seconds = mesh::svid_lifetime_default;  ///< Of what is issued.
    std::function<void(const std::string&)> notice;
    /// Where people sign in; none: nobody does.
    struct SignIn {
      oidc::Settings settings;
      std::string ca_pem;  ///< Of the provider's TLS; empty: whom the system believes.
      oidc::Fetch fetch;
    };
    std::optional<SignIn> sign_in{};
  };
  /// `metrics` outlives it. Errors: as open_ca; failed_precondition if another one serves it.
  static Result<std::unique_ptr<CaDesk>> open(Options options, metrics::Registry& metrics);

  /// Errors of both: unavailable if a command has the directory for long; permission_denied;
  /// invalid_argument for the request; of the disk.
  Result<mesh::CertificateChain> join(const api::AuthorityDesk::JoinAsk& ask);
  /// By the provider's word, which may have to be asked for. Beside the others, from one thread.
  /// Errors: also unavailable if the provider does not answer.
  Result<mesh::CertificateChain> sign_in(const api::AuthorityDesk::SignInAsk& ask);
  /// A person signs in again instead: permission_denied.
  Result<mesh::CertificateChain> renew(const mesh::PeerIdentity& caller, Bytes csr);
  api::TrustNotes newer(const std::vector<api::HeldTrust>& held) const;
  /// What is held of `trust_domain`; sequence 0 if nothing is.
  api::HeldTrust held_of(const std::string& trust_domain) const;
  /// Takes up what the authority of `trust_domain` sent of its own. False: not all is believed.
  bool take(const std::string& trust_domain, const api::TrustNotes& notes);
  /// app::journal_after.
  Result<cell::JournalPart> journal_after(std::uint64_t count);
  /// Takes up what commands changed, and renews its own certificate. True if newer() may answer
  /// otherwise now.
  bool tick();

  /// All of it for a server, which this outlives.
  api::AuthorityDesk calls();

  /// What it shows as a server, and judges callers by. Thread-safe.
  const mesh::Credentials& credentials() const { return credentials_; }
  const std::string& trust_domain() const { return ca_.trust_domain(); }
  io::Clock& clock() const { return *ca_.node.clock; }
  io::Disk& disk() const { return *ca_.node.disk; }

 private:
  CaDesk(Options options, CaDirectory ca, metrics::Registry& metrics);
  template <typename Body>
  auto in_turn(Body body) -> decltype(body());
  Status renew_own();
  mesh::CertificateChain chain_of(mesh::Certificate leaf) const;
  Result<mesh::Certificate> issue_to(const oidc::SignedIn& who,
                                     const api::AuthorityDesk::SignInAsk& ask);
  bool look();
  bool tell(const std::vector<TrustDirectory::Change>& changes) const;

  Options options_;
  mutable std::mutex mutex_;  // guards all but the credentials
  CaDirectory ca_;
  std::unique_ptr<io::DiskLock> serving_;  ///< That no second one serves the directory.
  mesh::Credentials credentials_;
  TrustDirectory trust_;
  mesh::RenewalSchedule schedule_;
  crypto::Digest own_authority_{};  ///< Fingerprint of the CA that issued what it shows.
  io::MonotonicTime looked_at_{0};
  io::MonotonicTime switch_again_at_{0};  ///< After a try that failed.
  bool has_taken_ = false;                ///< Since the last tick.
  std::mutex verifier_mutex_;             // guards the next
  std::optional<oidc::Verifier> verifier_;
  UsedTokens used_tokens_;
  metrics::Counter &joined_, &renewed_, &signed_in_, &refused_;
};

}  // namespace meridian::app
