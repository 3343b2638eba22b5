// `meridian witness`: run a witness for the logs of others, and what a user of one needs.
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "api/http_server.h"
#include "api/witness_http.h"
#include "commands.h"
#include "crypto/base64.h"
#include "files.h"
#include "io/executor.h"
#include "on_run.h"
#include "output.h"
#include "proof/policy.h"
#include "stop_signals.h"
#include "witness/witness.h"
#include "witness_directory.h"

namespace meridian::app {
namespace {

constexpr io::Duration stop_patience = io::seconds(5);
constexpr std::string_view default_listen = "127.0.0.1:7470";

constexpr const char* witness_help =
    R"(A witness protects those who rely on a ledger from its operator: it cosigns the ledger's signed
trees, and refuses any that does not extend the one it cosigned before. Its cosignature on a receipt
says that the operator cannot show somebody else another history.

That holds only if an organisation that is not the operator runs it, on a machine of its own. It needs
no access to the ledger: trees come to it, hold no data, and are signed.

  1. the witness:  meridian witness init --dir ./witness --name auditor.example/w1 --dev
  2. the ledger:   meridian log key                 -> the log's VKEY, for the witness
  3. the witness:  meridian witness serve --dir ./witness --dev --log VKEY
  4. the ledger:   meridian serve ... --witness http://HOST:7470=WITNESS_VKEY
  5. a user:       meridian receipt get --transfer 77 --witnessed -o paid.tlog-proof
                   meridian witness policy ledger.policy --witness WITNESS_VKEY \
                     --organisation Auditor_Ltd -o trusted.policy
                   meridian receipt verify paid.tlog-proof --policy trusted.policy

It speaks C2SP tlog-witness, so it witnesses any log that does, and other witnesses serve us.
More: docs/operations/witness.md.)";

struct InitOptions {
  NodeOptions node;
  std::string name;
  bool json = false;
};
struct LookOptions {
  std::string directory;
  bool json = false;
};
struct ServeOptions {
  NodeOptions node;
  std::string listen{default_listen};
  std::vector<std::string> logs;
  std::string policy;
  bool is_public = false;
};
struct PolicyOptions {
  std::string file, vkey, organisation, output;
};

void print_key(const proof::VerifierKey& key, bool json) {
  if (!json) return print_line(proof::format_vkey(key));
  print_json({{"name", key.name},
              {"vkey", proof::format_vkey(key)},
              {"public_key", crypto::to_base64(key.public_key)}});
}

Result<Exit> run_init(const InitOptions& options) {
  print_key(TRY(init_witness(options.node, options.name)), options.json);
  return Exit::ok;
}

Result<Exit> run_key(const LookOptions& options) {
  const std::unique_ptr<io::Disk> disk = TRY(open_existing_directory(options.directory));
  print_key(TRY(read_witness_key(*disk)), options.json);
  return Exit::ok;
}

Result<Exit> run_logs(const LookOptions& options) {
  const std::unique_ptr<io::Disk> disk = TRY(open_existing_directory(options.directory));
  TRY(read_witness_key(*disk));
  OrderedJson json = OrderedJson::array();
  std::vector<std::vector<std::string>> rows{{"log", "records", "root", ""}};
  for (const witness::WitnessedTree& tree : TRY(witness::list_trees(*disk))) {
    const std::string size = std::to_string(raw(tree.checkpoint.head.size));
    const std::string root = to_hex(tree.checkpoint.head.root);
    json.push_back({{"origin", tree.checkpoint.origin},
                    {"tree_size", size},
                    {"root", root},
                    {"forked", tree.has_fork}});
    rows.push_back({tree.checkpoint.origin, size, root, tree.has_fork ? "FORKED" : ""});
  }
  if (options.json) {
    print_json({{"logs", std::move(json)}});
  } else if (rows.size() == 1) {
    print_line("nothing was cosigned yet");
  } else {
    fmt::print("{}", format_table(rows, {1}));
  }
  return Exit::ok;
}

Result<std::vector<proof::VerifierKey>> log_keys(const ServeOptions& options) {
  std::vector<proof::VerifierKey> keys;
  for (const std::string& text : options.logs) keys.push_back(TRY(proof::parse_vkey(text)));
  if (!options.policy.empty()) {
    const std::string text = TRY(read_input(options.policy, proof::policy_size_max));
    const Result<proof::Policy> policy = proof::parse_policy(text);
    if (!policy) return with_context(policy.error(), options.policy);
    for (const proof::PolicyLog& log : policy->logs) keys.push_back(log.key);
  }
  return keys;
}

Result<api::ListenAddress> listen_address(const ServeOptions& options) {
  api::ListenAddress address = TRY(api::parse_listen_address(options.listen));
  if (!address.is_loopback && !options.is_public)
    return fail(Code::permission_denied,
                fmt::format("{} can be reached by others. put a proxy that speaks TLS before a "
                            "loopback address, or give --public",
                            options.listen));
  return address;
}

[[noreturn]] void stop_at_once(const Error& error) {
  fmt::print(stderr, "meridian: {}. the witness stopped at once: start it again\n", error.message);
  spdlog::default_logger()->flush();
  std::_Exit(static_cast<int>(Exit::fatal));
}

Result<Exit> run_serve(const ServeOptions& options) {
  const api::ListenAddress address = TRY(listen_address(options));
  const std::vector<proof::VerifierKey> keys = TRY(log_keys(options));
  const StopSignals signals;
  WitnessDirectory directory = TRY(open_witness(options.node));
  if (directory.node.dev_keys)
    spdlog::warn("--dev: the passphrase lies beside the key it seals. this protects nothing");
  metrics::Registry metrics;
  const std::unique_ptr<io::Executor> executor = io::os_executor("witness");
  const std::unique_ptr<witness::Witness> witness = TRY(witness::Witness::open(
      {*directory.node.disk, *directory.node.clock, metrics,
       [](const std::string& line) { spdlog::warn("{}", line); }, stop_at_once},
      *std::move(directory.cosigner), keys));
  api::LiveCalls live;
  api::CallCounts calls(metrics, "http");
  api::HttpOptions http_options;
  http_options.check_host = false;  // all of it is public or signed
  http_options.body_bytes_max = proof::add_checkpoint_size_max;
  auto http = TRY(api::HttpServer::start(
      {api::make_witness_http(*witness, *executor, metrics), live, calls}, address, http_options));
  fmt::print("meridian: witness {} at http {} ({} keys of logs)\n", witness->key().name,
             api::format_listen_address(http->address()), keys.size());
  std::fflush(stdout);
  std::optional<int> signal;
  while (!signal) signal = signals.wait();
  spdlog::info("signal {}: finishing what is under way", *signal);
  http->stop(stop_patience);
  http.reset();
  executor->drain();
  spdlog::info("stopped");
  return Exit::ok;
}

/// The ledger's own policy, and the witness beside what it asked for.
Result<Exit> run_policy(const PolicyOptions& options) {
  if (!proof::is_key_name(options.organisation))
    return fail(Code::invalid_argument,
                "--organisation: give one word, without spaces and '+', e.g. Auditor_Ltd");
  const std::string text = TRY(read_input(options.file, proof::policy_size_max));
  Result<proof::Policy> parsed = proof::parse_policy(text);
  if (!parsed) return with_context(parsed.error(), options.file);
  proof::Policy policy = *std::move(parsed);
  proof::PolicyWitness witness;
  witness.name = witness.place = options.organisation;
  witness.key = TRY(proof::parse_vkey(options.vkey));
  witness.role = proof::CosignerRole::outside;
  policy.witnesses.push_back(witness);
  if (policy.quorum == "none") {
    policy.quorum = witness.name;
  } else {
    const std::string both = policy.quorum + "+" + witness.name;
    policy.groups.push_back({both, 2, {policy.quorum, witness.name}});
    policy.quorum = both;
  }
  const std::string out = proof::format_policy(policy);
  // What a policy may hold, the parser knows best.
  if (const Result<proof::Policy> sound = proof::parse_policy(out); !sound)
    return with_context(sound.error(), "with this witness the policy would be wrong");
  if (options.output.empty() || options.output == "-") {
    fmt::print("{}", out);
  } else {
    TRY(write_output(options.output, out));
  }
  return Exit::ok;
}

void add_passphrase_options(CLI::App& command, NodeOptions& options) {
  command.add_option("--dir", options.directory, "Directory of the witness")->required();
  command.add_flag("--dev", options.dev, "Make a passphrase beside the key: for trying out only");
  add_key_access(command, options, "File whose content seals the key");
}

void add_look(CLI::App& group, Invocation& invocation, const char* name, const char* help,
              const char* footer, Result<Exit> (*body)(const LookOptions&)) {
  auto options = std::make_shared<LookOptions>();
  CLI::App& command = *group.add_subcommand(name, help);
  command.add_option("--dir", options->directory, "Directory of the witness")->required();
  command.add_flag("--json", options->json, "Print JSON");
  command.footer(footer);
  on_run(command, invocation, options, body);
}

void add_witness_serve(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App& command = *group.add_subcommand("serve", "Cosign the trees of the logs that are named");
  add_passphrase_options(command, options->node);
  command.add_option("--listen", options->listen, "Address of its HTTP interface")
      ->capture_default_str();
  command.add_option("--log", options->logs, "VKEY of a log (`meridian log key`); repeatable");
  command.add_option("--policy", options->policy, "File whose `log` lines name logs, too");
  command.add_flag("--public", options->is_public, "Listen where others can reach it, without TLS");
  command.footer(
      "Never restore DIR from an old backup: a witness that forgot what it cosigned would cosign "
      "a\n"
      "fork. Make a new one, with a new key, instead.\n\n"
      "Example: meridian witness serve --dir ./witness --dev --log \"$(meridian log key)\"");
  command.callback([options, &invocation] {
    invocation.run = [options] {
      spdlog::set_default_logger(spdlog::stderr_color_mt("meridian"));
      spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
      const Result<Exit> done = run_serve(*options);
      return done ? *done : report(done.error());
    };
  });
}

}  // namespace

