// root/  officers/NAME/  ca/REGION/  ceremony.json: each goes to another place, and none stays here
#include "ceremony.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "api/backend.h"
#include "ca_directory.h"
#include "files.h"
#include "key_bundle.h"
#include "mesh/certificate.h"
#include "mesh/trust_bundle.h"

namespace meridian::app {

namespace {

constexpr std::string_view record_path = "ceremony.json";
constexpr std::size_t name_size_max = 32;
constexpr std::string_view dev_deployment = "dev.invalid";

struct Officer {
  std::string name, passphrase_file;
};

/// What is made, in this order.
struct Ceremony {
  const CeremonyOptions& options;
  std::vector<Officer> officers;
  std::optional<mesh::CertificateAndKey> root;
  std::vector<proof::Signer> officer_keys;
  TrustFiles trust;
  OrderedJson record;
};

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= name_size_max &&
         name.find('.') == std::string_view::npos && mesh::is_trust_domain(name);
}

std::string domain_of(const CeremonyOptions& options, const std::string& region) {
  return fmt::format("{}.{}", region, options.deployment);
}

Result<std::vector<Officer>> parse_officers(const CeremonyOptions& options) {
  std::vector<Officer> officers;
  std::set<std::string> names;
  for (const std::string& text : options.officers) {
    const std::size_t equals = text.find('=');
    Officer officer{text.substr(0, equals),
                    equals == std::string::npos ? "" : text.substr(equals + 1)};
    if (!is_name(officer.name) || officer.passphrase_file.empty() != options.dev)
      return fail(
          Code::invalid_argument,
          fmt::format("--officer {}: write NAME=PASSPHRASE_FILE (with --dev: NAME), the name "
                      "of a-z 0-9 - _",
                      text));
    if (!names.insert(officer.name).second)
      return fail(Code::invalid_argument, fmt::format("--officer {} is there twice", officer.name));
    officers.push_back(std::move(officer));
  }
  if (officers.size() < mesh::bundle_officers_needed)
    return fail(
        Code::invalid_argument,
        fmt::format("there are {} officers: a trust bundle is signed by two people, so name "
                    "two at least, better three",
                    officers.size()));
  return officers;
}

Status check(const CeremonyOptions& options) {
  if (options.dev !=
      (options.deployment == dev_deployment || options.deployment.ends_with(".dev.invalid")))
    return fail(
        Code::invalid_argument,
        fmt::format("--deployment {}: with --dev it is {} or below it, and without --dev it is "
                    "not, so that nobody takes one for the other",
                    options.deployment, dev_deployment));
  std::set<std::string> seen;
  for (const std::string& region : options.regions) {
    if (!is_name(region) || !mesh::is_trust_domain(domain_of(options, region)))
      return fail(
          Code::invalid_argument,
          fmt::format("'{}' is no trust domain: regions and deployment are of a-z 0-9 - _, the "
                      "deployment with dots",
                      domain_of(options, region)));
    if (!seen.insert(region).second)
      return fail(Code::invalid_argument, fmt::format("--region {} is there twice", region));
  }
  if (!options.dev && (options.passphrase_file.empty() || options.root_passphrase_file.empty()))
    return fail(
        Code::invalid_argument,
        "--passphrase-file and --root-passphrase-file are needed: the root is kept by others "
        "than the authorities");
  return {};
}

Result<Node> make_directory(const Ceremony& ceremony, std::string_view name,
                            const std::string& passphrase_file, const std::string& key_store = {}) {
  NodeOptions options;
  options.key_store = key_store;
  options.directory = fmt::format("{}/{}", ceremony.options.directory, name);
  options.passphrase_file = passphrase_file;
  options.dev = ceremony.options.dev;
  Node node = TRY(open_locked(options));
  TRY(open_keys(options, node));
  return node;
}

Status make_root(Ceremony& ceremony) {
  const Node node = TRY(make_directory(ceremony, "root", ceremony.options.root_passphrase_file));
  const mesh::RootParameters parameters{fmt::format("{} root", ceremony.options.deployment)};
  ceremony.root = TRY(mesh::make_root(parameters, *node.clock, *node.entropy));
  TRY(write_ca(node, *ceremony.root));
  ceremony.record["root"] = {
      {"certificate_sha256", to_hex(ceremony.root->certificate.fingerprint())},
      {"not_after", ceremony.root->certificate.not_after()}};
  ceremony.record["made_at"] = format_time(static_cast<std::uint64_t>(node.clock->now().time));
  return {};
}

Status make_officer(Ceremony& ceremony, const Officer& officer) {
  const Node node =
      TRY(make_directory(ceremony, "officers/" + officer.name, officer.passphrase_file));
  proof::Signer signer =
      TRY(signer_of(node, fmt::format("{}/officer/{}", ceremony.options.deployment, officer.name)));
  const std::string vkey = proof::format_vkey(signer.verifier());
  TRY(io::replace_file(*node.disk, "officer.vkey", as_bytes(vkey + "\n")));
  ceremony.record["officers"].push_back({{"name", officer.name}, {"vkey", vkey}});
  ceremony.officer_keys.push_back(std::move(signer));
  return {};
}

/// Signed by all officers, and by the authority, whose key is made here too.
Result<std::string> first_bundle(const Ceremony& ceremony, const std::string& domain,
                                 const mesh::Certificate& authority,
                                 const proof::Signer& announcer) {
  mesh::TrustBundleDocument document;
  document.trust_domain = domain;
  document.roots = {ceremony.root->certificate};
  document.authorities = {authority};
  for (const proof::Signer& officer : ceremony.officer_keys)
    document.officers.push_back(officer.verifier());
  document.announcers.push_back(announcer.verifier());
  const std::string text = TRY(mesh::format_trust_bundle(document));
  proof::Note note{text, {}};
  note.signatures.push_back(TRY(proof::sign_note(text, announcer)));
  for (const proof::Signer& officer : ceremony.officer_keys)
    note.signatures.push_back(TRY(proof::sign_note(text, officer)));
  return proof::format_note(note);
}

Status make_authority(Ceremony& ceremony, const std::string& region) {
  const std::string domain = domain_of(ceremony.options, region);
  const Node node = TRY(make_directory(ceremony, "ca/" + region, ceremony.options.passphrase_file,
                                       ceremony.options.key_store));
  const crypto::P256PrivateKey key = TRY(make_ca_key(node));
  const mesh::RegionalParameters parameters{domain, fmt::format("CA 1 of {}", domain)};
  const Buffer csr = TRY(mesh::make_csr(key, parameters.common_name));
  const mesh::Certificate certificate =
      TRY(mesh::make_regional(*ceremony.root, csr, parameters, *node.clock, *node.entropy));
  TRY(write_ca(node, {certificate, key}));
  const proof::Signer announcer = TRY(signer_of(node, domain + "/ca"));
  TRY(io::replace_file(*node.disk, vkey_path,
                       as_bytes(proof::format_vkey(announcer.verifier()) + "\n")));
  const std::string note = TRY(first_bundle(ceremony, domain, certificate, announcer));
  const Result<mesh::AcceptedBundle> kept = mesh::AcceptedBundle::from_kept(note);
  if (!kept) return kept.error();
  TRY(mesh::AcceptedBundle::first(note, kept->digest()));
  ceremony.trust.bundles.emplace_back(domain, note);
  TRY(io::replace_file(*node.disk, "domain", as_bytes(domain + "\n")));
  ceremony.record["regions"].push_back(
      {{"region", region},
       {"trust_domain", domain},
       {"ca_certificate_sha256", to_hex(certificate.fingerprint())},
       {"ca_not_after", certificate.not_after()},
       {"announcer", proof::format_vkey(announcer.verifier())},
       {"bundle_sha256", to_hex(kept->digest())}});
  return {};
}

/// Every authority knows all regions.
Status hand_out_bundles(const Ceremony& ceremony) {
  for (const std::string& region : ceremony.options.regions) {
    const std::unique_ptr<io::Disk> disk =
        TRY(open_directory(fmt::format("{}/ca/{}", ceremony.options.directory, region)));
    TRY(write_trust(*disk, ceremony.trust));
  }
  return {};
}

}  // namespace

Result<OrderedJson> hold_ceremony(const CeremonyOptions& options) {
  Ceremony ceremony{options, TRY(parse_officers(options)), {}, {}, {}, {}};
  TRY(check(options));
  const std::unique_ptr<io::Disk> disk = TRY(open_directory(options.directory));
  for (const std::string_view path :
       {record_path, std::string_view("root"), std::string_view("ca")})
    if (TRY(disk->exists(path)))
      return fail(Code::already_exists,
                  fmt::format("{} is there: a deployment begins once. name an empty directory",
                              disk->display(path)));
  ceremony.record["deployment"] = options.deployment;
  ceremony.record["version"] = api::version;
  ceremony.record["dev"] = options.dev;
  ceremony.record["svid_lifetime_seconds"] = mesh::svid_lifetime_default;
  TRY(make_root(ceremony));
  for (const Officer& officer : ceremony.officers) TRY(make_officer(ceremony, officer));
  for (const std::string& region : options.regions) TRY(make_authority(ceremony, region));
  TRY(hand_out_bundles(ceremony));
  TRY(io::replace_file(*disk, record_path, as_bytes(ceremony.record.dump(2) + "\n")));
  return ceremony.record;
}

}  // namespace meridian::app
