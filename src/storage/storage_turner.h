// Turning the key `storage` over while the node runs: files are opened, created, renamed and
// removed meanwhile, and a crash at any point leaves none that opens under neither version
// (docs/formats/keys.md).
//
// New files take the newest version at once; the headers of the others are written again in the
// background. Once no file is under an older version, that one is destroyed. A turn that a stop
// interrupted goes on at the next start (storage_rotation.h). All who use the files go through the
// same GuardedDisk. Thread-safe; the work is done on `executor`.
// Cost: for each file two reads and two syncs; who opens or renames a file meanwhile waits for one
// write of 128 bytes and its sync at most.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/executor.h"
#include "storage/guarded_disk.h"
#include "storage/key_store.h"

namespace meridian::storage {

class StorageTurner {
 public:
  struct Progress {
    KeyVersion newest{};
    std::vector<KeyVersion> older{};  ///< Still there. None: nothing is being turned.
    std::uint64_t files = 0;          ///< Whose keys were wrapped anew in this turn.
    std::vector<KeyVersion> destroyed{};
    std::string hindrance{};  ///< Why an older version cannot go; it is tried again.
  };

  struct Parts {
    GuardedDisk& disk;
    KeyStore& keys;
    io::Executor& executor;
    std::function<void(const std::string&)> notice;  ///< For people.
    /// A header could not be written: the process is to be stopped, and the next start mends it.
    std::function<void(Error)> fatal;
  };
  /// Goes on with what an earlier process could not finish. `parts` outlive it.
  static std::unique_ptr<StorageTurner> start(Parts parts);
  /// Not on the executor. Stops where it is.
  virtual ~StorageTurner() = default;

  /// Makes a next version and begins; `done` comes when new files take it. Errors:
  /// failed_precondition while one is being turned; of KeyStore::add.
  virtual void begin(std::function<void(Result<KeyVersion>)> done) = 0;

  /// Every key of the node, and how far a turn is. Reads the header of each file.
  struct Report {
    std::vector<KeyStore::Listing> keys;
    std::map<std::string, Buffer> public_keys;  ///< Of the newest of those that sign.
    std::map<KeyVersion, std::uint64_t> files;  ///< By the version of `storage` they are under.
    std::string token;                          ///< That holds some; empty: none.
    Progress progress;
  };
  virtual void report(std::function<void(Result<Report>)> done) = 0;
};

}  // namespace meridian::storage
