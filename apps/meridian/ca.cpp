// `meridian init` and `meridian ca`: how identities begin, are issued, listed and denied.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "ca_commands.h"
#include "ca_directory.h"
#include "ceremony.h"
#include "commands.h"
#include "files.h"
#include "identity_directory.h"
#include "io/unix_time.h"
#include "key_bundle.h"
#include "on_run.h"
#include "output.h"

namespace meridian::app {

namespace {

constexpr const char* init_help =
    R"(Makes a root, an authority for each region, a key for each officer, and the first trust bundles, signed by
all officers. ceremony.json holds every choice and every digest: read it aloud, and keep it. Then each
directory goes where it belongs, and nothing stays here:
  root/            offline, to people who do not run the authorities; needed again for a new authority
  officers/NAME/   to that person alone
  ca/REGION/       to the machine in that region that issues

Example:
  meridian init --dir ./bank --deployment bank.example --region eu-west --region us-east
    --officer ada=ada.pass --officer grace=grace.pass --passphrase-file ca.pass --root-passphrase-file root.pass)";

constexpr const char* ca_help =
    R"(A regional authority says who is who in its region: certificates of an hour, for SPIFFE ids below its trust
domain, each written to its journal before it leaves. docs/security/identities.md has it step by step.)";

struct IssueOptions {
  NodeOptions ca;
  std::string id, output, csr, by;
  std::vector<std::string> authorities;
  std::int64_t lifetime = mesh::svid_lifetime_default;
  bool json = false;
};
struct ListOptions {
  NodeOptions ca;
  bool json = false;
};
struct DenyOptions {
  NodeOptions ca;
  std::string serial, id, reason;
  bool json = false;
};

std::string person_here() {
  const char* user = std::getenv("USER");
  return user == nullptr || *user == '\0' ? "operator" : user;
}

Result<Exit> run_init(const CeremonyOptions& options, bool json) {
  const OrderedJson record = TRY(hold_ceremony(options));
  if (json) {
    print_json(record);
    return Exit::ok;
  }
  if (options.dev)
    fmt::print(stderr,
               "--dev: passphrases lie beside the keys. This protects nothing, and no other "
               "deployment accepts {}\n",
               options.deployment);
  std::vector<std::vector<std::string>> rows{{"region", "trust domain", "bundle"}};
  for (const OrderedJson& region : record["regions"])
    rows.push_back({region["region"], region["trust_domain"],
                    region["bundle_sha256"].get<std::string>().substr(0, 16) + "..."});
  fmt::print(
      "{}\n{}/ceremony.json holds every choice. next:\n"
      "  meridian ca issue --dir {}/ca/{} {} --id spiffe://{}/service/NAME --out ./identity\n",
      format_table(rows, {}), options.directory, options.directory, options.regions.front(),
      options.dev ? "--dev" : "--passphrase-file " + options.passphrase_file,
      record["regions"][0]["trust_domain"].get<std::string>());
  return Exit::ok;
}

Status write_issued(const IssueOptions& options, const CaDirectory& ca,
                    const mesh::CertificateChain& chain,
                    const std::optional<crypto::P256PrivateKey>& key) {
  if (!key) return write_output(options.output, mesh::format_pem_chain(chain));
  const TrustFiles trust = TRY(read_trust(*ca.node.disk));
  TRY(write_identity(options.output, *key, chain, trust));
  if (options.authorities.empty()) return {};
  return write_authority(options.output, options.authorities);
}

Result<Exit> run_issue(const IssueOptions& options) {
  const mesh::SpiffeId id = TRY(mesh::parse_spiffe_id(options.id));
  CaDirectory ca = TRY(open_ca(options.ca));
  std::optional<crypto::P256PrivateKey> key;
  Buffer csr;
  if (options.csr.empty()) {
    key = crypto::P256PrivateKey::generate();
    csr = TRY(mesh::make_csr(*key, id.path.substr(1)));
  } else {
    csr = to_buffer(as_bytes(TRY(read_input(options.csr, mesh::certificate_request_size_max))));
  }
  const mesh::IssuanceGrounds grounds{mesh::IssuanceGrounds::Kind::officer,
                                      options.by.empty() ? person_here() : options.by};
  const mesh::Certificate leaf = TRY(mesh::issue_on_record(
      *ca.authority, *ca.journal, csr, id, options.lifetime, grounds, *ca.node.clock));
  TRY(write_issued(options, ca, {leaf, ca.authority->certificate()}, key));
  if (options.json)
    print_json({{"id", options.id},
                {"serial", leaf.serial()},
                {"not_after", leaf.not_after()},
                {"journal_entry", ca.journal->head().count},
                {"written_to", options.output}});
  else
    print_line(fmt::format("{} is {} until {}; entry {} of the journal", options.output, options.id,
                           format_seconds(leaf.not_after()), ca.journal->head().count));
  return Exit::ok;
}

