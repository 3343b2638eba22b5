// What replicas say to each other about tree heads: questions for cosignatures, roots, hashes and
// keys, and their answers. One part each, tag PeerTag::cosign_request or cosign_answer.
//
// Values; nothing is verified here beyond the shape. Bytes: docs/formats/cosign.md.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "crypto/ed25519.h"
#include "crypto/sealed_box.h"
#include "proof/merkle.h"

namespace meridian::replica {

/// The public keys of a replica: those it signs with are named after the origin and after itself.
struct ReplicaKeys {
  crypto::Ed25519PublicKey log{};
  crypto::Ed25519PublicKey cosigner{};
  crypto::ExchangePublicKey exchange{};  ///< Signs nothing: the cell's key is sealed for it.
  bool operator==(const ReplicaKeys&) const = default;
};

/// A range within one hash tile.
struct TileRange {
  static constexpr std::uint64_t width = std::uint64_t{1} << proof::tile_height;
  std::uint8_t level = 0;
  std::uint64_t first = 0;  ///< A multiple of `width`.
  std::uint16_t count = 0;  ///< 1 to `width`.
  bool operator==(const TileRange&) const = default;
};

struct CosignQuestion {
  static constexpr std::size_t origin_size_max = 255;
  enum class Kind : std::uint8_t {
    cosign = 1,  ///< Your cosignature over `head`.
    root = 2,    ///< Your root at the size of `head`; mine is this.
    hashes = 3,  ///< Your hashes of `range`.
    keys = 4,    ///< Your keys.
    state = 5,   ///< Your digest of the state checkpoint after `head.size` records; mine is `root`.
  };
  Kind kind{};
  std::uint64_t number = 0;  ///< Given back with the answer.
  std::string origin;
  ReplicaKeys keys;
  proof::TreeHead head{};  ///< cosign, root, state
  TileRange range{};       ///< hashes
  bool operator==(const CosignQuestion&) const = default;

  Buffer encode() const;
  /// Errors: invalid_argument naming what is wrong.
  static Result<CosignQuestion> decode(Bytes bytes);
};

struct CosignAnswer {
  static constexpr std::size_t cosignature_size =
      72;  ///< time(8) Ed25519(64), C2SP tlog-cosignature
  static constexpr std::size_t why_size_max = 1024;
  enum class Kind : std::uint8_t {
    cosigned = 1,  ///< `cosignature` over `head`: what was asked, or the larger one signed last.
    root = 2,      ///< `head` is the answerer's; to a question for a cosignature: it differs.
    hashes = 3,
    keys = 4,
    refused = 5,  ///< `why`, for people.
    state = 6,    ///< `head` as in the question, with the answerer's digest.
  };
  Kind kind{};
  std::uint64_t number = 0;
  ReplicaKeys keys;
  proof::TreeHead head{};
  Buffer cosignature;
  proof::Hashes hashes;
  std::string why;
  bool operator==(const CosignAnswer&) const = default;

  Buffer encode() const;
  static Result<CosignAnswer> decode(Bytes bytes);
};

}  // namespace meridian::replica
