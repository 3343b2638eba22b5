// Payload compartments, their commitments, envelopes and facts (docs/formats/payload.md).
//
// Pure: encodes, decodes and binds; sealing under keys is the door's. Decoders take bytes from
// outside and answer invalid_argument naming the field.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/aead.h"
#include "crypto/sha256.h"

namespace meridian::ledger {

inline constexpr std::size_t compartments_max = 8;
enum class KeyKind : std::uint8_t { subject = 1, own = 2 };

/// Random bytes from which the key of one compartment without a subject is derived.
using KeySeed = std::array<Byte, 32>;

struct Compartment {
  u128 subject = 0;
  std::uint8_t retention = 0;
  KeyKind key_kind = KeyKind::own;
  std::uint32_t key_version = 0;
  crypto::Nonce nonce{};
  crypto::Digest commitment{};
  KeySeed key_seed{};  ///< Only if key_kind is own.
  Buffer sealed;       ///< AES-256-GCM of salt ‖ content, with tag.
  bool operator==(const Compartment&) const = default;
};

struct Payload {
  std::vector<Compartment> compartments;
  std::size_t encoded_size() const;
  /// Appends. Asserts 1 to compartments_max compartments, a subject exactly if key_kind is subject,
  /// sealed bytes that hold salt and tag, and encoded_size() <= payload_size_max.
  void encode(Buffer& out) const;
  static Result<Payload> decode(Bytes bytes);
  bool operator==(const Payload&) const = default;
};

/// Writes a payload piece by piece behind what `out` holds, so that a compartment can be sealed
/// where it will stay. Asserts as Payload::encode does, but for the whole size.
class PayloadBuilder {
 public:
  PayloadBuilder(std::size_t compartment_count, Buffer& out);
  /// Both valid until `out` changes.
  struct Room {
    MutableBytes sealed;      ///< For the ciphertext and its tag.
    MutableBytes commitment;  ///< Holds `fields.commitment`.
  };
  /// Writes all of `fields` but `fields.sealed`, for which it makes room.
  Room add(const Compartment& fields, std::size_t sealed_size);

 private:
  Buffer& out_;
  std::size_t left_;
};

/// The key that seals a compartment without a subject. Cleanse it after use.
crypto::Digest own_key(const crypto::HmacKey& payload_key, const KeySeed& seed);
/// Additional data that binds a sealed compartment to its place.
using CompartmentAad = std::array<Byte, 68>;
CompartmentAad compartment_aad(u128 cell, u128 command_id, std::uint8_t number, u128 subject,
                               std::uint8_t retention);
crypto::Digest commitment_salt(const crypto::HmacKey& commit_key, u128 cell, u128 command_id,
                               std::uint8_t number);
crypto::Digest commit(const crypto::Digest& salt, Bytes content);
crypto::Digest fold_commitments(std::span<const crypto::Digest> commitments);

/// Hides the salt of a signed event from who lacks a further compartment: XORed with one mask of
/// each, by the salt of its commitment. Twice is not at all.
void mask_signature_salt(MutableBytes salt, const crypto::Digest& commitment_salt);

/// Content of compartment 0: what an application said about its event.
struct Envelope {
  std::string_view stream_name, type_name, content_type_name;
  Bytes metadata, data;
  /// Of an event that its client signed: a masked salt, and who each compartment is about, 32 bytes
  /// each (docs/formats/signature.md). Empty: it is version 1, as ever.
  Bytes signature{};
  std::size_t encoded_size() const;
  void encode(MutableBytes out) const;          ///< encoded_size() bytes (asserted).
  void encode(Buffer& out) const;               ///< Appends.
  static Result<Envelope> decode(Bytes bytes);  ///< Views into `bytes`.
};

/// The first 16 bytes of HMAC(index_key, label ‖ 0x00 ‖ name): an opaque id for a name.
u128 opaque_id(const crypto::HmacKey& index_key, std::string_view label, std::string_view name);
/// The category of a stream: its name up to the first '-', or all of it.
std::string_view category_of(std::string_view stream_name);

struct Facts {
  std::string country, channel, screening_list, purpose;  ///< Empty: absent.
  std::uint8_t screening_verdict = 0;                     ///< 0: absent.
  bool empty() const;
  /// Errors: invalid_argument naming field, rule and length, never the value.
  Result<Buffer> encode() const;
  static Result<Facts> decode(Bytes bytes);
  /// What decode accepts, without allocating. No bytes are no facts.
  static Status check(Bytes bytes);
  bool operator==(const Facts&) const = default;
};

}  // namespace meridian::ledger
