#include "crypto/secret.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace meridian::crypto {
namespace {

Buffer random_bytes(std::mt19937& random, std::size_t size) {
  Buffer bytes(size);
  for (Byte& byte : bytes) byte = static_cast<Byte>(random());
  return bytes;
}

/// The flags the kernel keeps for the mapping that holds `address` ("lo": locked, "dd": no dump).
std::string flags_of(const Byte* address) {
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  bool inside = false;
  auto wanted = reinterpret_cast<std::uintptr_t>(address);
  while (std::getline(maps, line)) {
    std::uintptr_t begin = 0, end = 0;
    char dash = 0;
    std::istringstream range(line);
    if (range >> std::hex >> begin >> dash >> end && dash == '-')
      inside = begin <= wanted && wanted < end;
    if (inside && line.starts_with("VmFlags:")) return line + " ";
  }
  return "";
}

TEST(Secret, holds_a_copy_of_the_bytes_and_can_be_moved) {
  Buffer original = {1, 2, 3, 4, 5};
  Secret secret{Bytes(original)};
  EXPECT_TRUE(equal(secret.bytes(), original));
  const Byte* place = secret.bytes().data();
  EXPECT_NE(place, original.data());
  Secret moved = std::move(secret);
  EXPECT_EQ(moved.bytes().data(), place);
  Secret copied = moved.copy();
  EXPECT_NE(copied.bytes().data(), place);
  moved = std::move(copied);
  EXPECT_TRUE(equal(moved.bytes(), original));
  EXPECT_TRUE(Secret().empty());
  EXPECT_TRUE(Secret(Bytes()).empty());
}

TEST(Secret, memory_is_out_of_dumps_and_locked_or_reported_as_not_locked) {
  for (std::size_t size : {32U, 4096U, 5000U, 200'000U}) {
    Secret secret{Bytes(Buffer(size, 7))};
    std::string flags = flags_of(secret.bytes().data());
    ASSERT_FALSE(flags.empty());
    EXPECT_NE(flags.find(" dd "), std::string::npos) << flags;
#ifndef __SANITIZE_ADDRESS__  // under it mlock does nothing and says that it did
    EXPECT_TRUE(flags.find(" lo ") != std::string::npos || secret_memory().unlocked > 0) << flags;
#endif
  }
}

TEST(Secret, many_small_secrets_share_pages) {
  std::size_t before = secret_memory().mapped;
  std::vector<Secret> many;
  for (int i = 0; i < 10'000; ++i) many.emplace_back(Bytes(Buffer(32, 1)));
  EXPECT_LE(secret_memory().mapped - before, 10'000U * 32 + (64 << 10));
}

TEST(Secret, released_memory_is_cleansed_before_it_is_used_again) {
  const Byte* place = nullptr;
  {
    Secret secret{Bytes(Buffer(32, 0xEE))};
    place = secret.bytes().data();
  }
  // The pool still owns the page: past the free list's link, a released slot holds zeros.
  for (std::size_t i = sizeof(void*); i < 32; ++i) EXPECT_EQ(place[i], 0) << i;
}

TEST(Secret, random_takes_and_releases_keep_every_other_secret_whole) {
  std::mt19937 random(3);
  std::map<int, std::pair<Buffer, Secret>> live;
  for (int round = 0; round < 20'000; ++round) {
    int slot = static_cast<int>(random() % 300);
    auto found = live.find(slot);
    if (found != live.end()) {
      ASSERT_TRUE(equal(found->second.first, found->second.second.bytes()));
      live.erase(found);
      continue;
    }
    std::size_t size = random() % 50 == 0 ? random() % 20'000 : random() % 300;
    Buffer bytes = random_bytes(random, size);
    Secret secret{Bytes(bytes)};
    live.emplace(slot, std::pair(std::move(bytes), std::move(secret)));
  }
  for (const auto& [slot, pair] : live) ASSERT_TRUE(equal(pair.first, pair.second.bytes()));
}

TEST(Secret, large_secrets_give_their_pages_back) {
  std::size_t before = secret_memory().mapped;
  { Secret large{Bytes(Buffer(100'000, 1))}; }
  EXPECT_EQ(secret_memory().mapped, before);
}

TEST(EqualConstantTime, compares_size_and_every_byte) {
  Buffer a = {1, 2, 3};
  EXPECT_TRUE(equal_constant_time(a, Buffer{1, 2, 3}));
  EXPECT_FALSE(equal_constant_time(a, Buffer{1, 2}));
  EXPECT_TRUE(equal_constant_time({}, {}));
  for (std::size_t i = 0; i < a.size(); ++i) {
    Buffer b = a;
    b[i] ^= 0x80;
    EXPECT_FALSE(equal_constant_time(a, b));
  }
}

TEST(Cleanse, leaves_zeros) {
  Buffer bytes(50, 9);
  cleanse(bytes);
  EXPECT_EQ(bytes, Buffer(50, 0));
}

}  // namespace
}  // namespace meridian::crypto
