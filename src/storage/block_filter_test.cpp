#include "storage/internal/block_filter.h"

#include <gtest/gtest.h>

#include "sim/random.h"

namespace meridian::storage {
namespace {

TEST(BlockFilter, holds_all_keys_at_two_bytes_each_with_few_false_answers) {
  for (const std::uint64_t count : {1'000ULL, 100'000ULL}) {
    for (const bool sequential : {false, true}) {
      sim::Random random(count);
      BlockFilter filter(count);
      EXPECT_LE(filter.memory_bytes(), count * 2 + 32);
      const auto key = [&](std::uint64_t i) {
        return sequential ? RunKey{i, 0} : RunKey{make_u128(random.next(), random.next()), 0};
      };
      std::vector<RunKey> keys;
      for (std::uint64_t i = 0; i < count; ++i) {
        keys.push_back(key(i));
        filter.insert(stable_hash(keys.back()));
      }
      for (const RunKey& one : keys) ASSERT_TRUE(filter.may_contain(stable_hash(one)));
      constexpr std::uint64_t questions = 200'000;
      std::uint64_t wrong = 0;
      for (std::uint64_t i = 0; i < questions; ++i)
        wrong += filter.may_contain(stable_hash(key(count + i))) ? 1 : 0;
      EXPECT_LE(wrong, questions * 3 / 1'000) << count << (sequential ? " sequential" : " random");
      EXPECT_GT(wrong, 0U) << "a filter without false answers says yes to nothing";
    }
  }
}

TEST(BlockFilter, all_words_of_a_key_count) {
  BlockFilter filter(16);
  filter.insert(stable_hash({make_u128(1, 2), 3}));
  EXPECT_TRUE(filter.may_contain(stable_hash({make_u128(1, 2), 3})));
  EXPECT_FALSE(filter.may_contain(stable_hash({make_u128(1, 2), 4})));
  EXPECT_FALSE(filter.may_contain(stable_hash({make_u128(1, 3), 3})));
  EXPECT_FALSE(filter.may_contain(stable_hash({make_u128(2, 2), 3})));
}

/// Filters are stored: the hash and the layout never change.
TEST(BlockFilter, the_hash_and_the_bytes_are_fixed_for_ever) {
  EXPECT_EQ(stable_hash({0, 0}), 3'746'585'686'858'627'171ULL);
  EXPECT_EQ(stable_hash({make_u128(1, 2), 3}), 11'417'051'712'245'331'607ULL);
  BlockFilter filter(1);
  filter.insert(stable_hash({make_u128(1, 2), 3}));
  EXPECT_EQ(to_hex(filter.encode()),
            "0000000800010000040000000200000008000000000000040040000000000004");
}

TEST(BlockFilter, comes_back_from_its_bytes_and_refuses_what_is_not_whole_blocks) {
  sim::Random random(4);
  BlockFilter filter(1'000);
  std::vector<std::uint64_t> hashes;
  for (int i = 0; i < 1'000; ++i) hashes.push_back(random.next());
  for (const std::uint64_t hash : hashes) filter.insert(hash);
  const Buffer bytes = filter.encode();
  auto back = BlockFilter::decode(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->encode(), bytes);
  for (const std::uint64_t hash : hashes) EXPECT_TRUE(back->may_contain(hash));

  EXPECT_EQ(BlockFilter::decode({}).error().code, Code::data_loss);
  EXPECT_EQ(BlockFilter::decode(Bytes(bytes).first(33)).error().message,
            "a filter of 33 bytes is not whole blocks of 32");
}

TEST(BlockFilter, of_no_keys_is_one_empty_block) {
  const BlockFilter filter(0);
  EXPECT_EQ(filter.memory_bytes(), 32U);
  EXPECT_FALSE(filter.may_contain(0));
  EXPECT_FALSE(filter.may_contain(~std::uint64_t{0}));
}

}  // namespace
}  // namespace meridian::storage
