// The directory of an identity: how a process is known to others, and knows them.
//
//   identity.pem         private key (PKCS#8), then the certificate and those of its CAs, leaf
//   first bundles/DOMAIN.note  trust bundle of each region that peers come from denied/DOMAIN.note
//   deny list of each region
// Whoever renews (`meridian ca issue`) replaces the files whole; refresh() takes them up. A bundle
// that changes must be the signed successor of the one held. What is here when the directory is
// opened is believed: at the start, and when a replica that copied a state opens its cell again.
// One thread refreshes; the credentials are thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "ca_directory.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/executor.h"
#include "mesh/credentials.h"
#include "metrics/registry.h"

namespace meridian::app {

/// Writes identity.pem and the trust files of `from`. The directory is made for its user alone.
Status write_identity(const std::string& directory, const crypto::P256PrivateKey& key,
                      const mesh::CertificateChain& chain, const TrustFiles& trust);

class IdentityDirectory {
 public:
  /// How often a process should call refresh(): a deny list is effective within 5 s.
  static constexpr io::Duration refresh_every = io::seconds(1);

  /// `clock` and `metrics` outlive it. Errors: not_found; invalid_argument, permission_denied
  /// naming the file and what is wrong with it.
  static Result<std::unique_ptr<IdentityDirectory>> open(const std::string& directory,
                                                         io::Clock& clock,
                                                         metrics::Registry& metrics);

  mesh::Credentials& credentials() { return credentials_; }
  const mesh::SpiffeId& id() const { return id_; }

  struct Change {
    std::string file;
    Status taken;  ///< Why not, if it was not taken up: then what was held stays.
  };
  /// Takes up what changed; each change is told once.
  std::vector<Change> refresh();

 private:
  IdentityDirectory(std::unique_ptr<io::Disk> disk, io::Clock& clock, metrics::Registry& metrics)
      : disk_(std::move(disk)), credentials_(clock, metrics) {}
  Status take_own(const std::string& text);
  Status take_bundle(const std::string& domain, const std::string& note);
  Status take_denied(const std::string& domain, const std::string& note);
  template <typename Take>
  void take_if_changed(const std::string& path, const std::string& text, Take take,
                       std::vector<Change>& changes);

  std::unique_ptr<io::Disk> disk_;
  mesh::Credentials credentials_;
  mesh::SpiffeId id_;
  std::map<std::string, mesh::AcceptedBundle> bundles_;  ///< By trust domain.
  std::map<std::string, crypto::Digest> seen_;           ///< Of files, taken up or not.
};

/// The identity of this process, which takes up what changes in a thread of its own.
class HeldIdentity {
 public:
  /// `notice` is told of each change, in that thread. `metrics` outlives it; null: nobody scrapes
  /// this process. Errors: as IdentityDirectory::open.
  static Result<std::unique_ptr<HeldIdentity>> open(
      const std::string& directory, metrics::Registry* metrics,
      std::function<void(const IdentityDirectory::Change&)> notice);
  /// Whatever uses the credentials has ended.
  ~HeldIdentity();

  const mesh::Credentials& credentials() const { return directory_->credentials(); }

 private:
  HeldIdentity() = default;
  void refresh();

  metrics::Registry unseen_;
  std::unique_ptr<io::Clock> clock_ = io::os_clock();
  std::unique_ptr<IdentityDirectory> directory_;
  std::function<void(const IdentityDirectory::Change&)> notice_;
  std::unique_ptr<io::Executor> executor_ = io::os_executor("identity");
};

}  // namespace meridian::app
