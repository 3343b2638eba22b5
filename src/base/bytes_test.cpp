#include "base/bytes.h"

#include <gtest/gtest.h>

#include <random>

namespace meridian {
namespace {

TEST(ByteReader, a_short_input_is_refused_for_good_and_reads_as_zero) {
  Buffer bytes = {1, 2, 3};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.u32(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0U);  // not the byte 1: what follows a short read means nothing
  EXPECT_EQ(reader.remaining(), 0U);
  EXPECT_FALSE(reader.done());
}

TEST(ByteReader, every_truncation_of_a_message_is_noticed) {
  Buffer whole;
  ByteWriter writer(whole);
  writer.u8(1);
  writer.u16(2);
  writer.id(make_u128(3, 4));
  writer.bytes(as_bytes("meridian"));
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    ByteReader reader(Bytes(whole).first(size));
    reader.u8();
    reader.u16();
    reader.id();
    reader.array<8>();
    EXPECT_EQ(reader.ok(), size == whole.size()) << size;
    EXPECT_EQ(reader.done(), size == whole.size()) << size;
  }
}

TEST(ByteReader, left_over_bytes_are_ok_but_not_done) {
  Buffer bytes = {1, 2};
  ByteReader reader(bytes);
  reader.u8();
  EXPECT_TRUE(reader.ok());
  EXPECT_FALSE(reader.done());
  EXPECT_EQ(reader.remaining(), 1U);
}

TEST(ByteReader, taking_nothing_from_an_empty_input_is_ok) {
  ByteReader reader({});
  EXPECT_TRUE(reader.take(0).empty());
  EXPECT_TRUE(reader.done());
  EXPECT_TRUE(reader.take(1).empty());
  EXPECT_FALSE(reader.ok());
}

TEST(ByteReader, a_huge_length_from_outside_does_not_wrap_around) {
  Buffer bytes(16);
  ByteReader reader(bytes);
  reader.u8();
  EXPECT_TRUE(reader.take(SIZE_MAX).empty());
  EXPECT_FALSE(reader.ok());
}

TEST(ByteWriter, integers_are_little_endian) {
  Buffer out;
  ByteWriter writer(out);
  writer.u8(0x01);
  writer.u16(0x0203);
  writer.u32(0x04050607);
  writer.u64(0x08090a0b0c0d0e0fULL);
  writer.id(make_u128(0x1011121314151617ULL, 0x18191a1b1c1d1e1fULL));
  writer.zeros(2);
  EXPECT_EQ(to_hex(out),
            "01"
            "0302"
            "07060504"
            "0f0e0d0c0b0a0908"
            "1f1e1d1c1b1a19181716151413121110"
            "0000");
  EXPECT_EQ(writer.size(), out.size());
}

TEST(Bytes, what_is_written_reads_back_in_any_mix_of_sizes) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<std::pair<int, u128>> model;
    Buffer out;
    ByteWriter writer(out);
    for (int i = 0; i < 50; ++i) {
      int kind = static_cast<int>(random() % 5);
      u128 value = make_u128(random(), random());
      switch (kind) {
        case 0: writer.u8(static_cast<std::uint8_t>(value)); break;
        case 1: writer.u16(static_cast<std::uint16_t>(value)); break;
        case 2: writer.u32(static_cast<std::uint32_t>(value)); break;
        case 3: writer.u64(static_cast<std::uint64_t>(value)); break;
        default: writer.id(value); break;
      }
      u128 mask = kind == 4 ? u128_max : (u128{1} << (8U << static_cast<unsigned>(kind))) - 1;
      model.emplace_back(kind, value & mask);
    }
    ByteReader reader(out);
    for (auto [kind, expected] : model) {
      u128 value = 0;
      switch (kind) {
        case 0: value = reader.u8(); break;
        case 1: value = reader.u16(); break;
        case 2: value = reader.u32(); break;
        case 3: value = reader.u64(); break;
        default: value = reader.id(); break;
      }
      ASSERT_TRUE(value == expected) << "seed " << seed;
    }
    EXPECT_TRUE(reader.done()) << "seed " << seed;
  }
}

TEST(Hex, odd_lengths_and_foreign_digits_are_refused) {
  Buffer out;
  for (std::string_view text : {"0", "abc", "0g", "g0", " 0", "0x", "--", "/0", ":0", "@0", "`0"})
    EXPECT_FALSE(from_hex(text, out)) << text;
}

TEST(Hex, both_cases_are_read_and_lower_case_is_written) {
  Buffer out = {9};  // replaced, not appended to
  ASSERT_TRUE(from_hex("00FFaBcD", out));
  EXPECT_EQ(out, (Buffer{0x00, 0xff, 0xab, 0xcd}));
  EXPECT_EQ(to_hex(out), "00ffabcd");
  ASSERT_TRUE(from_hex("", out));
  EXPECT_TRUE(out.empty());
}

TEST(Hex, every_byte_survives_the_round_trip) {
  Buffer all(256);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Byte>(i);
  Buffer back;
  ASSERT_TRUE(from_hex(to_hex(all), back));
  EXPECT_TRUE(equal(all, back));
}

TEST(Bytes, text_and_bytes_are_views_of_each_other) {
  EXPECT_EQ(as_text(as_bytes("a\0b")), std::string_view("a"));
  std::string_view text("a\0b", 3);
  EXPECT_EQ(as_text(as_bytes(text)), text);
  EXPECT_FALSE(equal(as_bytes("ab"), as_bytes("abc")));
}

}  // namespace
}  // namespace meridian
