#include "key_bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace meridian::app {
namespace {

constexpr std::uint64_t second = 1'000'000'000;
constexpr std::uint64_t expires = 1'767'225'600 * second;  // 2026-01-01

KeyBundle sample() {
  return {.cell = 7,
          .created_ns = 5,
          .expires_ns = expires,
          .files = {{"keys/store", {1, 2, 3}}, {"keys/table", {}}}};
}

TEST(KeyBundle, reads_back_what_was_written_and_nothing_else) {
  const Buffer bytes = sample().encode();
  EXPECT_EQ(*KeyBundle::decode(bytes), sample());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(KeyBundle::decode(Bytes(bytes).first(size)).has_value()) << size;
  Buffer longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(KeyBundle::decode(longer).has_value());
}

TEST(KeyBundle, one_that_has_expired_is_refused_with_its_date) {
  EXPECT_TRUE(sample().check_valid(io::WallTime{expires - 1}).has_value());
  const Status refused = sample().check_valid(io::WallTime{expires});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::failed_precondition);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("2026-01-01 00:00:00 UTC"));
}

TEST(KeyBundle, of_another_cell_or_with_one_bit_flipped_is_not_opened) {
  const std::string path = testing::TempDir() + "key-bundle-" + std::to_string(::getpid());
  const auto disk = *io::os_disk(path);
  if (*disk->exists("keys/store")) {
    ASSERT_TRUE(disk->remove("keys/store").has_value());
  }
  const auto clock = io::os_clock();
  const auto entropy = io::os_entropy();
  const auto keys =
      *storage::KeyStore::create({*disk, *clock, *entropy}, as_bytes("passphrase"), {4, 8, 1});
  const storage::SealedContext context{*disk, *entropy, *keys, 7};
  ASSERT_TRUE(write_bundle(context, sample()).has_value());
  EXPECT_EQ(*read_bundle(context), sample());
  EXPECT_FALSE(read_bundle({*disk, *entropy, *keys, 8}).has_value());
  const Buffer right = *io::read_file(*disk, "bundle", 1 << 20);
  for (std::size_t at = 0; at < right.size(); ++at) {
    Buffer wrong = right;
    wrong[at] ^= 4;
    ASSERT_TRUE(io::replace_file(*disk, "bundle", wrong).has_value());
    EXPECT_FALSE(read_bundle(context).has_value()) << at;
  }
}

}  // namespace
}  // namespace meridian::app
