// Rows of the key table as bytes (docs/formats/keys.md). Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/aead.h"

namespace meridian::storage {

inline constexpr std::uint32_t rows_tag = 8;
inline constexpr std::uint8_t forgotten_row = 254;  ///< Marks a subject whose keys were destroyed.

struct KeyRow {
  u128 subject{};
  std::uint8_t retention = 0;
  std::uint32_t version = 0;
  crypto::WrappedKey seal{};
  crypto::WrappedKey commit{};
  bool operator==(const KeyRow&) const = default;
};

struct RowsFrame {
  std::uint32_t epoch;
  std::vector<KeyRow> rows;
};

Buffer encode_rows(std::span<const KeyRow> rows, std::uint32_t epoch);
/// Errors: data_loss if it is not the one encoding of a list of rows.
Result<RowsFrame> decode_rows(std::uint32_t tag_word, Bytes plain);

/// Whether `frame`, not yet opened, may be a frame of rows: by its size and tag word.
bool may_be_rows(Bytes frame);

/// `row` with its key wrapped under `new_kek` instead of `old_kek`. Errors: data_loss.
Result<KeyRow> rewrap(KeyRow row, Bytes old_kek, Bytes new_kek);

}  // namespace meridian::storage
