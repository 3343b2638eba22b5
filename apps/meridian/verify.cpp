// `meridian verify`: the whole ledger in a directory, offline, without changing a byte.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "audit/ledger_verifier.h"
#include "audit/read_only_disk.h"
#include "commands.h"
#include "crypto/secret.h"
#include "files.h"
#include "io/executor.h"
#include "output.h"

namespace meridian::app {

namespace {

constexpr std::uint64_t passphrase_bytes_max = 4'096;

struct Options {
  std::string directory, passphrase_file;
  std::uint64_t shown_max = 1'000;
  bool json = false;
};

struct Opened {
  std::unique_ptr<io::Disk> writable;  ///< Never written: only its read-only face is used.
  std::unique_ptr<audit::ReadOnlyDisk> disk;
  std::unique_ptr<io::DiskLock> lock;
  std::unique_ptr<io::Clock> clock = io::os_clock();
  std::unique_ptr<io::Entropy> entropy = io::os_entropy();
  std::unique_ptr<storage::KeyStore> keys;
  u128 cell = 0;
};

Result<crypto::Secret> read_passphrase(const Options& options, io::Disk& disk) {
  std::string text;
  if (!options.passphrase_file.empty()) {
    text = TRY(read_input(options.passphrase_file, passphrase_bytes_max));
  } else if (TRY(disk.exists(dev_passphrase_path))) {
    text = as_text(TRY(io::read_file(disk, dev_passphrase_path, passphrase_bytes_max)));
  } else {
    return fail(Code::failed_precondition,
                "no passphrase to open the keys. give --passphrase-file FILE");
  }
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  crypto::Secret secret(as_bytes(text));
  crypto::cleanse({reinterpret_cast<Byte*>(text.data()), text.size()});
  return secret;
}

Result<u128> read_cell(io::Disk& disk) {
  const Buffer text = TRY(io::read_file(disk, cell_path, 64));
  std::string_view digits = as_text(text);
  while (digits.ends_with('\n')) digits.remove_suffix(1);
  Buffer bytes;
  if (digits.size() != 32 || !from_hex(digits, bytes))
    return fail(Code::data_loss, disk.display(cell_path) +
                                     " is not 32 hexadecimal digits. restore it from a backup");
  return load_le<u128>(bytes.data());
}

Result<Opened> open_data(const Options& options) {
  Opened data;
  data.writable = TRY(open_existing_directory(options.directory));
  data.disk = std::make_unique<audit::ReadOnlyDisk>(*data.writable);
  if (!TRY(data.disk->exists(cell_path)))
    return fail(
        Code::not_found,
        fmt::format("{} holds no ledger. name the directory that `meridian serve --data` uses",
                    options.directory));
  if (TRY(data.disk->exists(lock_path))) {
    auto lock = data.writable->lock(lock_path);
    if (!lock && lock.error().code == Code::failed_precondition)
      return fail(
          Code::failed_precondition,
          fmt::format("a server runs on {}. stop it, or verify a copy made while it is stopped",
                      options.directory));
    data.lock = TRY(std::move(lock));
  }
  data.cell = TRY(read_cell(*data.disk));
  const crypto::Secret passphrase = TRY(read_passphrase(options, *data.disk));
  data.keys =
      TRY(storage::KeyStore::open({*data.disk, *data.clock, *data.entropy}, passphrase.bytes()));
  return data;
}

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
  out["signed_records"] = report.signed_records;
  out["checkpoint_records"] = report.checkpoint_records;
  out["log_entries"] = report.log_entries;
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
  print_line(
      fmt::format("state checkpoint of {} records equals the balances refolded from headers; "
                  "{} entries of the write-ahead log open; {:.2f} s, {:.0f} records/s",
                  report.checkpoint_records, report.log_entries, seconds,
                  static_cast<double>(report.records) / std::max(seconds, 1e-9)));
  print_line(report.findings == 0 ? "sound: nothing is damaged"
                                  : fmt::format("DAMAGED: {} findings", report.findings));
}

Result<Exit> run(const Options& options) {
  const Opened data = TRY(open_data(options));
  const std::unique_ptr<io::Executor> hashing = io::os_executor("hash");
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
  const audit::Report report =
      TRY(audit::verify_ledger({*data.disk, *data.clock, *data.entropy, *data.keys, *hashing},
                               data.cell, on_finding, on_progress));
  if (is_watched) fmt::print(stderr, "\r\033[K");
  const double seconds = static_cast<double>(data.clock->monotonic() - start) / 1e9;
  if (options.json) {
    OrderedJson out = json_of(report, std::min(shown, options.shown_max));
    out["seconds"] = seconds;
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
  verify.add_option("--passphrase-file", options->passphrase_file,
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
      "that write-ahead log and indexes open. Goes on after damage and names each record.\n"
      "Exit code 4 if anything is damaged.\n\n"
      "Example: meridian verify --data ./ledger");
  verify.callback([options, &invocation] {
    invocation.run = [options] {
      const Result<Exit> done = run(*options);
      return done ? *done : report(done.error());
    };
  });
}

}  // namespace meridian::app
