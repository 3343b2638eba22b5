// `meridian backup`: create, verify, restore (docs/operations/backup.md).
#include "backup.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "commands.h"
#include "on_run.h"
#include "output.h"

namespace meridian::app {

namespace {

BackupProgress watched(std::string_view what) {
  if (::isatty(2) != 1) return [](std::uint64_t, std::uint64_t) {};
  return [what, told = std::uint64_t{0}](std::uint64_t done, std::uint64_t total) mutable {
    if (done < total && done - told < 50'000 && done >= told) return;
    told = done;
    fmt::print(stderr, "\r{} {} of {} records{}", what, done, total,
               done == total ? "\033[K\n" : "\033[K");
  };
}

Result<Exit> create(const BackupOptions& options) {
  const CreatedBackup made = TRY(create_backup(options, watched("copied")));
  if (options.json) {
    print_json({{"records", made.records},
                {"records_before", made.records_before},
                {"new_records", made.records - made.records_before},
                {"record_bytes", made.record_bytes},
                {"state_records", made.state_records},
                {"chunks", made.chunks},
                {"chunks_kept", made.chunks_kept},
                {"chunk_bytes", made.chunk_bytes},
                {"log_entries", made.log_entries},
                {"log_bytes", made.log_bytes},
                {"signed_records", made.signed_records},
                {"root", to_hex(made.root)},
                {"keys_expire", format_time(made.expires_ns)}});
    return Exit::ok;
  }
  print_line(fmt::format("{} records in the backup, {} of them new ({} bytes); root {}",
                         made.records, made.records - made.records_before, made.record_bytes,
                         to_hex(made.root)));
  print_line(
      fmt::format("state of {} records: {} chunks, {} of them there before, {} bytes written; log "
                  "behind it: {} entries, {} bytes",
                  made.state_records, made.chunks, made.chunks_kept, made.chunk_bytes,
                  made.log_entries, made.log_bytes));
  print_line(
      fmt::format("{} records are under the checkpoint that was signed", made.signed_records));
  print_line(fmt::format("the keys may be used until {}: keep them apart from the data",
                         format_time(made.expires_ns)));
  print_line("next: `meridian backup verify` with the same --to as --from, --keys and passphrase");
  return Exit::ok;
}

Result<Exit> check(const BackupOptions& options) {
  const CheckedBackup seen = TRY(verify_backup(options, watched("checked")));
  if (options.json) {
    OrderedJson out{{"sound", true},
                    {"created", format_time(seen.created_ns)},
                    {"generation", seen.generation},
                    {"records", seen.records},
                    {"root", to_hex(seen.root)},
                    {"signed_records", seen.signed_records},
                    {"origin", seen.origin},
                    {"log_vkey", seen.log_vkey},
                    {"state_records", seen.state_records},
                    {"accounts", seen.accounts},
                    {"chunks", seen.chunks}};
    out["digest_record"] =
        seen.digest_record ? OrderedJson(*seen.digest_record) : OrderedJson(nullptr);
    out["log_entries"] = seen.log_entries;
    out["restorable_records"] = seen.log_end;
    out["keys_expire"] = format_time(seen.keys_expire_ns);
    out["keys_expired"] = seen.keys_expired;
    print_json(out);
    return Exit::ok;
  }
  print_line(fmt::format("backup of {}: {} records, root {}", format_time(seen.created_ns),
                         seen.records, to_hex(seen.root)));
  print_line(fmt::format("{} of them under a checkpoint signed by {}", seen.signed_records,
                         seen.log_vkey));
  print_line(fmt::format(
      "state of {} records: {} accounts in {} chunks{}; {} log entries behind it",
      seen.state_records, seen.accounts, seen.chunks,
      seen.digest_record ? fmt::format(", its digest stands in record {}", *seen.digest_record)
                         : "",
      seen.log_entries));
  print_line(fmt::format("the keys {} {}", seen.keys_expired ? "EXPIRED on" : "may be used until",
                         format_time(seen.keys_expire_ns)));
  print_line("sound: nothing is damaged");
  return Exit::ok;
}

Result<Exit> restore(const BackupOptions& options) {
  const RestoredBackup made = TRY(restore_backup(options, watched("restored")));
  if (options.json) {
    OrderedJson out{{"records", made.records},
                    {"erased_subjects", made.erased_subjects},
                    {"owed_records", made.owed_records},
                    {"generation", made.generation},
                    {"origin", made.origin},
                    {"new_generation", made.loss.has_value()}};
    out["lost"] = nullptr;
    if (made.loss && !made.loss->is_none())
      out["lost"] = {{"first", made.loss->first}, {"last", made.loss->last()}};
    out["record"] = made.loss ? OrderedJson(made.opened_by) : OrderedJson(nullptr);
    out["verified_records"] = made.verified_records;
    out["findings"] = made.findings;
    print_json(out);
    return Exit::ok;
  }
  print_line(fmt::format("{} records restored; {} verified, nothing is damaged", made.records,
                         made.verified_records));
  if (made.erased_subjects > 0)
    print_line(
        fmt::format("{} subjects were forgotten after these keys were kept: their keys were "
                    "destroyed again",
                    made.erased_subjects));
  if (made.owed_records > 0)
    print_line(
        fmt::format("the backup is older than the keys, which know {} changes more of what is kept "
                    "and forgotten: they hold, and the first start records them",
                    made.owed_records));
  if (!made.loss) {
    print_line("nothing that was signed is lost: the log goes on as " + made.origin);
  } else if (made.loss->is_none()) {
    print_line(
        fmt::format("what was signed after the backup is not known, so generation {} was "
                    "opened by record {}: {}",
                    made.generation, made.opened_by, made.origin));
  } else {
    print_line(fmt::format("LOST: records {}. generation {} was opened by record {}: {}",
                           made.loss->range(), made.generation, made.opened_by, made.origin));
  }
  print_line(fmt::format("next: `meridian serve --data {}`", options.data));
  return Exit::ok;
}

void add_backup_options(CLI::App& command, BackupOptions& options, const char* backup_flag) {
  command.add_option(backup_flag, options.backup, "Directory of the backup's data")->required();
  command
      .add_option("--keys", options.keys.directory,
                  "Directory of the backup's keys: on other media than the data")
      ->required();
  CLI::Option* file =
      command.add_option("--backup-passphrase-file", options.keys.passphrase_file,
                         "File whose content opens the backup's keys; this or the next is needed");
  command
      .add_option("--backup-passphrase-credential", options.keys.passphrase_credential,
                  "The same, as a systemd credential")
      ->type_name("NAME")
      ->excludes(file);
  command.add_flag("--json", options.json, "Print JSON");
}

void add_create(CLI::App& backup, Invocation& invocation) {
  auto options = std::make_shared<BackupOptions>();
  CLI::App& command =
      *backup.add_subcommand("create", "Copy a stopped ledger; again into the same: what is new");
  command.add_option("--data", options->data, "The data directory, not being served")->required();
  add_key_access(command, *options,
                 "File whose content opens the node's keys (not needed after serve --dev)");
  add_backup_options(command, *options, "--to");
  command
      .add_option("--keys-valid-days", options->keys_valid_days,
                  "How long restoring with these keys is allowed")
      ->check(CLI::Range(1, 3'650))
      ->capture_default_str();
  command.footer(
      "Stop the server first: a running one cannot be backed up yet. Records, state and the log\n"
      "behind it go into --to, sealed under a key of the backup; every record is checked against\n"
      "the root. The node's keys and the keys of persons go into --keys and stop being usable\n"
      "after the days named, so that who was forgotten since stays forgotten. Nothing is written\n"
      "to --data. What is in --to already is not copied again.\n\n"
      "Example: meridian backup create --data ./ledger --to /mnt/a/backup --keys /mnt/b/keys\n"
      "           --backup-passphrase-file ./backup-passphrase");
  on_run(command, invocation, options, create);
}

void add_verify_backup(CLI::App& backup, Invocation& invocation) {
  auto options = std::make_shared<BackupOptions>();
  CLI::App& command =
      *backup.add_subcommand("verify", "Prove what a backup holds; changes nothing");
  add_backup_options(command, *options, "--from");
  command.footer(
      "Needs no ledger. Hashes every record and compares the root, the checkpoint that was signed\n"
      "(with its signatures), the state's digest (with the record that holds it), every payload\n"
      "with its commitment. Compare the log_vkey it prints with the one you trust. Exit code 4 if\n"
      "anything is damaged.\n\n"
      "Example: meridian backup verify --from /mnt/a/backup --keys /mnt/b/keys\n"
      "           --backup-passphrase-file ./backup-passphrase");
  on_run(command, invocation, options, check);
}

void add_restore(CLI::App& backup, Invocation& invocation) {
  auto options = std::make_shared<BackupOptions>();
  CLI::App& command = *backup.add_subcommand("restore", "Make a data directory from a backup");
  add_backup_options(command, *options, "--from");
  command.add_option("--data", options->data, "The data directory to make; new or empty")
      ->required();
  add_key_access(command, *options,
                 "File whose content opens the node's keys (not needed after serve --dev)");
  command.add_option("--last-signed", options->last_signed,
                     "What was signed last: the file `cosigned` of the lost directory, or the\n"
                     "newest checkpoint that anybody kept");
  command.footer(
      "Every record and the state are checked as they come; then the whole ledger is verified.\n"
      "A log must never sign a smaller tree than before. If --last-signed is the `cosigned` file\n"
      "and nothing of it is missing, the log goes on; else a new generation is opened, as\n"
      "`meridian recovery new-generation` does, and its record says what is lost, as far as that\n"
      "is known. Keys that have expired are refused. After a stop, the same command goes on.\n\n"
      "Example: meridian backup restore --from /mnt/a/backup --keys /mnt/b/keys\n"
      "           --backup-passphrase-file ./backup-passphrase --data ./ledger-2\n"
      "           --last-signed ./lost/cosigned");
  on_run(command, invocation, options, restore);
}

}  // namespace

void add_backup(CLI::App& app, Invocation& invocation) {
  CLI::App& backup =
      *app.add_subcommand("backup", "Copies of a ledger that can be proven and restored");
  backup.require_subcommand(1);
  add_create(backup, invocation);
  add_verify_backup(backup, invocation);
  add_restore(backup, invocation);
}

}  // namespace meridian::app
