#include "storage/internal/key_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "storage/sealed_file.h"

namespace meridian::storage {
namespace {

constexpr std::size_t frame_head_size = 8;
constexpr std::size_t place_size = 16;
constexpr std::size_t row_size = 104;

bool is_zero(const crypto::WrappedKey& key) {
  return std::ranges::all_of(key, [](Byte byte) { return byte == 0; });
}

/// Which of the two keys a row has follows from its retention.
bool is_well_formed_key(const KeyRow& row) {
  switch (row.retention) {
    case commit_row: return row.version == 1 && is_zero(row.seal) && !is_zero(row.commit);
    case forgotten_row: return row.version == 0 && is_zero(row.seal) && is_zero(row.commit);
    default: return row.version > 0 && !is_zero(row.seal) && is_zero(row.commit);
  }
}

/// Of a calendar that people use.
bool is_day(Day day) { return raw(day) >= 0 && raw(day) < 2'932'897; }  // to 9999-12-31

/// The one encoding of what it says.
bool is_well_formed(const KeyRow& row) {
  switch (row.kind) {
    case RowKind::key: return is_well_formed_key(row);
    case RowKind::retention_class:
      return row == row_of(class_in(row)) && row.retention < forgotten_row &&
             is_day(class_in(row).defined);
    case RowKind::hold: return row == row_of(hold_in(row));
    case RowKind::release: return row == release_row(row.subject, released_in(row));
    case RowKind::wish:
      return row == wish_row(row.subject, wished_on(row)) && is_day(wished_on(row));
    case RowKind::gone:
      return row == gone_row(row.subject, {row.retention, row.version}) &&
             row.retention < forgotten_row && row.version > 0;
    case RowKind::expired:
      return row == expired_row(row.retention, row.version) && row.retention < forgotten_row;
    case RowKind::jurisdiction:
      return row == jurisdiction_row(row.retention, jurisdiction_in(row), region_in(row)) &&
             row.retention > 0 && !jurisdiction_in(row).empty() && !region_in(row).empty();
    case RowKind::residency_key:
      return row == residency_key_row(row.retention, row.version, residency_key_in(row)) &&
             row.retention > 0 && row.version <= residency_turns_max && residency_key_in(row) != 0;
    case RowKind::residency_turn:
      return row == residency_turn_row(row.retention, row.version) && row.retention > 0 &&
             row.version > 0 && row.version <= residency_turns_max;
  }
  return false;
}

}  // namespace

Buffer encode_rows(std::span<const KeyRow> rows, std::uint32_t epoch,
                   const std::optional<KeyPlace>& place) {
  Buffer plain;
  plain.reserve(frame_head_size + place_size + rows.size() * row_size);
  ByteWriter writer(plain);
  writer.u32(static_cast<std::uint32_t>(rows.size()));
  writer.u32(epoch);
  if (place) {
    writer.u64(place->records);
    writer.u32(place->turns);
    writer.zeros(4);
  }
  for (const KeyRow& row : rows) {
    writer.id(row.subject);
    writer.u8(row.retention);
    writer.u8(static_cast<std::uint8_t>(row.kind));
    writer.zeros(2);
    writer.u32(row.version);
    writer.bytes(row.seal);
    writer.bytes(row.commit);
  }
  return plain;
}

Result<RowsFrame> decode_rows(std::uint32_t tag_word, Bytes plain) {
  if (tag_word != rows_tag && tag_word != placed_rows_tag)
    return fail(Code::data_loss,
                fmt::format("a frame with tag word {} in the key table, where only {} and {} stand",
                            tag_word, rows_tag, placed_rows_tag));
  ByteReader reader(plain);
  const std::uint32_t count = reader.u32();
  RowsFrame frame{reader.u32(), {}, {}};
  bool is_sound = true;
  if (tag_word == placed_rows_tag) {
    frame.place = KeyPlace{reader.u64(), reader.u32()};
    is_sound = reader.u32() == 0;
  }
  if (!reader.ok() || !is_sound || frame.epoch == 0 ||
      reader.remaining() != std::uint64_t{count} * row_size)
    return fail(Code::data_loss, fmt::format("a frame of {} bytes cannot hold {} rows of epoch {}",
                                             plain.size(), count, frame.epoch));
  frame.rows.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    KeyRow row;
    row.subject = reader.id();
    row.retention = reader.u8();
    row.kind = static_cast<RowKind>(reader.u8());
    const std::uint16_t zero = reader.u16();
    row.version = reader.u32();
    row.seal = reader.array<std::tuple_size_v<crypto::WrappedKey>>();
    row.commit = reader.array<std::tuple_size_v<crypto::WrappedKey>>();
    if (zero != 0 || !is_well_formed(row))
      return fail(Code::data_loss, fmt::format("row {} of a frame of {} is malformed", i, count));
    frame.rows.push_back(row);
  }
  return frame;
}

bool may_be_rows(Bytes frame) {
  if (frame.size() < frame_overhead) return false;
  const std::uint32_t plain_size = load_le<std::uint32_t>(frame.data());
  const std::uint32_t tag = load_le<std::uint32_t>(frame.data() + 4);
  if (tag != rows_tag && tag != placed_rows_tag) return false;
  const std::size_t head = frame_head_size + (tag == placed_rows_tag ? place_size : 0);
  return plain_size >= head && (plain_size - head) % row_size == 0 &&
         plain_size <= frame.size() - frame_overhead;
}

Result<KeyRow> rewrap(KeyRow row, const crypto::KeyWrapper& old_kek,
                      const crypto::KeyWrapper& new_kek) {
  crypto::WrappedKey& wrapped = row.retention == commit_row ? row.commit : row.seal;
  const crypto::Secret key = TRY(old_kek.unwrap(wrapped));
  wrapped = TRY(new_kek.wrap(key.bytes()));
  return row;
}

}  // namespace meridian::storage
