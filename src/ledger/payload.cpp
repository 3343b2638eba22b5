// payload     = version(1)=1 count(1) zero(2) compartment*                (docs/formats/payload.md)
// compartment = subject id(16) retention(1) key_kind(1) zero(2) key_version(4) nonce(12)
//               commitment(32) sealed_size(4) [key_seed(32) if key_kind = 2] sealed
// envelope    = version(1)=1 then five of: size(4) bytes
#include "ledger/payload.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "ledger/entry.h"

namespace meridian::ledger {
namespace {

constexpr std::uint8_t payload_version = 1;
constexpr std::uint8_t envelope_version = 1;
constexpr std::uint8_t signed_envelope_version = 2;
constexpr std::size_t payload_header_size = 4;
constexpr std::size_t compartment_header_size = 72;
/// A salt, and one for each compartment.
constexpr bool is_signature_size(std::size_t size) {
  constexpr std::size_t part = sizeof(crypto::Digest);
  return size % part == 0 && size >= 2 * part && size <= (1 + compartments_max) * part;
}
constexpr std::size_t sealed_size_min = sizeof(crypto::Digest) + crypto::aead_tag_size;
constexpr Byte commitment_prefix = 0x02;
constexpr Byte fold_prefix = 0x03;

static_assert(std::tuple_size_v<crypto::Nonce> == 12);

Error wrong(const std::string& message) {
  return fail(Code::invalid_argument, "payload: " + message);
}

template <typename Integer>
std::array<Byte, sizeof(Integer)> le_bytes(Integer value) {
  std::array<Byte, sizeof(Integer)> bytes;
  store_le(bytes.data(), value);
  return bytes;
}

Result<Compartment> read_compartment(ByteReader& reader, unsigned number) {
  auto at = [&](std::string_view rest) {
    return wrong(fmt::format("compartment {}: {}", number, rest));
  };
  Compartment compartment;
  compartment.subject = reader.id();
  compartment.retention = reader.u8();
  compartment.key_kind = KeyKind{reader.u8()};
  std::uint16_t reserved = reader.u16();
  compartment.key_version = reader.u32();
  compartment.nonce = reader.array<12>();
  compartment.commitment = reader.array<32>();
  std::uint32_t sealed_size = reader.u32();
  if (!reader.ok()) return at("its fields are cut short");
  if (compartment.key_kind != KeyKind::subject && compartment.key_kind != KeyKind::own)
    return at(
        fmt::format("key_kind {} is not 1 or 2", static_cast<unsigned>(compartment.key_kind)));
  if (reserved != 0) return at("a reserved byte is not zero");
  if (compartment.key_kind == KeyKind::own && compartment.subject != 0)
    return at("subject must be zero if key_kind is own");
  if (compartment.key_kind == KeyKind::subject && compartment.subject == 0)
    return at("subject is zero although key_kind is subject");
  if (compartment.key_kind == KeyKind::own)
    compartment.key_seed = reader.array<std::tuple_size_v<KeySeed>>();
  if (!reader.ok()) return at("key_seed is cut short");
  if (sealed_size < sealed_size_min)
    return at(
        fmt::format("sealed_size is {}, at least {} (salt and tag)", sealed_size, sealed_size_min));
  if (sealed_size > reader.remaining())
    return at(
        fmt::format("sealed_size is {}, but {} bytes are left", sealed_size, reader.remaining()));
  compartment.sealed = to_buffer(reader.take(sealed_size));
  return compartment;
}

}  // namespace

std::size_t Payload::encoded_size() const {
  std::size_t size = payload_header_size;
  for (const Compartment& compartment : compartments) {
    size += compartment_header_size + compartment.sealed.size();
    if (compartment.key_kind == KeyKind::own) size += compartment.key_seed.size();
  }
  return size;
}

void Payload::encode(Buffer& out) const {
  const std::size_t size = encoded_size();
  ASSERT(size <= payload_size_max);
  const std::size_t start = out.size();
  out.reserve(start + size);
  PayloadBuilder builder(compartments.size(), out);
  for (const Compartment& compartment : compartments)
    std::copy_n(compartment.sealed.data(), compartment.sealed.size(),
                builder.add(compartment, compartment.sealed.size()).sealed.data());
  ASSERT(out.size() == start + size);
}

PayloadBuilder::PayloadBuilder(std::size_t compartment_count, Buffer& out)
    : out_(out), left_(compartment_count) {
  ASSERT(compartment_count >= 1);
  ASSERT(compartment_count <= compartments_max);
  ByteWriter writer(out);
  writer.u8(payload_version);
  writer.u8(static_cast<std::uint8_t>(compartment_count));
  writer.u16(0);
}

PayloadBuilder::Room PayloadBuilder::add(const Compartment& fields, std::size_t sealed_size) {
  const bool own = fields.key_kind == KeyKind::own;
  ASSERT(left_ > 0);
  ASSERT(own == (fields.subject == 0));
  ASSERT(sealed_size >= sealed_size_min);
  --left_;
  const std::size_t start = out_.size();
  const std::size_t head_size =
      compartment_header_size + (own ? fields.key_seed.size() : std::size_t{0});
  out_.resize(start + head_size + sealed_size);
  Byte* at = out_.data() + start;
  store_le(at, fields.subject);
  at[16] = fields.retention;
  at[17] = static_cast<Byte>(fields.key_kind);
  store_le(at + 18, std::uint16_t{0});
  store_le(at + 20, fields.key_version);
  std::ranges::copy(fields.nonce, at + 24);
  std::ranges::copy(fields.commitment, at + 36);
  store_le(at + 68, static_cast<std::uint32_t>(sealed_size));
  if (own) std::ranges::copy(fields.key_seed, at + compartment_header_size);
  return {MutableBytes(at + head_size, sealed_size),
          MutableBytes(at + 36, fields.commitment.size())};
}

Result<Payload> Payload::decode(Bytes bytes) {
  if (bytes.size() > payload_size_max)
    return wrong(fmt::format("{} bytes, at most {}", bytes.size(), payload_size_max));
  ByteReader reader(bytes);
  unsigned version = reader.u8();
  unsigned count = reader.u8();
  std::uint16_t reserved = reader.u16();
  if (!reader.ok())
    return wrong(
        fmt::format("{} bytes, the start alone has {}", bytes.size(), payload_header_size));
  if (version != payload_version)
    return wrong(fmt::format("version is {}, this build reads {}", version, payload_version));
  if (count == 0 || count > compartments_max)
    return wrong(fmt::format("count is {}, must be 1 to {}", count, compartments_max));
  if (reserved != 0) return wrong("a reserved byte is not zero");
  Payload payload;
  payload.compartments.reserve(count);
  for (unsigned number = 0; number < count; ++number)
    payload.compartments.push_back(TRY(read_compartment(reader, number)));
  if (!reader.done())
    return wrong(fmt::format("{} bytes follow the last compartment", reader.remaining()));
  return payload;
}

crypto::Digest own_key(const crypto::HmacKey& payload_key, const KeySeed& seed) {
  return payload_key.mac({as_bytes("meridian/own-key/1"), seed});
}

CompartmentAad compartment_aad(u128 cell, u128 command_id, std::uint8_t number, u128 subject,
                               std::uint8_t retention) {
  constexpr std::string_view label = "meridian/payload/1";
  static_assert(std::tuple_size_v<CompartmentAad> == label.size() + 3 * sizeof(u128) + 2);
  CompartmentAad aad;
  Byte* at = std::ranges::copy(as_bytes(label), aad.begin()).out;
  store_le(at, cell);
  store_le(at + 16, command_id);
  at[32] = number;
  store_le(at + 33, subject);
  at[49] = retention;
  return aad;
}

crypto::Digest commitment_salt(const crypto::HmacKey& commit_key, u128 cell, u128 command_id,
                               std::uint8_t number) {
  return commit_key.mac(
      {as_bytes("meridian/commit/1"), le_bytes(cell), le_bytes(command_id), Bytes(&number, 1)});
}

crypto::Digest commit(const crypto::Digest& salt, Bytes content) {
  return crypto::Sha256().update(commitment_prefix).update(salt).update(content).finish();
}

crypto::Digest fold_commitments(std::span<const crypto::Digest> commitments) {
  ASSERT(!commitments.empty());
  ASSERT(commitments.size() <= compartments_max);
  crypto::Sha256 sha;
  sha.update(fold_prefix).update(static_cast<Byte>(commitments.size()));
  for (const crypto::Digest& commitment : commitments) sha.update(commitment);
  return sha.finish();
}

void mask_signature_salt(MutableBytes salt, const crypto::Digest& commitment_salt) {
  const crypto::Digest mask =
      crypto::HmacKey(commitment_salt).mac(as_bytes("meridian/signature-salt/1"));
  ASSERT(salt.size() == mask.size());
  for (std::size_t i = 0; i < mask.size(); ++i) salt[i] ^= mask[i];
}

std::size_t Envelope::encoded_size() const {
  return 1 + 5 * sizeof(std::uint32_t) + stream_name.size() + type_name.size() +
         content_type_name.size() + metadata.size() + data.size() +
         (signature.empty() ? 0 : sizeof(std::uint32_t) + signature.size());
}

void Envelope::encode(Buffer& out) const {
  const std::size_t start = out.size();
  out.resize(start + encoded_size());
  encode(MutableBytes(out).subspan(start));
}

void Envelope::encode(MutableBytes out) const {
  ASSERT(out.size() == encoded_size());
  ASSERT(signature.empty() || is_signature_size(signature.size()));
  Byte* at = out.data();
  *at++ = signature.empty() ? envelope_version : signed_envelope_version;
  const auto put = [&at](Bytes field) {
    ASSERT(field.size() <= payload_size_max);
    store_le(at, static_cast<std::uint32_t>(field.size()));
    at = std::ranges::copy(field, at + sizeof(std::uint32_t)).out;
  };
  for (Bytes field :
       {as_bytes(stream_name), as_bytes(type_name), as_bytes(content_type_name), metadata, data})
    put(field);
  if (!signature.empty()) put(signature);
  ASSERT(at == out.data() + out.size());
}

Result<Envelope> Envelope::decode(Bytes bytes) {
  auto bad = [](const std::string& message) {
    return fail(Code::invalid_argument, "envelope: " + message);
  };
  if (bytes.size() > payload_size_max)
    return bad(fmt::format("{} bytes, at most {}", bytes.size(), payload_size_max));
  ByteReader reader(bytes);
  unsigned version = reader.u8();
  if (!reader.ok()) return bad("it is empty");
  if (version != envelope_version && version != signed_envelope_version)
    return bad(fmt::format("version is {}, this build reads {} and {}", version, envelope_version,
                           signed_envelope_version));
  const bool is_signed = version == signed_envelope_version;
  std::array<Bytes, 6> fields;
  constexpr std::array names{"stream_name", "type_name", "content_type_name",
                             "metadata",    "data",      "signature"};
  for (std::size_t i = 0; i < fields.size() - (is_signed ? 0 : 1); ++i) {
    fields[i] = reader.take(reader.u32());
    if (!reader.ok()) return bad(fmt::format("{} is cut short", names[i]));
  }
  if (!reader.done()) return bad(fmt::format("{} bytes follow its end", reader.remaining()));
  if (is_signed && !is_signature_size(fields[5].size()))
    return bad(fmt::format("signature has {} bytes", fields[5].size()));
  return Envelope{as_text(fields[0]), as_text(fields[1]), as_text(fields[2]),
                  fields[3],          fields[4],          fields[5]};
}

u128 opaque_id(const crypto::HmacKey& index_key, std::string_view label, std::string_view name) {
  constexpr Byte separator = 0;
  crypto::Digest mac = index_key.mac({as_bytes(label), Bytes(&separator, 1), as_bytes(name)});
  return load_le<u128>(mac.data());
}

std::string_view category_of(std::string_view stream_name) {
  return stream_name.substr(0, stream_name.find('-'));
}

}  // namespace meridian::ledger
