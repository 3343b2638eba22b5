// A row of a table of subject keys: a value (docs/formats/keys.md).
#pragma once

#include <cstdint>

#include "base/u128.h"
#include "crypto/aead.h"

namespace meridian::storage {

inline constexpr std::uint8_t commit_row = 255;     ///< `retention` of a subject's K_commit.
inline constexpr std::uint8_t forgotten_row = 254;  ///< Marks a subject whose keys were destroyed.

/// Which of the two keys it has follows from `retention`; the other is zero.
struct KeyRow {
  u128 subject{};
  std::uint8_t retention = 0;
  std::uint32_t version = 0;
  crypto::WrappedKey seal{};
  crypto::WrappedKey commit{};
  bool operator==(const KeyRow&) const = default;
};

/// How much of a cell's log a table that its replicas keep alike has in it.
struct KeyPlace {
  std::uint64_t records = 0;  ///< All of its rows and erasures below this record.
  std::uint32_t turns = 0;    ///< Of the epoch, since the cell began.
  bool operator==(const KeyPlace&) const = default;
};

}  // namespace meridian::storage
