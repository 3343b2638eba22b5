// Rows of the key table as bytes (docs/formats/keys.md). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/key_wrapper.h"
#include "storage/key_row.h"

namespace meridian::storage {

inline constexpr std::uint32_t rows_tag = 8;
inline constexpr std::uint32_t placed_rows_tag = 9;

struct RowsFrame {
  std::uint32_t epoch;
  std::vector<KeyRow> rows;
  std::optional<KeyPlace> place;
};

constexpr std::uint32_t tag_of(const std::optional<KeyPlace>& place) {
  return place ? placed_rows_tag : rows_tag;
}
/// Of a frame with tag_of(place).
Buffer encode_rows(std::span<const KeyRow> rows, std::uint32_t epoch,
                   const std::optional<KeyPlace>& place = std::nullopt);
/// Errors: data_loss if it is not the one encoding of a list of rows.
Result<RowsFrame> decode_rows(std::uint32_t tag_word, Bytes plain);

/// Whether `frame`, not yet opened, may be a frame of rows: by its size and tag word.
bool may_be_rows(Bytes frame);

/// `row` with its key wrapped under `new_kek` instead of `old_kek`. Errors: data_loss; those of
/// where the keys lie.
Result<KeyRow> rewrap(KeyRow row, const crypto::KeyWrapper& old_kek,
                      const crypto::KeyWrapper& new_kek);

}  // namespace meridian::storage
