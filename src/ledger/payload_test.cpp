#include "ledger/payload.h"

#include <gtest/gtest.h>

#include <numeric>

#include "ledger/internal/golden_bytes.h"
#include "ledger/internal/sample_records.h"

namespace meridian::ledger {
namespace {

Buffer encode(const Payload& payload) {
  Buffer out;
  payload.encode(out);
  return out;
}

std::string refusal(Bytes bytes) {
  Result<Payload> payload = Payload::decode(bytes);
  return payload ? "accepted" : payload.error().message;
}

Buffer changed(std::size_t at, Byte value) {
  Buffer bytes = golden_bytes("payload.hex");
  bytes.at(at) = value;
  return bytes;
}

template <std::size_t size>
std::array<Byte, size> count_from(Byte first) {
  std::array<Byte, size> bytes;
  std::iota(bytes.begin(), bytes.end(), first);
  return bytes;
}

/// For each bit of `bytes`, flipped: check(bytes).
template <typename Check>
void flip_each_bit(Buffer bytes, Check check) {
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<Byte>(1 << bit % 8);
    check(bytes);
    bytes[bit / 8] ^= static_cast<Byte>(1 << bit % 8);
  }
}

TEST(Payload, random_payloads_come_back_as_they_were) {
  Sampler sampler(1);
  for (int round = 0; round < 500; ++round) {
    Payload payload = sampler.payload();
    Buffer bytes = encode(payload);
    ASSERT_EQ(bytes.size(), payload.encoded_size());
    Result<Payload> back = Payload::decode(bytes);
    ASSERT_TRUE(back) << back.error().message;
    ASSERT_EQ(*back, payload);
  }
}

TEST(Payload, a_flipped_bit_is_refused_or_gives_the_only_encoding_of_another_value) {
  flip_each_bit(golden_bytes("payload.hex"), [](const Buffer& bytes) {
    if (Result<Payload> payload = Payload::decode(bytes)) {
      ASSERT_EQ(to_hex(encode(*payload)), to_hex(bytes));
    }
  });
}

TEST(Payload, any_shorter_or_longer_input_is_refused) {
  Buffer bytes = golden_bytes("payload.hex");
  for (std::size_t size = 0; size < bytes.size(); ++size)
    ASSERT_FALSE(Payload::decode(Bytes(bytes).first(size))) << size;
  bytes.push_back(0);
  EXPECT_EQ(refusal(bytes), "payload: 1 bytes follow the last compartment");
  EXPECT_EQ(refusal({}), "payload: 0 bytes, the start alone has 4");
  EXPECT_EQ(refusal(Buffer(payload_size_max + 1)), "payload: 524289 bytes, at most 524288");
}

TEST(Payload, golden_bytes_say_what_they_should) {
  Payload expected;
  Compartment personal;
  personal.subject = load_le<u128>(count_from<16>(0xA0).data());
  personal.retention = 3;
  personal.key_kind = KeyKind::subject;
  personal.key_version = 5;
  personal.nonce = count_from<12>(0xB0);
  personal.commitment = count_from<32>(0xC0);
  personal.sealed = to_buffer(count_from<64>(0));
  Compartment other;
  other.key_version = 1;
  other.nonce = count_from<12>(0xD0);
  other.commitment = count_from<32>(0xE0);
  other.key_seed = count_from<32>(0x10);
  other.sealed = to_buffer(count_from<48>(0x50));
  expected.compartments = {personal, other};
  EXPECT_EQ(to_hex(encode(expected)), to_hex(golden_bytes("payload.hex")));
  EXPECT_EQ(Payload::decode(golden_bytes("payload.hex")), expected);
}

TEST(Payload, derived_values_are_the_golden_ones) {
  constexpr u128 cell = make_u128(0x0f0e0d0c0b0a0908, 0x0706050403020100);
  crypto::HmacKey key(count_from<32>(1));
  crypto::Digest salt = commitment_salt(key, cell, 7, 1);
  crypto::Digest commitment = commit(salt, as_bytes("content"));
  std::array<crypto::Digest, 2> both{commitment, count_from<32>(0xC0)};
  auto aad = compartment_aad(cell, 7, 1, load_le<u128>(count_from<16>(0xA0).data()), 3);
  Buffer out = to_buffer(aad);
  ByteWriter writer(out);
  writer.bytes(salt);
  writer.bytes(commitment);
  writer.bytes(fold_commitments(both));
  writer.id(opaque_id(key, "stream", "orders-17"));
  writer.bytes(own_key(key, count_from<32>(0x10)));
  EXPECT_EQ(to_hex(out), to_hex(golden_bytes("payload-derived.hex")));
}

TEST(Payload, commitments_bind_every_input) {
  crypto::HmacKey key(count_from<32>(1));
  crypto::Digest salt = commitment_salt(key, 1, 2, 3);
  EXPECT_NE(salt, commitment_salt(key, 9, 2, 3));
  EXPECT_NE(salt, commitment_salt(key, 1, 9, 3));
  EXPECT_NE(salt, commitment_salt(key, 1, 2, 9));
  EXPECT_NE(salt, commitment_salt(crypto::HmacKey(count_from<32>(2)), 1, 2, 3));
  EXPECT_NE(commit(salt, as_bytes("a")), commit(salt, as_bytes("b")));
  EXPECT_NE(commit(salt, as_bytes("a")), commit(crypto::Digest{}, as_bytes("a")));
  crypto::HmacKey index(count_from<32>(3));
  EXPECT_FALSE(opaque_id(index, "type", "x") == opaque_id(index, "stream", "x"));
  EXPECT_FALSE(opaque_id(index, "type", "x") == opaque_id(index, "type", "y"));
}

TEST(Payload, each_refusal_names_its_field) {
  EXPECT_EQ(refusal(changed(0, 2)), "payload: version is 2, this build reads 1");
  EXPECT_EQ(refusal(changed(1, 0)), "payload: count is 0, must be 1 to 8");
  EXPECT_EQ(refusal(changed(1, 9)), "payload: count is 9, must be 1 to 8");
  EXPECT_EQ(refusal(changed(1, 1)), "payload: 152 bytes follow the last compartment");
  EXPECT_EQ(refusal(changed(1, 3)), "payload: compartment 2: its fields are cut short");
  EXPECT_EQ(refusal(changed(2, 1)), "payload: a reserved byte is not zero");
  EXPECT_EQ(refusal(changed(21, 3)), "payload: compartment 0: key_kind 3 is not 1 or 2");
  EXPECT_EQ(refusal(changed(21, 2)),
            "payload: compartment 0: subject must be zero if key_kind is own");
  EXPECT_EQ(refusal(changed(22, 1)), "payload: compartment 0: a reserved byte is not zero");
  EXPECT_EQ(refusal(changed(72, 47)),
            "payload: compartment 0: sealed_size is 47, at least 48 (salt and tag)");
  EXPECT_EQ(refusal(changed(73, 2)),
            "payload: compartment 0: sealed_size is 576, but 216 bytes are left");
  EXPECT_EQ(refusal(changed(140 + 17, 1)),
            "payload: compartment 1: subject is zero although key_kind is subject");
}

TEST(Envelope, random_envelopes_come_back_as_they_were) {
  Sampler sampler(2);
  for (int round = 0; round < 500; ++round) {
    std::array<Buffer, 5> parts;
    for (Buffer& part : parts) part = sampler.bytes(sampler.below(40));
    Envelope envelope{as_text(parts[0]), as_text(parts[1]), as_text(parts[2]), parts[3], parts[4]};
    Buffer bytes;
    envelope.encode(bytes);
    Result<Envelope> back = Envelope::decode(bytes);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->stream_name, envelope.stream_name);
    EXPECT_EQ(back->type_name, envelope.type_name);
    EXPECT_EQ(back->content_type_name, envelope.content_type_name);
    EXPECT_TRUE(equal(back->metadata, envelope.metadata));
    EXPECT_TRUE(equal(back->data, envelope.data));
    flip_each_bit(bytes, [](const Buffer& flipped) {
      Buffer again;
      Result<Envelope> other = Envelope::decode(flipped);
      if (other) other->encode(again);
      ASSERT_TRUE(!other || again == flipped);
    });
  }
}

