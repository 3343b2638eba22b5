// A data directory opened for looking only: `meridian verify` and `recovery inspect`.
#pragma once

#include <memory>
#include <string>

#include "audit/ledger_verifier.h"
#include "audit/read_only_disk.h"
#include "base/u128.h"
#include "crypto/secret.h"
#include "io/disk.h"
#include "key_access.h"
#include "storage/key_store.h"

namespace meridian::app {

/// Members in the order in which they depend on each other.
struct DataDirectory {
  std::unique_ptr<io::Disk> writable;  ///< Never written: only its read-only face is used.
  std::unique_ptr<audit::ReadOnlyDisk> disk;
  std::unique_ptr<io::DiskLock> lock;
  std::unique_ptr<io::Clock> clock = io::os_clock();
  std::unique_ptr<io::Entropy> entropy = io::os_entropy();
  std::unique_ptr<storage::KeyStore> keys;
  u128 cell = 0;
};

/// What is given, or, if nothing is, what --dev left on `disk`. Errors: failed_precondition; those
/// of given_passphrase.
Result<crypto::Secret> read_passphrase(const KeyAccess& access, io::Disk& disk);
/// The file `cell` of a data directory or a backup. Errors: not_found, data_loss.
Result<u128> read_cell(io::Disk& disk);
Status write_cell(io::Disk& disk, u128 cell);

/// `access` may be empty for data made with --dev. Errors: not_found if there is no
/// ledger, failed_precondition if it is being served or no passphrase is to be had.
Result<DataDirectory> open_to_look(const std::string& directory, const KeyAccess& access);

/// The keys of a directory that has some, a ledger's or not, and that may be in use. Errors:
/// not_found; those of KeyStore::open.
Result<DataDirectory> open_keys_to_look(const std::string& directory, const KeyAccess& access);
/// The same, locked, and `keys` may be changed. Errors: also failed_precondition if it is in use.
Result<DataDirectory> open_keys_to_change(const std::string& directory, const KeyAccess& access);

/// Verifies it with threads of its own.
Result<audit::Report> verify(DataDirectory& data, const audit::OnFinding& on_finding,
                             const audit::OnProgress& on_progress);

}  // namespace meridian::app
