// What a copy of a replica's state is made of: an offer, requests, pieces (docs/formats/copy.md).
//
// Catch-up, backup, repair and audit are one act: logical bytes, checked against a Merkle root and
// a state digest, whoever carried them. Pure codecs with one encoding of a value; decoders take
// bytes from strangers and bound every length. StateSource answers requests, StateInstaller makes
// them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/u128.h"
#include "proof/merkle.h"
#include "storage/state_store.h"

namespace meridian::replica {

/// Of an encoded piece. A piece of records always has room for one record at least.
inline constexpr std::size_t piece_size_max = 2 << 20;
inline constexpr std::size_t membership_size_max = 64 << 10;
/// Records that one request names at most.
inline constexpr std::uint64_t piece_records_max = 16'384;

/// A state checkpoint that a replica lets others copy, with the records below it.
struct StateOffer {
  u128 cell = 0;
  std::uint64_t generation = 0;
  std::uint64_t record_index = 0;  ///< State after all records below this; also the tree's size.
  std::uint64_t entry_index = 0;   ///< Last entry applied.
  std::uint64_t term = 0;
  crypto::Digest state_digest{};
  crypto::Digest root{};  ///< Merkle root of the first record_index records.
  std::uint64_t chunk_count = 0;
  std::uint64_t chunk_bytes = 0;  ///< Of all chunks together, to show progress.
  Buffer membership;              ///< Who votes as of entry_index, for consensus; may be empty.

  Buffer encode() const;  ///< Asserts membership_size_max.
  /// Errors: invalid_argument naming the field.
  static Result<StateOffer> decode(Bytes bytes);
  proof::TreeHead head() const { return {proof::TreeSize{record_index}, root}; }
  bool operator==(const StateOffer&) const = default;
};

enum class PieceKind : std::uint8_t {
  records = 1,  ///< Records [first, last): headers, payloads, and a proof. None: the proof alone.
  chunk_list = 2,  ///< Ids, sizes and digests of the chunks at positions [first, last).
  chunk = 3,       ///< Bytes [first, last) of the chunk `chunk`.
};

struct PieceRequest {
  PieceKind kind = PieceKind::records;
  /// Chunks and lists: record_index of the offer. Records: size of the tree that proofs lead to.
  std::uint64_t record_index = 0;
  std::uint64_t first = 0, last = 0;
  storage::ChunkId chunk{};

  Buffer encode() const;
  static Result<PieceRequest> decode(Bytes bytes);
  std::string describe() const;  ///< For people: "records 0 to 8191".
  bool operator==(const PieceRequest&) const = default;
};

/// Records from `first` on: fewer than asked for if they did not fit. Views of what was decoded.
/// Encoded with a digest of the payloads: the commitments in the headers do not cover ciphertext.
struct RecordsPiece {
  struct PayloadOf {
    std::uint64_t record;
    Bytes bytes;
  };
  std::uint64_t first = 0;
  std::vector<std::uint16_t> sizes;  ///< Of each header.
  Bytes headers;                     ///< Concatenated.
  std::vector<PayloadOf> payloads;   ///< Of events that have one; ascending.
  /// Shows that the tree of last() records is a part of the one asked about; empty if last() is 0.
  proof::ProofPath proof;

  std::uint64_t last() const { return first + sizes.size(); }
  Buffer encode() const;
  static Result<RecordsPiece> decode(Bytes bytes);
};

struct ChunkListPiece {
  std::uint64_t first = 0;
  std::vector<storage::StateChunkInfo> chunks;  ///< Ascending by id.

  Buffer encode() const;
  static Result<ChunkListPiece> decode(Bytes bytes);
};

struct ChunkPiece {
  storage::ChunkId id{};
  std::uint64_t first = 0;  ///< Offset of `bytes` in the chunk.
  Bytes bytes;

  Buffer encode() const;
  static Result<ChunkPiece> decode(Bytes bytes);
};

}  // namespace meridian::replica
