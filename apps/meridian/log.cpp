#include <fmt/format.h>
#include <unistd.h>

#include "files.h"
#include "log_export.h"
#include "output.h"
#include "run_with.h"

namespace meridian::app {

namespace {

struct Options {
  ClientOptions client;
  std::string output;
  bool json = false;
};

Result<Exit> print_text(const std::string& text, const Options& options) {
  if (options.output.empty() || options.output == "-") {
    fmt::print("{}", text);
    return Exit::ok;
  }
  TRY(write_output(options.output, text));
  return Exit::ok;
}

Result<Exit> run_key(Client& client, const Options& options) {
  const v1::KeysReply keys =
      TRY(client.call(*client.proofs, &v1::Proofs::Stub::Keys, v1::KeysRequest()));
  if (options.json) {
    print_json({{"origin", keys.origin()},
                {"log_vkey", keys.log_vkey()},
                {"cosigner_vkey", keys.cosigner_vkey()}});
    return Exit::ok;
  }
  return print_text(keys.log_vkey() + "\n", options);
}

Result<Exit> run_policy(Client& client, const Options& options) {
  const v1::KeysReply keys =
      TRY(client.call(*client.proofs, &v1::Proofs::Stub::Keys, v1::KeysRequest()));
  return print_text(keys.policy(), options);
}

Result<Exit> run_checkpoint(Client& client, const Options& options) {
  const v1::CheckpointReply reply =
      TRY(client.call(*client.proofs, &v1::Proofs::Stub::Checkpoint, v1::CheckpointRequest()));
  return print_text(reply.note(), options);
}

Result<Exit> run_witnesses(Client& client, const Options& options) {
  const v1::WitnessesReply reply =
      TRY(client.call(*client.proofs, &v1::Proofs::Stub::Witnesses, v1::WitnessesRequest()));
  OrderedJson json = OrderedJson::array();
  std::vector<std::vector<std::string>> rows{{"witness", "state", "cosigned", "lag", "problem"}};
  for (const v1::WitnessesReply::Witness& witness : reply.witnesses()) {
    json.push_back({{"name", witness.name()},
                    {"url", witness.url()},
                    {"state", witness.state()},
                    {"cosigned_size", std::to_string(witness.cosigned_size())},
                    {"lag_records", std::to_string(witness.lag_records())},
                    {"problem", witness.problem()}});
    rows.push_back({witness.name(), witness.state(), std::to_string(witness.cosigned_size()),
                    std::to_string(witness.lag_records()), witness.problem()});
  }
  if (options.json) {
    print_json({{"witnesses", std::move(json)}});
  } else if (reply.witnesses().empty()) {
    print_line("no witnesses. `meridian serve --witness URL=VKEY` names one");
  } else {
    fmt::print("{}", format_table(rows, {2, 3}));
  }
  return Exit::ok;
}

Result<Exit> run_export(Client& client, const Options& options) {
  const bool is_watched = ::isatty(2) == 1;
  const LogExport done =
      TRY(export_log(client, options.output, [&](std::uint64_t at, std::uint64_t of) {
        if (is_watched) fmt::print(stderr, "\r{} of {} records", at, of);
      }));
  if (is_watched) fmt::print(stderr, "\r\033[K");
  if (options.json) {
    print_json({{"directory", options.output},
                {"origin", done.origin},
                {"tree_size", done.size},
                {"fetched", done.fetched},
                {"root", done.root}});
  } else {
    print_line(
        fmt::format("{}: {} records ({} fetched now), root {}; every tile checked against the "
                    "signed root",
                    options.output, done.size, done.fetched, done.root));
  }
  return Exit::ok;
}

}  // namespace

void add_log(CLI::App& app, Invocation& invocation) {
  CLI::App& log = *app.add_subcommand("log", "Keys, checkpoint and export of the Merkle log");
  log.require_subcommand(1);
  const auto add = [&](const char* name, const char* help, const char* footer,
                       Result<Exit> (*body)(Client&, const Options&), bool has_json) {
    auto options = std::make_shared<Options>();
    CLI::App& command = *log.add_subcommand(name, help);
    command.add_option("-o,--output", options->output, "File to write; stdout if not given");
    if (has_json) command.add_flag("--json", options->json, "Print JSON, with all keys");
    command.footer(footer);
    on_call(command, invocation, options, body);
  };
  add("key", "Print the log's public key (C2SP vkey)",
      "It checks the signature of every checkpoint and receipt.", run_key, true);
  add("policy", "Print a policy that trusts this server, or all voters of its cell",
      "Keep it apart from the server: with it receipts verify offline (`meridian receipt "
      "verify`).\n"
      "Whom to trust is yours to decide: edit it (docs/formats/proof.md).",
      run_policy, false);
  add("checkpoint", "Print the newest signed checkpoint",
      "Whoever keeps one can later show that the log was not rewritten.", run_checkpoint, false);

  auto watching = std::make_shared<Options>();
  CLI::App& witnesses = *log.add_subcommand("witnesses", "Show how far each outside witness is");
  witnesses.add_flag("--json", watching->json, "Print JSON");
  witnesses.footer(
      "cosigned: records of the newest tree it cosigned since the server started. lag: readable\n"
      "records beyond. `refusing` means that this log and the witness's memory contradict each\n"
      "other: docs/operations/witness.md.");
  on_call(witnesses, invocation, watching, run_witnesses);

  auto options = std::make_shared<Options>();
  CLI::App& exporting =
      *log.add_subcommand("export", "Copy the log as C2SP tiles, for any tlog tool");
  exporting.add_option("--dir", options->output, "Directory to make or to bring up to date")
      ->required();
  exporting.add_flag("--json", options->json, "Print the result as JSON");
  exporting.footer(
      "Writes checkpoint, tile/L/..., tile/entries/... (an entry is a record's header; payloads "
      "are not\n"
      "exported), log.vkey and policy. All hashes are computed anew and must give the signed root. "
      "Run again to go on\n"
      "where it stopped, or to add what is new: then the old checkpoint must still hold, or the "
      "log\n"
      "was rewritten (exit code 4).\n\n"
      "Example: meridian log export --dir /backup/ledger-log");
  on_call(exporting, invocation, options, run_export);
}

}  // namespace meridian::app