TEST(Envelope, golden_bytes_say_what_they_should) {
  Buffer bytes = golden_bytes("envelope.hex");
  Buffer out;
  Envelope{"orders-17", "OrderPlaced", "application/json", {}, as_bytes("{\"total\":1}")}.encode(
      out);
  EXPECT_EQ(to_hex(out), to_hex(bytes));
  for (std::size_t size = 0; size < bytes.size(); ++size)
    ASSERT_FALSE(Envelope::decode(Bytes(bytes).first(size))) << size;
}

TEST(Envelope, of_a_signed_event_it_has_a_salt_more) {
  const Buffer bytes = golden_bytes("envelope-signed.hex");
  Envelope envelope{"orders-17", "OrderPlaced", "application/json", {}, as_bytes("{\"total\":1}")};
  envelope.signature = Bytes(bytes).last(64);
  Buffer out;
  envelope.encode(out);
  EXPECT_EQ(to_hex(out), to_hex(bytes));
  const Result<Envelope> back = Envelope::decode(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_TRUE(equal(back->signature, envelope.signature));
  EXPECT_TRUE(equal(back->data, envelope.data));
  for (std::size_t size = 0; size < bytes.size(); ++size)
    ASSERT_FALSE(Envelope::decode(Bytes(bytes).first(size))) << size;
  Buffer unsigned_one = bytes;
  unsigned_one[0] = 1;
  EXPECT_EQ(Envelope::decode(unsigned_one).error().message, "envelope: 68 bytes follow its end");
  for (const std::size_t size : {0, 32, 63, 320}) {
    Buffer wrong = to_buffer(Bytes(bytes).first(bytes.size() - 64 - 4));
    ByteWriter(wrong).u32(static_cast<std::uint32_t>(size));
    wrong.resize(wrong.size() + size);
    EXPECT_EQ(Envelope::decode(wrong).error().message,
              "envelope: signature has " + std::to_string(size) + " bytes");
  }
}

TEST(Payload, the_salt_of_a_signature_is_masked_by_each_commitment) {
  crypto::Digest salt{}, one{}, other{};
  salt[5] = 7;
  one[0] = 1;
  other[0] = 2;
  const crypto::Digest as_it_was = salt;
  mask_signature_salt(salt, one);
  EXPECT_NE(salt, as_it_was);
  mask_signature_salt(salt, other);
  mask_signature_salt(salt, one);
  EXPECT_NE(salt, as_it_was);
  mask_signature_salt(salt, other);
  EXPECT_EQ(salt, as_it_was);
}

TEST(Envelope, each_refusal_names_its_field) {
  Buffer bytes = golden_bytes("envelope.hex");
  auto refused = [](Bytes input) { return Envelope::decode(input).error().message; };
  EXPECT_EQ(refused({}), "envelope: it is empty");
  EXPECT_EQ(refused(Bytes(bytes).first(5)), "envelope: stream_name is cut short");
  EXPECT_EQ(refused(Bytes(bytes).first(20)), "envelope: type_name is cut short");
  EXPECT_EQ(refused(Bytes(bytes).first(bytes.size() - 1)), "envelope: data is cut short");
  bytes.push_back(0);
  EXPECT_EQ(refused(bytes), "envelope: 1 bytes follow its end");
  bytes[0] = 3;
  EXPECT_EQ(refused(bytes), "envelope: version is 3, this build reads 1 and 2");
  EXPECT_EQ(refused(Buffer(payload_size_max + 1)), "envelope: 524289 bytes, at most 524288");
}

TEST(Payload, the_category_is_the_name_up_to_the_first_dash) {
  EXPECT_EQ(category_of("orders-17-b"), "orders");
  EXPECT_EQ(category_of("orders"), "orders");
  EXPECT_EQ(category_of("-x"), "");
}

}  // namespace
}  // namespace meridian::ledger
