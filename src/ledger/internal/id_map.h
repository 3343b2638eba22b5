// From 128-bit ids to positions. Included by this module's .cpp files only.
//
// The hash is seeded per process (absl), so nobody outside can choose ids that collide; nothing
// ever iterates over a map, so its order cannot reach the state.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/hash/hash.h>

#include <cstdint>

#include "base/u128.h"

namespace meridian::ledger::internal {

struct IdHash {
  std::size_t operator()(u128 id) const { return absl::HashOf(high64(id), low64(id)); }
};

template <typename Position>
using IdMap = absl::flat_hash_map<u128, Position, IdHash>;

}  // namespace meridian::ledger::internal