std::string state_of(const mesh::Issuance& issued, const CaDirectory& ca) {
  if (ca.denied->find(issued.serial, issued.id) != nullptr) return "denied";
  return issued.not_after > io::unix_seconds(*ca.node.clock) ? "valid" : "over";
}

Result<Exit> run_list(const ListOptions& options) {
  CaDirectory ca = TRY(open_ca(options.ca));
  const std::vector<mesh::JournalEntry> entries =
      TRY(ca.journal->read(1, ca.journal->head().count));
  OrderedJson list = OrderedJson::array();
  std::vector<std::vector<std::string>> rows{
      {"entry", "id", "serial", "until", "state", "grounds"}};
  for (const mesh::JournalEntry& entry : entries) {
    const mesh::Issuance& issued = entry.issuance;
    const std::string id = mesh::format_spiffe_id(issued.id);
    list.push_back({{"entry", entry.number},
                    {"id", id},
                    {"serial", issued.serial},
                    {"issued", issued.time},
                    {"not_after", issued.not_after},
                    {"state", state_of(issued, ca)},
                    {"grounds", mesh::describe(issued.grounds)}});
    rows.push_back({std::to_string(entry.number), id, issued.serial,
                    format_seconds(issued.not_after), state_of(issued, ca),
                    mesh::describe(issued.grounds)});
  }
  if (options.json)
    print_json({{"trust_domain", ca.trust_domain()},
                {"journal_head", to_hex(ca.journal->head().digest)},
                {"issued", std::move(list)}});
  else if (rows.size() == 1)
    print_line("nothing was issued yet");
  else
    fmt::print("{}", format_table(rows, {0}));
  return Exit::ok;
}

Result<Exit> run_deny(const DenyOptions& options) {
  CaDirectory ca = TRY(open_ca(options.ca));
  const std::string subject = options.serial.empty() ? options.id : options.serial;
  std::vector<mesh::DenyEntry> entries = ca.denied->entries();
  entries.push_back({subject, options.reason, io::unix_seconds(*ca.node.clock)});
  mesh::DenyList list =
      TRY(mesh::DenyList::make(ca.trust_domain(), ca.denied->number() + 1, std::move(entries)));
  TRY(write_deny_list(ca, std::move(list)));
  const std::string file = ca.node.disk->display(note_path(denied_path, ca.trust_domain()));
  if (options.json)
    print_json({{"denied", subject}, {"number", ca.denied->number()}, {"file", file}});
  else
    print_line(
        fmt::format("{} is denied by list {} of {}. identities that are kept through `ca serve` "
                    "take it up within 5 s, on open connections too; copy {} into denied/ of the "
                    "others",
                    subject, ca.denied->number(), ca.trust_domain(), file));
  return Exit::ok;
}

template <typename Options>
void on_ca(CLI::App& command, Invocation& invocation, std::shared_ptr<Options> options,
           Result<Exit> (*body)(const Options&)) {
  add_ca_options(command, options->ca);
  command.add_flag("--json", options->json, "Print JSON");
  on_run(command, invocation, std::move(options), body);
}

