// Which replica a data directory is: a Raft id belongs to one disk for ever, as an emptied or
// exchanged one that keeps its id would vote away what was acknowledged (DESIGN section 6).
//
// File `identity` (docs/formats/slot_file.md), written once. Values; no threads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/u128.h"
#include "io/disk.h"
#include "io/entropy.h"

namespace meridian::storage {

inline constexpr std::size_t deployment_name_size_max = 255;
inline constexpr std::size_t region_name_size_max = 63;

/// What the configuration says a replica is.
struct ReplicaName {
  std::string deployment;  ///< Not empty, at most deployment_name_size_max bytes.
  u128 cell = 0;
  std::uint64_t generation = 1;
  std::uint64_t raft_id = 0;  ///< Not 0.
  std::string region;         ///< Not empty, at most region_name_size_max bytes.
  bool operator==(const ReplicaName&) const = default;
};

struct ReplicaIdentity {
  static constexpr std::string_view path = "identity";

  ReplicaName name;
  u128 storage = 0;  ///< Drawn when the directory was made: peers know this id by it.
  bool operator==(const ReplicaIdentity&) const = default;

  /// Reads the file; if it is missing, makes it for `wanted`. Durable when this returns. It is to
  /// be made after everything else that a replica must never miss (hard_state, in_doubt). Errors:
  /// invalid_argument if a field of `wanted` is out of its bounds; failed_precondition if the
  /// directory is another replica's (the message says whose, and what was asked for); data_loss if
  /// it cannot be read.
  static Result<ReplicaIdentity> open_or_create(io::Disk& disk, io::Entropy& entropy,
                                                const ReplicaName& wanted);
};

}  // namespace meridian::storage
