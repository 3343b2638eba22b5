#include "ca_directory.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/u128.h"
#include "files.h"
#include "io/unix_time.h"
#include "mesh/signed_deny_list.h"
#include "sealed_blob.h"

namespace meridian::app {

namespace {

constexpr std::string_view certificate_path = "ca.pem";
constexpr std::string_view key_path = "ca.key";
constexpr std::string_view token_key_name = "ca";
constexpr std::string_view domain_path = "domain";
constexpr std::string_view journal_path = "journal";
constexpr std::string_view next_path = "next";
constexpr std::string_view switched_path = "switched";
constexpr std::uint64_t key_number = 1;
constexpr std::uint32_t key_tag = 21;
constexpr std::uint64_t note_size_max = std::uint64_t{4} << 20;

Result<std::string> read_line(io::Disk& disk, std::string_view path) {
  const Buffer bytes = TRY(io::read_file(disk, path, 4'096));
  std::string line(as_text(bytes));
  while (line.ends_with('\n')) line.pop_back();
  return line;
}

Result<mesh::DenyList> read_deny_list(io::Disk& disk, const mesh::TrustBundleDocument& bundle) {
  const std::string path = note_path(denied_path, bundle.trust_domain);
  if (!TRY(disk.exists(path))) return mesh::DenyList::make(bundle.trust_domain, 0, {});
  const Buffer note = TRY(io::read_file(disk, path, note_size_max));
  return mesh::verify_deny_list(as_text(note), bundle.trust_domain, bundle.announcers);
}

/// "ca-0123456789abcdef.key"
std::string key_path_of(const mesh::Certificate& certificate) {
  return fmt::format("ca-{}.key", to_hex(certificate.spki_digest()).substr(0, 16));
}

Result<std::int64_t> parse_seconds(std::string_view text, const std::string& where) {
  const Result<u128> number = parse_decimal(text);
  if (!number || *number > std::uint64_t{1} << 40)
    return fail(Code::data_loss, where + ": it begins with a time in seconds since 1970");
  return static_cast<std::int64_t>(*number);
}

/// Where the key of this certificate lies, sealed under that number.
struct KeyPlace {
  std::string path;
  std::uint64_t number;
};
Result<KeyPlace> place_of_key(const Node& node, const mesh::Certificate& certificate) {
  std::string path = key_path_of(certificate);
  if (!TRY(node.disk->exists(path))) return KeyPlace{std::string(key_path), key_number};
  return KeyPlace{std::move(path), load_le<std::uint64_t>(certificate.spki_digest().data())};
}

bool is_in_token(const Node& node) { return !node.keys->token_display().empty(); }

/// Versions of `ca` in the token, oldest first.
std::vector<storage::KeyVersion> token_versions(const Node& node) {
  std::vector<storage::KeyVersion> versions;
  for (const storage::KeyStore::Listing& key : node.keys->list())
    if (key.name == token_key_name) versions.push_back(key.version);
  return versions;
}

/// The version whose public key the certificate has; none: its key is not there.
Result<std::optional<storage::KeyVersion>> token_version_of(const Node& node,
                                                            const mesh::Certificate& certificate) {
  for (const storage::KeyVersion version : token_versions(node)) {
    const crypto::P256PrivateKey key = TRY(node.keys->p256(token_key_name, version));
    if (key.spki_digest() == certificate.spki_digest()) return std::optional(version);
  }
  return std::optional<storage::KeyVersion>();
}

Result<crypto::P256PrivateKey> read_token_key(const Node& node,
                                              const mesh::Certificate& certificate) {
  const auto version = TRY(token_version_of(node, certificate));
  if (version) return node.keys->p256(token_key_name, *version);
  return fail(Code::not_found,
              fmt::format("{}: the key of the certificate {} is not there",
                          node.keys->token_display(), node.disk->display(certificate_path)));
}

/// Nothing is issued any more by those before the one that issues now. Once more does no harm.
Status destroy_older_token_keys(const Node& node, const mesh::Certificate& issuing) {
  const auto used = TRY(token_version_of(node, issuing));
  if (!used) return {};
  for (const storage::KeyVersion version : token_versions(node))
    if (version < *used) TRY(node.keys->destroy(token_key_name, version));
  return {};
}

Result<crypto::P256PrivateKey> read_ca_key(const Node& node, const mesh::Certificate& certificate) {
  if (is_in_token(node)) return read_token_key(node, certificate);
  const KeyPlace place = TRY(place_of_key(node, certificate));
  Buffer der = TRY(read_sealed_blob(context_of(node), place.path, place.number, key_tag));
  Result<crypto::P256PrivateKey> key = crypto::P256PrivateKey::from_pkcs8(der);
  crypto::cleanse(der);
  if (!key) return with_context(key.error(), node.disk->display(place.path));
  return key;
}

/// A stop in between: the next one that switches does it, as `next` is still there.
Status destroy_key_before(const Node& node, const mesh::Certificate& before,
                          const mesh::Certificate& issuing) {
  if (is_in_token(node)) return destroy_older_token_keys(node, issuing);
  if (before.spki_digest() == issuing.spki_digest()) return {};
  const KeyPlace place = TRY(place_of_key(node, before));
  if (!TRY(node.disk->exists(place.path))) return {};
  TRY(node.disk->remove(place.path));
  return node.disk->sync_directory("");
}

/// Whoever has the lock: puts the CA in its place whose time has come.
Status switch_if_due(const Node& node) {
  if (!TRY(node.disk->exists(next_path))) return {};
  const Buffer bytes = TRY(io::read_file(*node.disk, next_path, note_size_max));
  const std::string_view text = as_text(bytes);
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::int64_t from = TRY(parse_seconds(text.substr(0, end), node.disk->display(next_path)));
  const std::int64_t now = io::unix_seconds(*node.clock);
  if (now < from) return {};
  const mesh::CertificateChain chain = TRY(mesh::parse_pem_chain(text.substr(end)));
  const Buffer pem = TRY(io::read_file(*node.disk, certificate_path, note_size_max));
  const mesh::CertificateChain before = TRY(mesh::parse_pem_chain(as_text(pem)));
  TRY(io::replace_file(*node.disk, certificate_path, as_bytes(chain.front().pem())));
  TRY(io::replace_file(*node.disk, switched_path, as_bytes(fmt::format("{}\n", now))));
  TRY(destroy_key_before(node, before.front(), chain.front()));
  TRY(node.disk->remove(next_path));
  return node.disk->sync_directory("");
}

Status read_own_trust(CaDirectory& ca) {
  const Buffer note =
      TRY(io::read_file(*ca.node.disk, note_path(bundles_path, ca.trust_domain()), note_size_max));
  ca.bundle = TRY(mesh::AcceptedBundle::from_kept(as_text(note)));
  ca.denied = TRY(read_deny_list(*ca.node.disk, ca.bundle->document()));
  return {};
}

}  // namespace

Result<crypto::P256PrivateKey> make_ca_key(const Node& node) {
  if (!is_in_token(node)) return crypto::P256PrivateKey::generate();
  TRY(node.keys->add(token_key_name));
  return node.keys->p256(token_key_name);
}

Status write_ca(const Node& node, const mesh::CertificateAndKey& ca) {
  if (!ca.key.is_elsewhere()) {
    const crypto::Secret key = ca.key.pkcs8();
    TRY(write_sealed_blob(context_of(node), key_path, key_number, key_tag, key.bytes()));
  }
  return io::replace_file(*node.disk, certificate_path, as_bytes(ca.certificate.pem()));
}

Status write_ca_key(const Node& node, const mesh::CertificateAndKey& ca) {
  if (ca.key.is_elsewhere()) return {};
  const crypto::Secret key = ca.key.pkcs8();
  return write_sealed_blob(context_of(node), key_path_of(ca.certificate),
                           load_le<std::uint64_t>(ca.certificate.spki_digest().data()), key_tag,
                           key.bytes());
}

Status schedule_ca(const Node& node, const mesh::Certificate& certificate, std::int64_t from) {
  TRY(io::replace_file(*node.disk, next_path,
                       as_bytes(fmt::format("{}\n{}", from, certificate.pem()))));
  return switch_if_due(node);
}

Result<bool> is_ca_scheduled(const Node& node) { return node.disk->exists(next_path); }

Result<std::int64_t> switched_at(const Node& node) {
  if (!TRY(node.disk->exists(switched_path))) return std::int64_t{0};
  const std::string line = TRY(read_line(*node.disk, switched_path));
  return parse_seconds(line, node.disk->display(switched_path));
}

Result<mesh::CertificateAndKey> read_ca(const Node& node) {
  const Buffer pem = TRY(io::read_file(*node.disk, certificate_path, note_size_max));
  const mesh::CertificateChain chain = TRY(mesh::parse_pem_chain(as_text(pem)));
  Result<crypto::P256PrivateKey> key = read_ca_key(node, chain.front());
  if (!key) return std::move(key).error();
  if (key->spki_digest() != chain.front().spki_digest())
    return fail(Code::permission_denied,
                fmt::format("{} and the key beside it do not belong together: one of them is "
                            "another CA's",
                            node.disk->display(certificate_path)));
  return mesh::CertificateAndKey{chain.front(), *std::move(key)};
}

Result<proof::Signer> signer_of(const Node& node, const std::string& name) {
  return proof::Signer(name, proof::KeyType::ed25519, TRY(node.keys->signer("log")));
}

Result<CaDirectory> open_ca(const NodeOptions& options, CaKey key) {
  CaDirectory ca{TRY(open_sealed_directory(options, ca_patience)), {}, {}, {}, {}, {}, {}};
  io::Disk& disk = *ca.node.disk;
  if (!TRY(disk.exists(domain_path)))
    return fail(Code::not_found,
                fmt::format("{} holds no regional CA. `meridian init` makes one for each region",
                            options.directory));
  const std::string domain = TRY(read_line(disk, domain_path));
  ca.domain = domain;
  TRY(switch_if_due(ca.node));
  Result<mesh::CertificateAndKey> held = read_ca(ca.node);
  if (!held && key == CaKey::needed)
    return with_context(held.error(), "`meridian ca rotate` makes another, if this one is lost");
  if (held)
    ca.authority = TRY(mesh::Authority::open(held->certificate, held->key, domain, *ca.node.clock,
                                             *ca.node.entropy));
  ca.journal = TRY(mesh::IssuanceJournal::open(disk, std::string(journal_path), domain));
  const std::string vkey = TRY(read_line(disk, vkey_path));
  const proof::VerifierKey announcer = TRY(proof::parse_vkey(vkey));
  ca.announcer = TRY(signer_of(ca.node, announcer.name));
  if (ca.announcer->verifier() != announcer)
    return fail(Code::data_loss, fmt::format("{} is not the public key of the one in keys/store",
                                             disk.display(vkey_path)));
  TRY(read_own_trust(ca));
  return ca;
}

Result<cell::JournalPart> journal_after(CaDirectory& ca, std::uint64_t count) {
  cell::JournalPart part{ca.trust_domain(), mesh::empty_journal_head(ca.trust_domain()), ""};
  const auto entries = TRY(ca.journal->read(std::max<std::uint64_t>(count, 1),
                                            cell::imported_entries_max + (count == 0 ? 0 : 1)));
  if (count > ca.journal->head().count)
    return fail(Code::out_of_range,
                fmt::format("the journal has {} entries, not {}", ca.journal->head().count, count));
  for (const mesh::JournalEntry& entry : entries) {
    if (entry.number == count) {
      part.after = {entry.number, entry.digest};
      continue;
    }
    const std::string line =
        mesh::format_journal_entry(entry.number, entry.previous, entry.issuance);
    if (part.lines.size() + line.size() > cell::imported_bytes_max) break;
    part.lines += line;
  }
  return part;
}

Result<bool> has_ca_changed(const CaDirectory& ca) {
  if (TRY(is_ca_scheduled(ca.node))) return true;
  const Buffer pem = TRY(io::read_file(*ca.node.disk, certificate_path, note_size_max));
  return as_text(pem) != ca.authority->certificate().pem();
}

Status refresh_ca(CaDirectory& ca) {
  TRY(ca.journal->refresh());
  if (is_in_token(ca.node)) TRY(ca.node.keys->refresh());
  TRY(switch_if_due(ca.node));
  const Buffer pem = TRY(io::read_file(*ca.node.disk, certificate_path, note_size_max));
  if (as_text(pem) != ca.authority->certificate().pem()) {
    mesh::CertificateAndKey held = TRY(read_ca(ca.node));
    ca.authority =
        TRY(mesh::Authority::open(held.certificate, held.key, std::string(ca.trust_domain()),
                                  *ca.node.clock, *ca.node.entropy));
  }
  return read_own_trust(ca);
}

Status write_deny_list(CaDirectory& ca, mesh::DenyList list) {
  const std::string note = TRY(mesh::sign_deny_list(list, *ca.announcer));
  TRY(write_trust(*ca.node.disk, {{}, {{ca.trust_domain(), note}}}));
  ca.denied = std::move(list);
  return {};
}

}  // namespace meridian::app
