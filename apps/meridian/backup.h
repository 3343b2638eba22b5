// The three acts of `meridian backup`: create, verify, restore. Each gives a report to print.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "commands.h"
#include "generation.h"
#include "key_access.h"
#include "key_bundle.h"
#include "proof/merkle.h"

namespace meridian::app {

/// The passphrase is the node's; not for verify.
struct BackupOptions : KeyAccess {
  std::string data;
  std::string backup;  ///< Directory of the backup's data.
  BundleOptions keys;
  std::uint64_t keys_valid_days = 30;  ///< create
  std::string last_signed;             ///< restore: file; may be empty
  bool json = false;
};

void add_backup(CLI::App& app, Invocation& invocation);

using BackupProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

struct CreatedBackup {
  std::uint64_t records = 0, records_before = 0;  ///< In the backup: now, and before this.
  std::uint64_t record_bytes = 0;                 ///< Of pieces copied now.
  std::uint64_t state_records = 0, chunks = 0, chunks_kept = 0, chunk_bytes = 0;
  std::uint64_t log_entries = 0, log_bytes = 0;
  std::uint64_t signed_records = 0, expires_ns = 0;
  proof::Hash root{};
};
Result<CreatedBackup> create_backup(const BackupOptions& options, const BackupProgress& progress);

struct CheckedBackup {
  std::uint64_t created_ns = 0, generation = 0, records = 0, log_end = 0, events = 0;
  std::uint64_t state_records = 0, accounts = 0, chunks = 0, log_entries = 0;
  std::uint64_t signed_records = 0;
  std::optional<std::uint64_t> digest_record;  ///< The record that holds the state's digest.
  std::uint64_t keys_expire_ns = 0;
  bool keys_expired = false;
  std::string log_vkey, origin;
  proof::Hash root{};
};
/// Errors: data_loss naming the first thing that is wrong.
Result<CheckedBackup> verify_backup(const BackupOptions& options, const BackupProgress& progress);

struct RestoredBackup {
  std::uint64_t records = 0;          ///< Of the backup, all of them there.
  std::uint64_t records_before = 0;   ///< That an interrupted restore had copied.
  std::uint64_t erased_subjects = 0;  ///< Forgotten after the keys were kept: destroyed again.
  std::uint64_t owed_records = 0;     ///< Of what the keys know and the backup is too old for.
  std::uint64_t generation = 0;
  std::optional<Loss> loss;  ///< Set if a new generation was opened.
  std::uint64_t opened_by = 0;
  std::string origin, note;
  std::uint64_t verified_records = 0, findings = 0;
};
Result<RestoredBackup> restore_backup(const BackupOptions& options, const BackupProgress& progress);

}  // namespace meridian::app
