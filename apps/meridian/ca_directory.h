// The directory of a regional certificate authority, and of the offline root above it.
//
//   ca.pem ca.key        certificate; its private key, sealed
//   domain               trust domain it issues for
//   announcer.vkey       of the key that signs its bundles and deny lists (Ed25519, in keys/store)
//   journal tokens       what it issued; join tokens (docs/formats/journal.md)
//   bundles/ denied/     of all regions (trust_directory.h)
//   ca-*.key             keys of later CAs, sealed
//                        (with a token, keys are in it, as versions of `ca`)
//   next switched        CA that issues from a time on; when that last happened
//   address              where `meridian ca serve` answers
// A root has ca.pem and ca.key alone. Made by `meridian init`. Processes that use it take turns by
// its lock.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cell/issuance_records.h"
#include "mesh/authority.h"
#include "mesh/deny_list.h"
#include "mesh/issuance_journal.h"
#include "mesh/trust_bundle.h"
#include "proof/note.h"
#include "sealed_directory.h"
#include "trust_directory.h"

namespace meridian::app {

inline constexpr std::string_view vkey_path = "announcer.vkey";
inline constexpr std::string_view tokens_path = "tokens";
inline constexpr std::string_view address_path = "address";
/// How long whoever wants the directory waits for who uses it.
inline constexpr io::Duration ca_patience = io::seconds(5);

// A CA that will issue later: its key is there, named by the certificate; ca.pem says which issues,
// and is replaced when the time has come, by whoever opens or refreshes the directory then. The key
// of the one before is destroyed with that.
Status write_ca_key(const Node& node, const mesh::CertificateAndKey& ca);
/// From `from` on (seconds since 1970) `certificate` issues.
Status schedule_ca(const Node& node, const mesh::Certificate& certificate, std::int64_t from);
Result<bool> is_ca_scheduled(const Node& node);
/// When the one that issues began to; 0: it is the first.
Result<std::int64_t> switched_at(const Node& node);

/// A key for a CA that is to come: in the token of node.keys, if there is one.
Result<crypto::P256PrivateKey> make_ca_key(const Node& node);
/// The key too, unless it is in a token.
Status write_ca(const Node& node, const mesh::CertificateAndKey& ca);
/// Errors: not_found, data_loss; permission_denied if they do not belong together.
Result<mesh::CertificateAndKey> read_ca(const Node& node);

/// The Ed25519 key of a sealed directory, under `name`.
Result<proof::Signer> signer_of(const Node& node, const std::string& name);

/// Members in the order in which they depend on each other.
struct CaDirectory {
  Node node;
  std::optional<mesh::Authority> authority;
  std::unique_ptr<mesh::IssuanceJournal> journal;
  std::optional<proof::Signer> announcer;
  std::optional<mesh::AcceptedBundle> bundle;  ///< Of its own domain.
  std::optional<mesh::DenyList> denied;        ///< Of its own domain.

  std::string domain;

  const std::string& trust_domain() const { return domain; }
};
/// Waits a moment for another process that uses it: a server takes its lock for each thing it does.
/// `optional`: without an authority if its key is lost.
enum class CaKey : std::uint8_t { needed, optional };
Result<CaDirectory> open_ca(const NodeOptions& options, CaKey key = CaKey::needed);
/// Takes up what other processes changed; whoever has the lock. Errors: as open_ca.
Status refresh_ca(CaDirectory& ca);
/// Whether the CA that issues is another, or may soon be: then refresh_ca.
Result<bool> has_ca_changed(const CaDirectory& ca);
/// Entries of the journal from where it had `count`, and its head there: at most
/// cell::imported_entries_max, none if there are no newer ones. Errors: out_of_range if it is
/// shorter; data_loss; of the disk.
Result<cell::JournalPart> journal_after(CaDirectory& ca, std::uint64_t count);
/// Signs it and writes it, durable.
Status write_deny_list(CaDirectory& ca, mesh::DenyList list);

}  // namespace meridian::app
