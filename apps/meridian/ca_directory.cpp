#include "ca_directory.h"

#include <fmt/format.h>

#include "files.h"
#include "mesh/signed_deny_list.h"
#include "sealed_blob.h"

namespace meridian::app {

namespace {

constexpr std::string_view certificate_path = "ca.pem";
constexpr std::string_view key_path = "ca.key";
constexpr std::string_view token_key_name = "ca";
constexpr std::string_view domain_path = "domain";
constexpr std::string_view journal_path = "journal";
constexpr std::uint64_t key_number = 1;
constexpr std::uint32_t key_tag = 21;
constexpr std::uint64_t note_size_max = std::uint64_t{4} << 20;

constexpr std::string_view note_suffix = ".note";

Result<std::string> read_line(io::Disk& disk, std::string_view path) {
  const Buffer bytes = TRY(io::read_file(disk, path, 4'096));
  std::string line(as_text(bytes));
  while (line.ends_with('\n')) line.pop_back();
  return line;
}

Result<std::vector<std::pair<std::string, std::string>>> read_notes(io::Disk& disk,
                                                                    std::string_view directory) {
  std::vector<std::pair<std::string, std::string>> notes;
  if (!TRY(disk.exists(directory))) return notes;
  for (std::string name : TRY(disk.list(directory))) {
    if (!name.ends_with(note_suffix)) continue;  // also of one that is being replaced
    name.resize(name.size() - note_suffix.size());
    const Buffer bytes = TRY(io::read_file(disk, note_path(directory, name), note_size_max));
    notes.emplace_back(std::move(name), as_text(bytes));
  }
  return notes;
}

Status write_notes(io::Disk& disk, std::string_view directory,
                   const std::vector<std::pair<std::string, std::string>>& notes) {
  TRY(disk.make_directory(directory));
  for (const auto& [name, note] : notes)
    TRY(io::replace_file(disk, note_path(directory, name), as_bytes(note)));
  return {};
}

Result<mesh::DenyList> read_deny_list(io::Disk& disk, const mesh::TrustBundleDocument& bundle) {
  const std::string path = note_path(denied_path, bundle.trust_domain);
  if (!TRY(disk.exists(path))) return mesh::DenyList::make(bundle.trust_domain, 0, {});
  const Buffer note = TRY(io::read_file(disk, path, note_size_max));
  return mesh::verify_deny_list(as_text(note), bundle.trust_domain, bundle.announcers);
}

Result<crypto::P256PrivateKey> read_ca_key(const Node& node) {
  if (!node.keys->token_display().empty()) return node.keys->p256(token_key_name);
  Buffer der = TRY(read_sealed_blob(context_of(node), key_path, key_number, key_tag));
  Result<crypto::P256PrivateKey> key = crypto::P256PrivateKey::from_pkcs8(der);
  crypto::cleanse(der);
  if (!key) return with_context(key.error(), node.disk->display(key_path));
  return key;
}

}  // namespace

std::string note_path(std::string_view directory, std::string_view trust_domain) {
  return fmt::format("{}/{}{}", directory, trust_domain, note_suffix);
}

Result<crypto::P256PrivateKey> make_ca_key(const Node& node) {
  if (node.keys->token_display().empty()) return crypto::P256PrivateKey::generate();
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

Result<mesh::CertificateAndKey> read_ca(const Node& node) {
  const Buffer pem = TRY(io::read_file(*node.disk, certificate_path, note_size_max));
  const mesh::CertificateChain chain = TRY(mesh::parse_pem_chain(as_text(pem)));
  Result<crypto::P256PrivateKey> key = read_ca_key(node);
  if (!key) return std::move(key).error();
  if (key->spki_digest() != chain.front().spki_digest())
    return fail(Code::permission_denied,
                fmt::format("{} and {} do not belong together: one of them is another CA's",
                            node.disk->display(certificate_path), node.disk->display(key_path)));
  return mesh::CertificateAndKey{chain.front(), *std::move(key)};
}

Result<proof::Signer> signer_of(const Node& node, const std::string& name) {
  return proof::Signer(name, proof::KeyType::ed25519, TRY(node.keys->signer("log")));
}

Result<TrustFiles> read_trust(io::Disk& disk) {
  TrustFiles files;
  files.bundles = TRY(read_notes(disk, bundles_path));
  files.denied = TRY(read_notes(disk, denied_path));
  return files;
}

Status write_trust(io::Disk& disk, const TrustFiles& files) {
  TRY(write_notes(disk, bundles_path, files.bundles));
  return write_notes(disk, denied_path, files.denied);
}

Result<CaDirectory> open_ca(const NodeOptions& options) {
  CaDirectory ca{TRY(open_sealed_directory(options)), {}, {}, {}, {}, {}};
  io::Disk& disk = *ca.node.disk;
  if (!TRY(disk.exists(domain_path)))
    return fail(Code::not_found,
                fmt::format("{} holds no regional CA. `meridian init` makes one for each region",
                            options.directory));
  const std::string domain = TRY(read_line(disk, domain_path));
  mesh::CertificateAndKey held = TRY(read_ca(ca.node));
  ca.authority = TRY(
      mesh::Authority::open(held.certificate, held.key, domain, *ca.node.clock, *ca.node.entropy));
  ca.journal = TRY(mesh::IssuanceJournal::open(disk, std::string(journal_path), domain));
  const std::string vkey = TRY(read_line(disk, vkey_path));
  const proof::VerifierKey announcer = TRY(proof::parse_vkey(vkey));
  ca.announcer = TRY(signer_of(ca.node, announcer.name));
  if (ca.announcer->verifier() != announcer)
    return fail(Code::data_loss, fmt::format("{} is not the public key of the one in keys/store",
                                             disk.display(vkey_path)));
  const Buffer note = TRY(io::read_file(disk, note_path(bundles_path, domain), note_size_max));
  ca.bundle = TRY(mesh::AcceptedBundle::from_kept(as_text(note)));
  ca.denied = TRY(read_deny_list(disk, ca.bundle->document()));
  return ca;
}

Status write_deny_list(CaDirectory& ca, mesh::DenyList list) {
  const std::string note = TRY(mesh::sign_deny_list(list, *ca.announcer));
  TRY(write_notes(*ca.node.disk, denied_path, {{ca.trust_domain(), note}}));
  ca.denied = std::move(list);
  return {};
}

}  // namespace meridian::app