void add_issue(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<IssueOptions>();
  CLI::App& issue =
      *group.add_subcommand("issue", "Issue a certificate, with a key or for a request");
  issue.add_option("--id", options->id, "Whose")->required()->type_name("SPIFFE-ID");
  issue
      .add_option("--out", options->output,
                  "Directory of the identity; with --csr the file of the chain")
      ->required()
      ->type_name("PATH");
  issue.add_option("--csr", options->csr, "PKCS#10 request (DER); its holder keeps the key")
      ->type_name("FILE");
  issue.add_option("--lifetime", options->lifetime, "Of the certificate")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{1}, mesh::svid_lifetime_max))
      ->type_name("SECONDS");
  issue
      .add_option("--by", options->by,
                  "Who decided it, for the journal; the user of this shell if not given")
      ->type_name("NAME");
  issue
      .add_option("--authority", options->authorities,
                  "Where `meridian ca serve` answers, for the identity to be renewed through; "
                  "repeatable")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("ADDR");
  issue.footer(
      "Issued again into the same directory, it renews: a process that uses the directory takes it "
      "up within "
      "a\nsecond, without a restart.\n\n"
      "Examples:\n"
      "  meridian ca issue --dir ./ca --passphrase-file ca.pass --out ./identity\n"
      "    --id spiffe://eu-west.bank.example/service/payments\n"
      "  meridian ca issue ... --id "
      "spiffe://eu-west.bank.example/node/5d8f0f5e-91ff-4a46-9c8e-5f3b6f9b1c11/1");
  on_ca(issue, invocation, options, run_issue);
}

}  // namespace

void add_ca_options(CLI::App& command, NodeOptions& options) {
  command.add_option("--dir", options.directory, "Directory of the authority")
      ->required()
      ->type_name("DIR");
  add_key_access(command, options, "File whose content opens its keys");
  command.add_flag("--dev", options.dev, "It was made by `init --dev`");
}

void add_init(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<CeremonyOptions>();
  auto json = std::make_shared<bool>(false);
  CLI::App& init =
      *app.add_subcommand("init", "Begin a deployment: root, regional authorities, officers");
  init.add_option("--dir", options->directory, "Where everything is made")
      ->required()
      ->type_name("DIR");
  init.add_option("--deployment", options->deployment, "Its domain; with --dev below dev.invalid")
      ->required()
      ->type_name("DOMAIN");
  init.add_option("--region", options->regions, "A region, for each")
      ->required()
      ->type_name("NAME");
  init.add_option(
          "--officer", options->officers,
          "A person who signs trust bundles, with a file that holds their passphrase; two at least")
      ->required()
      ->type_name("NAME=FILE");
  init.add_option("--passphrase-file", options->passphrase_file,
                  "File whose content seals the authorities' keys")
      ->type_name("FILE");
  init.add_option("--key-store", options->key_store,
                  "The token that the authorities' keys are made in, as pkcs11:token=NAME?"
                  "module-path=LIBRARY; its PIN takes the place of their passphrase "
                  "(docs/operations/hsm.md)")
      ->type_name("URI");
  init.add_option("--root-passphrase-file", options->root_passphrase_file,
                  "File whose content seals the root's key")
      ->type_name("FILE");
  init.add_flag("--dev", options->dev, "To try it: passphrases are made, and lie beside the keys");
  init.add_flag("--json", *json, "Print what was chosen as JSON");
  init.footer(init_help);
  on_run(init, invocation, options,
         [json](const CeremonyOptions& chosen) { return run_init(chosen, *json); });
}

void add_ca(CLI::App& app, Invocation& invocation) {
  CLI::App& group =
      *app.add_subcommand("ca", "Serve, issue, list, deny and rotate: certificates of a region");
  group.require_subcommand(1);
  group.footer(ca_help);
  add_ca_serve(group, invocation);
  add_ca_record(group, invocation);
  add_ca_rotate(group, invocation);
  add_issue(group, invocation);

  auto list = std::make_shared<ListOptions>();
  CLI::App& listing = *group.add_subcommand("list", "Show what was issued, and to whom");
  listing.footer("Example: meridian ca list --dir ./ca --passphrase-file ca.pass --json");
  on_ca(listing, invocation, list, run_list);

  auto deny = std::make_shared<DenyOptions>();
  CLI::App& denying = *group.add_subcommand("deny", "Refuse a certificate, or an id, from now on");
  CLI::Option_group& whom = *denying.add_option_group("whom", "Whom, one of");
  whom.add_option("--serial", deny->serial, "A certificate (`ca list`)")->type_name("HEX");
  whom.add_option("--id", deny->id, "Everything issued to an id; ending in /* all below it")
      ->type_name("SPIFFE-ID");
  whom.require_option(1);
  denying.add_option("--reason", deny->reason, "For people who meet it")
      ->required()
      ->type_name("TEXT");
  denying.footer(
      "Example: meridian ca deny --dir ./ca --passphrase-file ca.pass --serial 4f1c... --reason "
      "'laptop lost'");
  on_ca(denying, invocation, deny, run_deny);
}

}  // namespace meridian::app
