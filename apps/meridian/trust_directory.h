// Whom a process believes, in a directory: of an identity, or of an authority.
//
//   bundles/DOMAIN.note              trust bundle of each region that peers come from
//   bundles/earlier/DOMAIN.N.note    those before it, for who comes later and has an older one
//   denied/DOMAIN.note               deny list of each region
// What is there when a process first looks is believed; what comes later must be the signed
// successor of what is held, whether somebody put it there or an authority sent it, and what an
// authority sends is written only after that. Domains are added by who owns the directory alone.
// One thread; the credentials are thread-safe.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/authority_desk.h"
#include "base/result.h"
#include "crypto/sha256.h"
#include "io/disk.h"
#include "mesh/credentials.h"
#include "mesh/trust_bundle.h"

namespace meridian::app {

inline constexpr std::string_view bundles_path = "bundles";
inline constexpr std::string_view denied_path = "denied";

/// "bundles/eu-west.bank.example.note"
std::string note_path(std::string_view directory, std::string_view trust_domain);
/// All files of bundles/ and denied/: what peers need. Made if missing.
struct TrustFiles {
  std::vector<std::pair<std::string, std::string>> bundles, denied;  ///< Trust domain, note.
};
Result<TrustFiles> read_trust(io::Disk& disk);
Status write_trust(io::Disk& disk, const TrustFiles& files);
/// `next` in the place of `held`, which is kept as an earlier one.
Status write_next_bundle(io::Disk& disk, const mesh::AcceptedBundle& held,
                         const mesh::AcceptedBundle& next);

class TrustDirectory {
 public:
  /// Both outlive it.
  TrustDirectory(io::Disk& disk, mesh::Credentials& credentials)
      : disk_(disk), credentials_(credentials) {}

  struct Change {
    std::string file;
    Status taken;  ///< Why not, if it was not taken up: then what was held stays.
  };
  /// Takes up what changed in the directory; each change is told once.
  std::vector<Change> refresh();
  /// Takes up what an authority sent, and writes it.
  std::vector<Change> take(const api::TrustNotes& notes);

  /// Null if there is none.
  const mesh::AcceptedBundle* find(const std::string& trust_domain) const;
  std::vector<api::HeldTrust> held() const;
  /// What somebody lacks who holds `held`: of the domains it names, or if it names none of all.
  api::TrustNotes newer(const std::vector<api::HeldTrust>& held) const;

 private:
  using Bundles = std::map<std::string, mesh::AcceptedBundle>;
  std::uint64_t deny_number(const std::string& domain) const;
  Status take_bundle_file(const std::string& domain, const std::string& note);
  Status put_on(const std::string& domain, mesh::AcceptedBundle bundle);
  Status take_denied(const std::string& domain, const std::string& note);
  Status take_sent_bundle(const api::TrustNote& sent);
  Status take_sent_denied(const api::TrustNote& sent);
  Result<std::string> read_earlier(const std::string& domain, std::uint64_t sequence) const;
  template <typename Take>
  void take_if_changed(const std::string& path, const std::string& text, Take take,
                       std::vector<Change>& changes);

  io::Disk& disk_;
  mesh::Credentials& credentials_;
  Bundles bundles_;                             ///< By trust domain.
  std::map<std::string, std::string> denied_;   ///< By trust domain: the note held.
  std::map<std::string, crypto::Digest> seen_;  ///< Of files, taken up or not.
};

}  // namespace meridian::app
