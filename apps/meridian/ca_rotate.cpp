// `meridian ca rotate`: a new key for an authority, or another in the place of one that was lost or
// stolen.
//
//   rotate             bundle N+1: old and new CA; issues with the old  ──switch time──▶  with the
//   new rotate --finish    bundle N+2: the new CA alone, once nothing lives that the old one issued
//   rotate --stolen    bundle N+1: the new CA alone; issues with it at once
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "ca_commands.h"
#include "ca_directory.h"
#include "commands.h"
#include "files.h"
#include "io/unix_time.h"
#include "key_bundle.h"
#include "on_run.h"
#include "output.h"

namespace meridian::app {

namespace {

constexpr const char* rotate_help =
    R"(The root signs a new certificate, and a new bundle says so: signed by the authority's announcing key and two
officers, whose directories are here for this command alone. Everybody who is kept through `ca serve` takes it
up within seconds; copy it to the others. Only then does the authority issue with the new key, so no call fails.

Examples:
  meridian ca rotate --dir ./ca --passphrase-file ca.pass --root ./root --root-passphrase-file root.pass
    --officer ./officers/ada=ada.pass --officer ./officers/grace=grace.pass
  meridian ca rotate --dir ./ca ... --finish --officer ... --officer ...
      a day later: the old one is out
  meridian ca rotate --dir ./ca ... --root ... --officer ... --officer ... --stolen
      at once: whatever the stolen key ever issued is refused, good and forged; everybody joins again)";

struct RotateOptions {
  NodeOptions ca;
  std::string root, root_passphrase_file;
  std::vector<std::string> officers;  ///< DIR=FILE, with --dev DIR
  std::int64_t switch_after = 600;
  bool is_stolen = false, is_finish = false, now = false, json = false;
};

Result<proof::Signer> open_officer(const std::string& text, bool dev,
                                   const mesh::TrustBundleDocument& bundle) {
  const std::size_t equals = text.rfind('=');
  NodeOptions options;
  options.dev = dev;
  options.directory = text.substr(0, equals);
  if (equals != std::string::npos) options.passphrase_file = text.substr(equals + 1);
  const Node node = TRY(open_sealed_directory(options));
  const Buffer line = TRY(io::read_file(*node.disk, "officer.vkey", 4'096));
  std::string vkey(as_text(line));
  while (vkey.ends_with('\n')) vkey.pop_back();
  const proof::VerifierKey key = TRY(proof::parse_vkey(vkey));
  if (std::ranges::find(bundle.officers, key) == bundle.officers.end())
    return fail(Code::permission_denied, fmt::format("--officer {}: {} is no officer of {}", text,
                                                     key.name, bundle.trust_domain));
  return signer_of(node, key.name);
}

Error too_few_officers() {
  return {Code::invalid_argument, "--officer: two officers sign a bundle; name both directories"};
}

/// The bundle that follows, signed by the announcer and the officers.
Result<mesh::AcceptedBundle> sign_next(const CaDirectory& ca, const RotateOptions& options,
                                       std::vector<mesh::Certificate> authorities) {
  if (options.officers.size() < mesh::bundle_officers_needed) return too_few_officers();
  mesh::TrustBundleDocument document = ca.bundle->document();
  std::vector<proof::Signer> signers;
  for (const std::string& text : options.officers)
    signers.push_back(TRY(open_officer(text, options.ca.dev, document)));
  document.sequence += 1;
  document.previous = ca.bundle->digest();
  document.authorities = std::move(authorities);
  const std::string text = TRY(mesh::format_trust_bundle(document));
  proof::Note note{text, {TRY(proof::sign_note(text, *ca.announcer))}};
  for (const proof::Signer& signer : signers)
    note.signatures.push_back(TRY(proof::sign_note(text, signer)));
  return ca.bundle->next(proof::format_note(note));
}

Result<mesh::CertificateAndKey> make_next(const CaDirectory& ca, const RotateOptions& options) {
  NodeOptions root_options;
  root_options.dev = options.ca.dev;
  root_options.directory = options.root;
  root_options.passphrase_file = options.root_passphrase_file;
  const Node node = TRY(open_sealed_directory(root_options));
  const mesh::CertificateAndKey root = TRY(read_ca(node));
  const mesh::TrustBundleDocument& held = ca.bundle->document();
  if (std::ranges::find(held.roots, root.certificate) == held.roots.end())
    return fail(Code::permission_denied, fmt::format("--root: {} is another root than that of {}",
                                                     options.root, ca.trust_domain()));
  const crypto::P256PrivateKey key = TRY(make_ca_key(ca.node));
  const mesh::RegionalParameters parameters{
      ca.trust_domain(), fmt::format("CA {} of {}", held.sequence + 1, ca.trust_domain())};
  const Buffer csr = TRY(mesh::make_csr(key, parameters.common_name));
  mesh::Certificate certificate =
      TRY(mesh::make_regional(root, csr, parameters, *ca.node.clock, *ca.node.entropy));
  return mesh::CertificateAndKey{std::move(certificate), key};
}

void show(const RotateOptions& options, const mesh::AcceptedBundle& bundle,
          const mesh::Certificate& certificate, const std::string& words) {
  if (options.json)
    print_json({{"bundle_sequence", bundle.document().sequence},
                {"bundle_sha256", to_hex(bundle.digest())},
                {"authorities", bundle.document().authorities.size()},
                {"ca_certificate_sha256", to_hex(certificate.fingerprint())}});
  else
    print_line(fmt::format("bundle {} of {} ({}...). {}", bundle.document().sequence,
                           bundle.document().trust_domain, to_hex(bundle.digest()).substr(0, 16),
                           words));
}

Result<Exit> begin(CaDirectory& ca, const RotateOptions& options) {
  if (options.root.empty())
    return fail(Code::invalid_argument, "--root is needed: it signs the new CA's certificate");
  if (options.officers.size() < mesh::bundle_officers_needed)  // before a key is made for it
    return too_few_officers();
  const mesh::CertificateAndKey next = TRY(make_next(ca, options));
  std::vector<mesh::Certificate> authorities;
  if (!options.is_stolen) authorities = ca.bundle->document().authorities;
  authorities.push_back(next.certificate);
  const mesh::AcceptedBundle bundle = TRY(sign_next(ca, options, std::move(authorities)));
  const std::int64_t from =
      io::unix_seconds(*ca.node.clock) + (options.is_stolen ? 0 : options.switch_after);
  TRY(write_ca_key(ca.node, next));
  TRY(write_next_bundle(*ca.node.disk, *ca.bundle, bundle));
  TRY(schedule_ca(ca.node, next.certificate, from));
  show(options, bundle, next.certificate,
       options.is_stolen
           ? "what the old CA issued is refused from now on. everybody joins again: `meridian ca "
             "token`"
           : fmt::format("the new CA issues from {} on; finish with --finish when nothing lives "
                         "that the old one issued",
                         format_seconds(from)));
  return Exit::ok;
}

/// That nobody depends on the old CA any more.
Status check_may_finish(CaDirectory& ca, bool now) {
  if (TRY(is_ca_scheduled(ca.node)))
    return fail(Code::failed_precondition, "the new CA does not issue yet: come back when it does");
  if (now) return {};
  const std::int64_t time = io::unix_seconds(*ca.node.clock);
  const std::int64_t switched = TRY(switched_at(ca.node));
  std::size_t living = 0;
  std::int64_t last = 0;
  for (const mesh::JournalEntry& entry : TRY(ca.journal->read(1, ca.journal->head().count))) {
    const mesh::Issuance& issued = entry.issuance;
    if (issued.time > switched || issued.not_after <= time) continue;
    ++living;
    last = std::max(last, issued.not_after);
  }
  if (living == 0) return {};
  return fail(
      Code::failed_precondition,
      fmt::format("{} certificates of the old CA are still good, the last until {}: wait, or "
                  "cut them off with --now",
                  living, format_seconds(last)));
}

Result<Exit> finish(CaDirectory& ca, const RotateOptions& options) {
  TRY(check_may_finish(ca, options.now));
  if (!ca.authority) return fail(Code::not_found, "the authority's key is not here");
  if (ca.bundle->document().authorities.size() == 1)
    return fail(Code::failed_precondition, "there is no old CA in the bundle");
  const mesh::Certificate certificate = ca.authority->certificate();
  const mesh::AcceptedBundle bundle = TRY(sign_next(ca, options, {certificate}));
  TRY(write_next_bundle(*ca.node.disk, *ca.bundle, bundle));
  show(options, bundle, certificate, "the old CA is out");
  return Exit::ok;
}

Result<Exit> run_rotate(const RotateOptions& options) {
  CaDirectory ca = TRY(open_ca(options.ca, CaKey::optional));
  return options.is_finish ? finish(ca, options) : begin(ca, options);
}

}  // namespace

void add_ca_rotate(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<RotateOptions>();
  CLI::App& rotate = *group.add_subcommand("rotate", "Give an authority a new key");
  add_ca_options(rotate, options->ca);
  rotate.add_option("--root", options->root, "Directory of the root")->type_name("DIR");
  rotate
      .add_option("--root-passphrase-file", options->root_passphrase_file,
                  "File whose content opens it")
      ->type_name("FILE");
  rotate
      .add_option("--officer", options->officers,
                  "Directory of an officer, with the file of the passphrase; two of them")
      ->allow_extra_args(false)
      ->type_name("DIR=FILE");
  rotate
      .add_option("--switch-after", options->switch_after,
                  "When the new key issues: by then everybody has the new bundle")
      ->capture_default_str()
      ->check(CLI::Range(0, 30 * 86'400))
      ->type_name("SECONDS");
  CLI::Option* stolen =
      rotate.add_flag("--stolen", options->is_stolen, "The old key is in other hands: out at once");
  rotate.add_flag("--finish", options->is_finish, "Take the old one out of the bundle")
      ->excludes(stolen);
  rotate.add_flag("--now", options->now,
                  "With --finish: also if certificates of it are still good");
  rotate.add_flag("--json", options->json, "Print JSON");
  rotate.footer(rotate_help);
  on_run(rotate, invocation, options, run_rotate);
}

}  // namespace meridian::app
