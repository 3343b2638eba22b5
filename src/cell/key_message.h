// What the replicas of a cell say to each other about the keys of persons (docs/formats/keys.md).
//
// A key-encryption key travels in two halves: one opens with the replica's own exchange key, the
// other with one that lives for one question, so that no recording of a link opens it later.
// Values. Decoding takes what encoding gives and nothing else; who sent it is the link's part.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "crypto/sealed_box.h"
#include "storage/key_row.h"
#include "storage/residency.h"

namespace meridian::cell {

/// Told to all, now and then and after each change.
struct KeyNews {
  std::uint32_t turns = 0;
  u128 check{};              ///< Of the KEK in use; 0 before the first turn.
  u128 candidate{};          ///< A KEK for the next turn that is durable here; 0: none.
  bool is_complete = false;  ///< All records stored here are folded in.
  bool operator==(const KeyNews&) const = default;
};

struct KeyQuestion {
  u128 check{};  ///< Which KEK.
  crypto::ExchangePublicKey once{};
  bool operator==(const KeyQuestion&) const = default;
};

struct KeyAnswer {
  u128 check{};
  crypto::SealedBox for_replica{};  ///< One half,
  crypto::SealedBox for_once{};     ///< and what it is to be XORed with.
  bool operator==(const KeyAnswer&) const = default;
};

struct TableQuestion {
  u128 check{};  ///< Of the epoch that is asked for.
  std::uint32_t part = 0;
  bool operator==(const TableQuestion&) const = default;
};

/// Of a copy made for who asked for part 0 of it.
struct TablePart {
  static constexpr std::size_t rows_size_max = 2 << 20;
  u128 check{};
  storage::KeyPlace place;
  std::uint32_t part = 0, parts = 0;  ///< 0 of 0: a table without rows.
  Buffer rows;
  bool operator==(const TablePart&) const = default;
};

/// From the leader: whoever gets it turns its own storage key over (storage/storage_turner.h).
struct TurnStorage {
  bool operator==(const TurnStorage&) const = default;
};

/// What this replica knows of jurisdictions: told to all while there are any.
struct ResidencyNews {
  static constexpr std::size_t keys_max = 255;
  std::uint64_t folded = 0;  ///< All records of keys below it are folded in here.
  /// Durable here, ascending: those in use first of all, then those that may come to be, then
  /// older ones that are needed, as far as they fit.
  std::vector<storage::ResidencyKeys::Held> keys;
  bool operator==(const ResidencyNews&) const = default;
};

/// Asked of the leader by a door that seals for it: rows that are to be recorded.
struct RowsWanted {
  static constexpr std::size_t rows_max = 255;
  std::vector<storage::WantedRow> rows;
  bool operator==(const RowsWanted&) const = default;
};

/// What a door sealed, for the leader to order (cell/sealed_request.h).
struct SealedRequest {
  std::uint64_t number = 0;  ///< Which the answer repeats.
  Buffer request;
  bool operator==(const SealedRequest&) const = default;
};
struct SealedAnswer {
  std::uint64_t number = 0;
  Buffer answer;
  bool operator==(const SealedAnswer&) const = default;
};

using KeyMessage =
    std::variant<KeyNews, KeyQuestion, KeyAnswer, TableQuestion, TablePart, TurnStorage,
                 ResidencyNews, RowsWanted, SealedRequest, SealedAnswer>;

Buffer encode_key_message(const KeyMessage& message);
/// Errors: invalid_argument naming what is wrong.
Result<KeyMessage> decode_key_message(Bytes bytes);

}  // namespace meridian::cell
