// `meridian verify`: the whole ledger in a directory, offline, without changing a byte.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "commands.h"
#include "data_directory.h"
#include "key_access.h"
#include "on_run.h"
#include "output.h"

namespace meridian::app {

namespace {

struct Options : KeyAccess {
  std::string directory;
  std::uint64_t shown_max = 1'000;
  bool json = false;
};

OrderedJson json_of(const audit::Report& report, std::uint64_t shown) {
  OrderedJson out;
  out["sound"] = report.findings == 0;
  out["findings"] = report.findings;
  out["findings_shown"] = shown;
  out["records"] = report.records;
  out["transfers"] = report.transfers;
  out["accounts"] = report.accounts;
  out["events"] = report.events;
  out["payloads_opened"] = report.payloads_opened;
  out["payloads_forgotten"] = report.payloads_forgotten;
  out["payloads_locked"] = report.payloads_locked;
  out["client_signatures"] = report.client_signatures;
  out["client_signed_records"] = report.client_signed_records;
  out["client_signed_contents"] = report.client_signed_contents;
  out["client_signed_unread"] = report.client_signed_unread;
  out["signed_records"] = report.signed_records;
  out["checkpoint_records"] = report.checkpoint_records;
  out["log_entries"] = report.log_entries;
  out["log_executed"] = report.log_executed;
  out["log_records_compared"] = report.log_records_compared;
  out["log_only_records"] = report.log_only_records;
  out["log_tail_bytes"] = report.log_tail_bytes;
  out["generation"] = report.generation;
  OrderedJson losses = OrderedJson::array();
  for (const audit::RecordedLoss& loss : report.losses)
    losses.push_back({{"generation", loss.generation},
                      {"record", loss.record},
                      {"first", loss.first},
                      {"last", loss.last}});
  out["recorded_losses"] = std::move(losses);
  out["root"] = report.root;
  return out;
}

void print_report(const audit::Report& report, double seconds) {
  print_line(fmt::format("{} records: {} accounts, {} transfers, {} events; root {}",
                         report.records, report.accounts, report.transfers, report.events,
                         report.root));
  print_line(
      fmt::format("{} of them under the head that this replica signed; {} payloads open and "
                  "match their commitments, {} are forgotten as recorded",
                  report.signed_records, report.payloads_opened, report.payloads_forgotten));
  if (report.client_signed_records > 0)
    print_line(fmt::format(
        "{} records were signed by clients, in {} requests; {} of them could not be compared with "
        "what was signed; of events, {} hold what was signed. by whom, `meridian evidence verify` "
        "checks",
        report.client_signed_records, report.client_signatures, report.client_signed_unread,
        report.client_signed_contents));
  if (report.payloads_locked > 0)
    print_line(
        fmt::format("{} payloads could not be opened: they live in a jurisdiction elsewhere, or "
                    "their keys were not here yet when this replica stopped (start it, so that the "
                    "others give them to it)",
                    report.payloads_locked));
  print_line(
      fmt::format("state checkpoint of {} records; {} entries of the write-ahead log behind "
                  "it {}: they give the headers of {} stored records, and {} records that "
                  "stand only in the log",
                  report.checkpoint_records, report.log_entries,
                  report.log_executed ? "executed" : "COULD NOT BE EXECUTED",
                  report.log_records_compared, report.log_only_records));
  for (const audit::RecordedLoss& loss : report.losses)
    print_line(
        fmt::format("record {} opened generation {}: it says that records {}..{} of the one "
                    "before were signed and are lost",
                    loss.record, loss.generation, loss.first, loss.last));
  if (report.log_tail_bytes > 0)
    print_line(
        fmt::format("the log ends in {} bytes that do not open: a write that a crash tore, "
                    "or damage to the last of what was acknowledged; only the signed head "
                    "and receipts can tell",
                    report.log_tail_bytes));
  print_line(fmt::format("{:.2f} s, {:.0f} records/s", seconds,
                         static_cast<double>(report.records) / std::max(seconds, 1e-9)));
  print_line(report.findings == 0 ? "sound: nothing is damaged"
                                  : fmt::format("DAMAGED: {} findings", report.findings));
}

Result<Exit> run(const Options& options) {
  DataDirectory data = TRY(open_to_look(options.directory, options));
  const bool is_watched = ::isatty(2) == 1;
  const io::MonotonicTime start = data.clock->monotonic();
  OrderedJson findings = OrderedJson::array();
  std::uint64_t shown = 0;
  const auto on_finding = [&](const audit::Finding& finding) {
    if (++shown > options.shown_max) return;
    if (options.json) {
      OrderedJson json;
      if (finding.record) json["record"] = *finding.record;
      json["what"] = finding.what;
      findings.push_back(std::move(json));
    } else if (finding.record) {
      print_line(fmt::format("record {}: {}", *finding.record, finding.what));
    } else {
      print_line(finding.what);
    }
  };
  std::uint64_t told = 0;
  const auto on_progress = [&](std::uint64_t done, std::uint64_t total) {
    if (!is_watched || done - told < 100'000) return;
    told = done;
    fmt::print(stderr, "\r{} of {} records", done, total);
  };
  const audit::Report report = TRY(verify(data, on_finding, on_progress));
  if (is_watched) fmt::print(stderr, "\r\033[K");
  const double seconds = static_cast<double>(data.clock->monotonic() - start) / 1e9;
  if (options.json) {
    OrderedJson out = json_of(report, std::min(shown, options.shown_max));
    out["seconds"] = seconds;
    out["records_per_second"] =
        static_cast<std::uint64_t>(seconds > 0 ? static_cast<double>(report.records) / seconds : 0);
    out["list"] = std::move(findings);
    print_json(out);
  } else {
    print_report(report, seconds);
  }
  return report.findings == 0 ? Exit::ok : Exit::damaged;
}

}  // namespace

void add_verify(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  CLI::App& verify =
      *app.add_subcommand("verify", "Check a whole ledger offline, record by record");
  verify.add_option("--data", options->directory, "The data directory, not being served")
      ->required();
  add_key_access(verify, *options,
                 "File whose content opens the keys (not needed after serve --dev)");
  verify.add_option("--show", options->shown_max, "Print at most so many findings")
      ->capture_default_str();
  verify.add_flag("--json", options->json, "Print JSON");
  verify.footer(
      "Changes nothing. Checks that every header opens, is canonical and in its place; that leaf\n"
      "hashes give the tiles, the segments and the root that was signed; that balances and "
      "account\n"
      "histories refolded from the headers are those that records and state checkpoint hold; that\n"
      "every payload matches its commitment, and that one whose key is gone was erased on record;\n"
      "that the write-ahead log, executed again from the state checkpoint on, gives the headers\n"
      "that are stored; that indexes open. Goes on after damage and names each record.\n"
      "Exit code 4 if anything is damaged.\n\n"
      "Example: meridian verify --data ./ledger");
  on_run(verify, invocation, options, run);
}

}  // namespace meridian::app
