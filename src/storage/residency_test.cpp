// Jurisdictions in tables of keys: two replicas fold the same rows, one of them in no region of the
// jurisdiction, so that it never holds the key.
#include "storage/residency.h"

#include <gtest/gtest.h>

#include <set>

#include "sim/random.h"
#include "storage/internal/residency_key_rig.h"

namespace meridian::storage {
namespace {

struct ResidencyTest : testing::Test, ResidencyRig {};

TEST_F(ResidencyTest, only_who_holds_the_key_seals_and_opens) {
  define();
  set_up(1'000);
  const auto version = seal(inside, 5, medical);
  ASSERT_TRUE(version.has_value()) << version.error().message;
  EXPECT_EQ(inside.opens(5, {medical, *version}), "opens");
  EXPECT_EQ(outside.opens(5, {medical, *version}), "elsewhere");
  const auto why = outside.table->for_opening(5, medical, *version);
  EXPECT_NE(why.error().message.find("eu (eu-west, eu-north)"), std::string::npos)
      << why.error().message;
  const auto refused = seal(outside, 6, medical);
  ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(is_residency_unavailable(refused.error()));
  EXPECT_TRUE(seal(outside, 6, common).has_value()) << "what lives anywhere goes on";
  EXPECT_EQ(inside.table->rows(), outside.table->rows());
}

TEST_F(ResidencyTest, the_keys_are_not_what_the_rows_hold) {
  define();
  set_up(1'000);
  const auto version = seal(inside, 5, medical);
  ASSERT_TRUE(version.has_value());
  ASSERT_TRUE(seal(inside, 5, common).has_value());
  const auto keys = inside.table->for_opening(5, medical, *version);
  ASSERT_TRUE(keys.has_value());
  const Buffer seal_key = to_buffer(keys->seal), commit_key = to_buffer(keys->commit);
  const auto plain = inside.table->for_opening(5, common, 1);
  ASSERT_TRUE(plain.has_value());
  const Buffer commit_value = to_buffer(plain->commit);
  EXPECT_NE(commit_key, commit_value) << "K_commit of what lives anywhere would let others guess";
  const crypto::Digest expected = resident_key(Buffer(32, Byte{9}), "commit", commit_value);
  EXPECT_TRUE(equal(expected, commit_key));
}

TEST(Residency, a_key_is_the_hmac_that_the_document_says) {
  // python3 -c "import hmac; print(hmac.digest(bytes([9]*32), b'meridian/residency/1/seal' +
  // bytes([7]*32), 'sha256').hex())"
  EXPECT_EQ(to_hex(resident_key(Buffer(32, Byte{9}), "seal", Buffer(32, Byte{7}))),
            "3e300244ed640e79fb2617a1511de1ec464da1f781c97bba3d1248daaf326f7c");
}

TEST_F(ResidencyTest, a_class_with_keys_stays_where_it_is) {
  change(jurisdiction_row(eu, "eu", "eu-west"));
  ASSERT_TRUE(seal(inside, 5, medical).has_value());
  change(row_of(resident(medical, eu)));
  EXPECT_EQ(inside.table->keeping().find(medical)->residency, 0);
  change(forgotten_mark(5));
  change(row_of(resident(medical, eu)));
  EXPECT_EQ(inside.table->keeping().find(medical)->residency, eu) << "its last key is gone";
  change(row_of(resident(medical, 0)));
  EXPECT_EQ(inside.table->keeping().find(medical)->residency, eu) << "and it stays there";
  change(row_of(resident(2, 9)));
  EXPECT_EQ(inside.table->keeping().find(2)->residency, 0) << "there is no such jurisdiction";
}

TEST_F(ResidencyTest, a_jurisdiction_keeps_its_name_its_regions_and_its_key) {
  define();
  const u128 key = jurisdiction().key();
  EXPECT_NE(key, 0u);
  change(jurisdiction_row(eu, "us", "us-east"));
  change(jurisdiction_row(2, "eu", "us-east"));
  change(residency_key_row(eu, 0, 77));
  change(residency_key_row(eu, 1, 77));
  change(residency_key_row(9, 0, 77));
  const Residency& all = inside.table->keeping().residency();
  ASSERT_EQ(all.all().size(), 1u);
  EXPECT_EQ(*all.find("eu"), (Jurisdiction{eu, "eu", {"eu-west", "eu-north"}, {key}}));
  change(jurisdiction_row(eu, "eu", "eu-south"));
  EXPECT_TRUE(all.find(eu)->has("eu-south"));
}

TEST_F(ResidencyTest, nothing_is_sealed_before_its_rows_are_in_two_regions) {
  define();
  EXPECT_TRUE(is_residency_unavailable(seal(inside, 5, medical).error())) << "nobody was heard";
  set_up(records);
  ASSERT_TRUE(seal(inside, 5, medical).has_value());
  EXPECT_TRUE(inside.table->take_waits().empty())
      << "its rows were not folded in, which others see";
  ASSERT_TRUE(inside.table->for_sealing(5, medical).has_value());
  const std::vector<ResidencyWait> waits = inside.table->take_waits();
  ASSERT_EQ(waits.size(), 2u);
  EXPECT_EQ(waits[1].records, records);
  set_up(records);
  ASSERT_TRUE(inside.table->for_sealing(5, medical).has_value());
  EXPECT_TRUE(inside.table->take_waits().empty());
  inside.table->set_residency(eu, {false, records});
  EXPECT_TRUE(is_residency_unavailable(inside.table->for_sealing(5, medical).error()));
  EXPECT_TRUE(inside.table->for_sealing(5, common).has_value() ||
              !inside.table->take_unfolded().empty());
}

TEST_F(ResidencyTest, after_a_restart_all_rows_count_as_new) {
  define();
  set_up(1'000);
  ASSERT_TRUE(seal(inside, 5, medical).has_value());
  inside.restart(records);
  inside.table->set_residency(eu, {true, records - 1});
  ASSERT_TRUE(inside.table->for_sealing(5, medical).has_value());
  EXPECT_FALSE(inside.table->take_waits().empty());
  inside.table->set_residency(eu, {true, records});
  ASSERT_TRUE(inside.table->for_sealing(5, medical).has_value());
  EXPECT_TRUE(inside.table->take_waits().empty());
}

TEST_F(ResidencyTest, a_copy_from_elsewhere_opens_where_the_key_is) {
  define();
  set_up(1'000);
  const auto version = seal(inside, 5, medical);
  ASSERT_TRUE(version.has_value());
  turn();
  const auto copy = outside.table->copy();
  ResidencyReplica third{200};
  ASSERT_TRUE(third.table->take(crypto::Secret(*outside.table->kek(copy.check))));
  ASSERT_TRUE(third.table->install(copy));
  EXPECT_EQ(third.opens(5, {medical, *version}), "elsewhere");
  ASSERT_TRUE(ResidencyKeys(*third.keys).take(eu, 0, key_of(0)));
  EXPECT_EQ(third.opens(5, {medical, *version}), "opens");
}

TEST_F(ResidencyTest, random_histories_are_alike_on_both_and_open_on_one) {
  std::map<std::uint8_t, bool> is_resident;  // by class; once it has a key or a definition
  std::map<u128, std::set<KeyName>> keys;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    sim::Random random(seed);
    const u128 first = 1'000 * seed;
    const auto offset = static_cast<std::uint8_t>(10 * seed);
    if (seed == 1) define();
    for (int step = 0; step < 60; ++step) {
      set_up(~std::uint64_t{0});
      const u128 subject = first + random.below(4);
      const auto retention = static_cast<std::uint8_t>(offset + random.below(3));
      switch (random.below(9)) {
        case 8:
          if (jurisdiction().next_turn() < 60) turn_over();
          break;
        case 0: {
          bool has_keys = false;
          for (const auto& [who, names] : keys)
            for (const KeyName& name : names) has_keys |= name.retention == retention;
          change(row_of(resident(retention, eu)));
          is_resident[retention] |= !has_keys;
          break;
        }
        case 1:
          change(forgotten_mark(subject));
          keys[subject].clear();
          break;
        case 2: turn(); break;
        case 3: (random.chance(0.5) ? inside : outside).restart(records); break;
        default: {
          ResidencyReplica& at = is_resident[retention] ? inside : outside;
          const auto version = seal(at, subject, retention);
          if (version) keys[subject].insert({retention, *version});
        }
      }
      ASSERT_EQ(inside.table->rows(), outside.table->rows());
      std::set<std::uint32_t> used{jurisdiction().turn()};
      for (const auto& [who, names] : keys)
        for (const KeyName& name : names) {
          if (is_resident[name.retention]) used.insert(turn_of(name.version));
          ASSERT_EQ(inside.opens(who, name), "opens") << "step " << step;
          ASSERT_EQ(outside.opens(who, name), is_resident[name.retention] ? "elsewhere" : "opens")
              << "step " << step;
        }
      std::string scanned;
      for (const std::uint32_t turn : used) scanned += std::to_string(turn) + " ";
      ASSERT_EQ(needed(), scanned) << "step " << step;
    }
  }
  for (const KeyStore::Listing& key : outside.keys->list())
    EXPECT_FALSE(key.name.starts_with("residency")) << key.name;
}

}  // namespace
}  // namespace meridian::storage
