// The keys of a backup, kept apart from its data and for a shorter time
// (docs/operations/backup.md).
//
// A directory with a key store of its own, under the backup's passphrase: its `storage` key seals
// the data of the backup and the file `bundle`. The bundle holds what a restored node needs to open
// its records: the node's key store, as sealed as it was, and the wrapped keys of subjects. It says
// until when it may be used. So whoever keeps data for years keeps nobody's keys for years.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/entropy.h"
#include "key_access.h"
#include "storage/key_store.h"
#include "storage/sealed_file.h"

namespace meridian::app {

struct KeyBundle {
  struct File {
    std::string path;
    Buffer bytes;
    bool operator==(const File&) const = default;
  };
  u128 cell = 0;
  std::uint64_t created_ns = 0, expires_ns = 0;  ///< Since 1970.
  std::vector<File> files;                       ///< As they stand in the data directory.

  /// Null if it is not there.
  const Buffer* find(std::string_view path) const;
  Buffer encode() const;
  /// Errors: data_loss naming what is wrong.
  static Result<KeyBundle> decode(Bytes bytes);
  /// Errors: failed_precondition naming the date, from which on it may not be used.
  Status check_valid(io::WallTime now) const;
  bool operator==(const KeyBundle&) const = default;
};

/// "2026-01-31 12:00:00 UTC".
std::string format_time(std::uint64_t ns);
std::string format_seconds(std::int64_t seconds);

/// The passphrase is the backup's.
struct BundleOptions : KeyAccess {
  std::string directory;
};

/// Its directory, opened. Members in the order in which they depend on each other.
struct BundleDirectory {
  std::unique_ptr<io::Disk> disk;
  std::unique_ptr<storage::KeyStore> keys;

  storage::SealedContext context(io::Entropy& entropy, u128 cell) const {
    return {*disk, entropy, *keys, cell};
  }
};

/// Errors: not_found, permission_denied (the passphrase is wrong), data_loss.
Result<BundleDirectory> open_bundle_directory(const BundleOptions& options, io::Clock& clock,
                                              io::Entropy& entropy);
/// The same; makes it, with a fresh backup key, if it is not there.
Result<BundleDirectory> make_bundle_directory(const BundleOptions& options, io::Clock& clock,
                                              io::Entropy& entropy);
Status write_bundle(const storage::SealedContext& context, const KeyBundle& bundle);
/// Errors: data_loss; also if it is of another cell.
Result<KeyBundle> read_bundle(const storage::SealedContext& context);
/// What the records of a ledger say of keys, for who restores older ones under these: no file of
/// the data directory, and of the bytes of door::OwedRecords.
inline constexpr std::string_view key_records_path = "keys/records";
/// What of a data directory goes into a bundle.
Result<std::vector<KeyBundle::File>> collect_key_files(io::Disk& data);

}  // namespace meridian::app