void add_witness(CLI::App& app, Invocation& invocation) {
  CLI::App& group =
      *app.add_subcommand("witness", "Be a witness of other people's logs, or trust one");
  group.require_subcommand(1);
  group.footer(witness_help);

  auto init = std::make_shared<InitOptions>();
  CLI::App& making = *group.add_subcommand("init", "Make a witness's key and print its vkey");
  add_passphrase_options(making, init->node);
  making.add_option("--name", init->name, "Name of the key, e.g. auditor.example/w1")->required();
  making.add_flag("--json", init->json, "Print JSON");
  making.footer(
      "Give the vkey to the ledger's operator and, by a way the operator does not control, to\n"
      "those who rely on the ledger.\n\n"
      "Example: meridian witness init --dir ./witness --name auditor.example/w1 --dev");
  on_run(making, invocation, init, run_init);

  add_witness_serve(group, invocation);
  add_look(group, invocation, "key", "Print a witness's vkey",
           "Example: meridian witness key --dir ./witness", run_key);
  add_look(group, invocation, "logs", "List what a witness cosigned last",
           "FORKED: the log signed two trees of one size; both are kept below logs/.\n\n"
           "Example: meridian witness logs --dir ./witness --json",
           run_logs);

  auto policy = std::make_shared<PolicyOptions>();
  CLI::App& writing = *group.add_subcommand(
      "policy", "Write a policy that demands a witness's cosignature besides a ledger's own");
  writing.add_option("FILE", policy->file, "The ledger's policy (`meridian log policy`)")
      ->required();
  writing.add_option("--witness", policy->vkey, "VKEY of the witness, as its organisation gave it")
      ->required();
  writing.add_option("--organisation", policy->organisation, "Who runs it, one word")->required();
  writing.add_option("-o,--output", policy->output, "File to write; stdout if not given");
  writing.footer(
      "Receipts that satisfy it are `witnessed`. Take the vkey from the organisation, never from\n"
      "the ledger's operator, from whom the witness protects you.\n\n"
      "Example: meridian witness policy ledger.policy --witness \"$(cat auditor.vkey)\" \\\n"
      "           --organisation Auditor_Ltd -o trusted.policy");
  on_run(writing, invocation, policy, run_policy);
}

}  // namespace meridian::app
