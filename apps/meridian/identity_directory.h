// The directory of an identity: how a process is known to others, and knows them.
//
//   identity.pem         private key (PKCS#8), then the certificate and those of its CAs, leaf
//   first bundles/ denied/     whom to believe, and whom no more (trust_directory.h) authority
//   addresses of the authority that renews it, one a line; else nobody does keeper lock of the
//   process that renews it (identity_keeper.h)
// Whoever renews replaces the files whole; refresh() takes them up. What is here when the directory
// is opened is believed, once for a process.
// One thread refreshes; the credentials are thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/executor.h"
#include "mesh/credentials.h"
#include "metrics/registry.h"
#include "trust_directory.h"

namespace meridian::app {

/// Writes identity.pem and the trust files of `from`. The directory is made for its user alone.
Status write_identity(const std::string& directory, const crypto::P256PrivateKey& key,
                      const mesh::CertificateChain& chain, const TrustFiles& trust);
/// Who renews it: "10.1.0.1:7500". Replaces those that were named before.
Status write_authority(const std::string& directory, const std::vector<std::string>& addresses);

/// As the file says now; empty without one.
std::vector<std::string> authorities_in(io::Disk& disk);

class IdentityDirectory {
 public:
  /// How often a process should call refresh(): a deny list is effective within 5 s.
  static constexpr io::Duration refresh_every = io::seconds(1);
  using Change = TrustDirectory::Change;

  /// `clock` and `metrics` outlive it. Errors: not_found; invalid_argument, permission_denied
  /// naming the file and what is wrong with it.
  static Result<std::unique_ptr<IdentityDirectory>> open(const std::string& directory,
                                                         io::Clock& clock,
                                                         metrics::Registry& metrics);

  mesh::Credentials& credentials() { return credentials_; }
  const mesh::SpiffeId& id() const { return id_; }
  TrustDirectory& trust() { return trust_; }

  /// Takes up what changed; each change is told once.
  std::vector<Change> refresh();
  /// Puts a renewed certificate on, and writes it. Errors: as Credentials::replace_own;
  /// invalid_argument if it is of another id; of the disk, and then it is on until the process
  /// ends.
  Status renew(const mesh::CertificateChain& chain, const crypto::P256PrivateKey& key);

  /// authorities_in() of it. Thread-safe.
  std::vector<std::string> authorities() const;
  /// Errors: failed_precondition if another process renews it.
  Result<std::unique_ptr<io::DiskLock>> lock_keeper() const;

 private:
  IdentityDirectory(std::unique_ptr<io::Disk> disk, io::Clock& clock, metrics::Registry& metrics)
      : disk_(std::move(disk)), credentials_(clock, metrics), trust_(*disk_, credentials_) {}
  Status take_own(const std::string& text);
  Status put_on(mesh::CertificateChain chain, crypto::P256PrivateKey key);

  std::unique_ptr<io::Disk> disk_;
  mesh::Credentials credentials_;
  TrustDirectory trust_;
  mesh::SpiffeId id_;
  std::optional<crypto::Digest> seen_;  ///< Of identity.pem, taken up or not.
};

/// The identity of this process, which takes up what changes in a thread of its own.
class HeldIdentity {
 public:
  using Notice = std::function<void(const IdentityDirectory::Change&)>;

  /// `notice` is told of each change, in that thread. `metrics` outlives it; null: nobody scrapes
  /// this process. Errors: as IdentityDirectory::open.
  static Result<std::unique_ptr<HeldIdentity>> open(const std::string& directory,
                                                    metrics::Registry* metrics, Notice notice);
  /// Whatever uses the credentials has ended.
  ~HeldIdentity();

  const mesh::Credentials& credentials() const { return directory_->credentials(); }
  /// As it was when it was opened; it stays.
  const mesh::SpiffeId& id() const { return id_; }
  io::Clock& clock() const { return *clock_; }
  const IdentityDirectory& directory() const { return *directory_; }

  /// Runs `body` in its thread, and waits for it. Never from that thread.
  void run(const std::function<void(IdentityDirectory&)>& body);
  /// In its thread: tells `notice`.
  void tell(const std::vector<IdentityDirectory::Change>& changes) const;

 private:
  HeldIdentity() = default;
  void refresh();

  metrics::Registry unseen_;
  std::unique_ptr<io::Clock> clock_ = io::os_clock();
  std::unique_ptr<IdentityDirectory> directory_;
  mesh::SpiffeId id_;
  Notice notice_;
  std::unique_ptr<io::Executor> executor_ = io::os_executor("identity");
};

}  // namespace meridian::app
