// A row of a table of subject keys: a value (docs/formats/keys.md).
#pragma once

#include <cstdint>

#include "base/u128.h"
#include "crypto/aead.h"
#include "storage/keeping.h"

namespace meridian::storage {

inline constexpr std::uint8_t commit_row = 255;     ///< `retention` of a subject's K_commit.
inline constexpr std::uint8_t forgotten_row = 254;  ///< Marks a subject whose keys were destroyed.

/// What else stands between the keys: each changes what stands before it.
enum class RowKind : std::uint8_t {
  key = 0,
  retention_class = 1,  ///< A definition.
  hold = 2,             ///< Placed.
  release = 3,          ///< Of a hold.
  wish = 4,             ///< Its person is to be forgotten as soon as nothing is kept.
  gone = 5,             ///< One key is destroyed.
  expired = 6,          ///< All keys of a class through a version that are not held are.
  jurisdiction = 7,     ///< A region of one.
  residency_key = 8,    ///< Of a jurisdiction: which it is.
  residency_turn = 9,   ///< Of a jurisdiction: a next key is wanted.
};

/// Which of the two keys it has follows from `retention`; the other is zero. Rows of other kinds
/// have their fields in place of the keys.
struct KeyRow {
  u128 subject{};
  std::uint8_t retention = 0;
  RowKind kind = RowKind::key;
  std::uint32_t version = 0;
  crypto::WrappedKey seal{};
  crypto::WrappedKey commit{};
  bool operator==(const KeyRow&) const = default;
};

KeyRow forgotten_mark(u128 subject);
KeyRow row_of(const RetentionClass& retention);
KeyRow row_of(const Hold& hold);
KeyRow release_row(u128 subject, u128 hold);
KeyRow wish_row(u128 subject, Day day);
KeyRow gone_row(u128 subject, const KeyName& key);
KeyRow expired_row(std::uint8_t retention, std::uint32_t through);
KeyRow jurisdiction_row(std::uint8_t number, std::string_view name, std::string_view region);
/// `version` is the turn.
KeyRow residency_key_row(std::uint8_t number, std::uint32_t turn, u128 check);
KeyRow residency_turn_row(std::uint8_t number, std::uint32_t turn);

/// Of a row of that kind.
RetentionClass class_in(const KeyRow& row);
Hold hold_in(const KeyRow& row);
u128 released_in(const KeyRow& row);
Day wished_on(const KeyRow& row);
std::string jurisdiction_in(const KeyRow& row);
std::string region_in(const KeyRow& row);
u128 residency_key_in(const KeyRow& row);

/// How much of a cell's log a table that its replicas keep alike has in it.
struct KeyPlace {
  std::uint64_t records = 0;  ///< All of its rows and erasures below this record.
  std::uint32_t turns = 0;    ///< Of the epoch, since the cell began.
  bool operator==(const KeyPlace&) const = default;
};

}  // namespace meridian::storage
