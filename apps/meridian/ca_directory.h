// The directory of a regional certificate authority, and of the offline root above it.
//
//   ca.pem ca.key        certificate; its private key, sealed
//   domain               trust domain it issues for
//   announcer.vkey       of the key that signs its bundles and deny lists (Ed25519, in the key
//   store) journal tokens       what it issued (docs/formats/journal.md) bundles/DOMAIN.note  trust
//   bundles of all regions, as accepted last denied/DOMAIN.note   deny lists, as signed last
// A root has ca.pem and ca.key alone. Made by `meridian init`.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mesh/authority.h"
#include "mesh/deny_list.h"
#include "mesh/issuance_journal.h"
#include "mesh/trust_bundle.h"
#include "proof/note.h"
#include "sealed_directory.h"

namespace meridian::app {

inline constexpr std::string_view bundles_path = "bundles";
inline constexpr std::string_view denied_path = "denied";
inline constexpr std::string_view vkey_path = "announcer.vkey";

/// Writes `key` sealed, then the certificate. `node` has its keys.
/// A CA's key: in the token of node.keys, if there is one. Once for a directory.
Result<crypto::P256PrivateKey> make_ca_key(const Node& node);
/// The key too, unless it is in a token.
Status write_ca(const Node& node, const mesh::CertificateAndKey& ca);
/// Errors: not_found, data_loss; permission_denied if they do not belong together.
Result<mesh::CertificateAndKey> read_ca(const Node& node);

/// The Ed25519 key of a sealed directory, under `name`.
Result<proof::Signer> signer_of(const Node& node, const std::string& name);

/// "bundles/eu-west.bank.example.note"
std::string note_path(std::string_view directory, std::string_view trust_domain);
/// All files of bundles/ and denied/: what peers need. Made if missing.
struct TrustFiles {
  std::vector<std::pair<std::string, std::string>> bundles, denied;  ///< Trust domain, note.
};
Result<TrustFiles> read_trust(io::Disk& disk);
Status write_trust(io::Disk& disk, const TrustFiles& files);

/// Members in the order in which they depend on each other.
struct CaDirectory {
  Node node;
  std::optional<mesh::Authority> authority;
  std::unique_ptr<mesh::IssuanceJournal> journal;
  std::optional<proof::Signer> announcer;
  std::optional<mesh::AcceptedBundle> bundle;  ///< Of its own domain.
  std::optional<mesh::DenyList> denied;        ///< Of its own domain.

  const std::string& trust_domain() const { return authority->trust_domain(); }
};
Result<CaDirectory> open_ca(const NodeOptions& options);
/// Signs it and writes it, durable.
Status write_deny_list(CaDirectory& ca, mesh::DenyList list);

}  // namespace meridian::app
