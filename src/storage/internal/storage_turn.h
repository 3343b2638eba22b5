// The steps of turning the key `storage` over while the node runs (storage_turner.h).
//
// New files take the newest version at once. The headers of the others are written again, a few at
// each step(); once a walk over all files met none under an older version, and no new name since
// it began either, the older ones are destroyed. All who use the disk go through `disk`; files made
// by FrameSealer::create before the turn are waited for (FreshHeader).
// Owned by one thread. Cost: for each file two reads and two syncs; who opens or renames a file
// waits for one write of 128 bytes and its sync at most.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "storage/guarded_disk.h"
#include "storage/internal/header_rewrite.h"
#include "storage/key_store.h"
#include "storage/storage_turner.h"

namespace meridian::storage {

class StorageTurn {
 public:
  /// After finish_storage_rotation(), so that no header is half written.
  StorageTurn(GuardedDisk& disk, KeyStore& keys) : disk_(disk), keys_(keys) {}

  using Progress = StorageTurner::Progress;
  Progress progress() const;

  /// Adds a next version. Errors: failed_precondition while one is being turned; of KeyStore::add.
  Result<KeyVersion> begin();

  enum class Next : std::uint8_t {
    at_once,
    soon,    ///< In some milliseconds: files that are being made are waited for.
    later,   ///< Something hinders it: in a minute or so.
    at_end,  ///< There is nothing to do until begin().
  };
  /// Goes on, by some files at most. Errors: a file could not be written; the process is to be
  /// stopped, and the next start mends it.
  Result<Next> step();

 private:
  enum class Phase : std::uint8_t { at_rest, waiting, walking, writing, closing };
  Result<Next> wait_for_fresh();
  Result<Next> walk();
  Result<Next> write_next();
  Result<Next> close_pass();
  void look_at(const std::string& path, Bytes header);
  Status look_at_renamed();
  Result<Next> write_batch(Phase after);
  Status write_header(const NewHeader& one);
  Result<Next> hinder(const Error& why);
  void start_pass();

  GuardedDisk& disk_;
  KeyStore& keys_;
  Phase phase_ = Phase::at_rest;
  Phase after_writing_ = Phase::walking;
  std::optional<SealedFiles> files_;  // of the walk
  std::vector<NewHeader> batch_;
  std::size_t written_ = 0;       // of batch_
  std::uint64_t pass_found_ = 0;  // under an older version, in this walk
  KeyVersion newest_{};
  std::uint64_t done_ = 0;
  std::vector<KeyVersion> destroyed_;
  std::string hindrance_;
  std::string pass_hindrance_;
};

}  // namespace meridian::storage
