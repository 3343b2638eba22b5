// The key of a jurisdiction turned over, in tables of keys.
#include <gtest/gtest.h>

#include "storage/internal/residency_key_rig.h"

namespace meridian::storage {
namespace {

struct ResidencyTurnTest : testing::Test, ResidencyRig {};

TEST_F(ResidencyTurnTest, the_key_of_a_turn_counts_if_it_is_wanted_and_once) {
  define();
  const u128 first = jurisdiction().key();
  change(residency_turn_row(eu, 2));
  EXPECT_FALSE(jurisdiction().is_turning) << "the next one is turn 1";
  change(residency_turn_row(eu, 1));
  EXPECT_TRUE(jurisdiction().is_turning);
  EXPECT_EQ(jurisdiction().key(), first) << "in use until the next one counts";
  change(residency_key_row(eu, 0, 77));
  change(residency_key_row(eu, 2, 77));
  change(residency_key_row(eu, 1, first));
  EXPECT_EQ(jurisdiction().keys, std::vector{first}) << "of another turn, or the same key again";
  change(residency_key_row(eu, 1, 77));
  change(residency_key_row(eu, 1, 78));
  change(residency_turn_row(eu, 1));
  EXPECT_EQ(jurisdiction().keys, (std::vector<u128>{first, 77}));
  EXPECT_FALSE(jurisdiction().is_turning);
  change(residency_turn_row(9, 1));
  change(residency_turn_row(eu, 2));
  inside.restart(records);
  outside.restart(records);
  EXPECT_TRUE(jurisdiction().is_turning) << "it is in the file";
  EXPECT_EQ(*outside.table->keeping().residency().find(eu), jurisdiction());
  turn();
  inside.restart(records);
  EXPECT_EQ(*outside.table->keeping().residency().find(eu), jurisdiction()) << "written anew";
}

TEST_F(ResidencyTurnTest, what_is_sealed_after_a_turn_does_not_open_with_the_key_of_before) {
  define();
  set_up(1'000);
  ASSERT_TRUE(seal(inside, 5, common).has_value());
  const auto before = seal(inside, 5, medical);
  change(residency_turn_row(eu, 1));
  EXPECT_EQ(*seal(inside, 5, medical), *before) << "sealing goes on under the key in use";
  change(residency_key_row(eu, 1, kek_check(key_of(1).bytes())));
  EXPECT_TRUE(is_residency_unavailable(seal(inside, 5, medical).error())) << "it is not here yet";
  EXPECT_EQ(inside.opens(5, {medical, *before}), "opens");
  ASSERT_TRUE(ResidencyKeys(*inside.keys).take(eu, 1, key_of(1)));
  const auto after = seal(inside, 5, medical);
  ASSERT_TRUE(after.has_value()) << after.error().message;
  EXPECT_EQ(*after, with_turn(*before, 1));
  EXPECT_EQ(period_text(*after), period_text(*before) + ", turn 1");
  EXPECT_EQ(inside.opens(5, {medical, *before}), "opens");
  EXPECT_EQ(inside.opens(5, {medical, *after}), "opens");
  EXPECT_EQ(outside.opens(5, {medical, *after}), "elsewhere");

  // Whoever stole the key of before has the rows, too: the values that the keys are mixed of.
  const auto sealed = inside.table->for_opening(5, medical, *after);
  ASSERT_TRUE(sealed.has_value());
  const Buffer seal_key = to_buffer(sealed->seal), commit_key = to_buffer(sealed->commit);
  const auto plain = inside.table->for_opening(5, common, 1);
  const Buffer commit_value = to_buffer(plain->commit);
  const auto commits = [&](std::uint32_t turn) {
    return equal(resident_key(key_of(turn).bytes(), "commit", commit_value), commit_key);
  };
  EXPECT_FALSE(commits(0));
  EXPECT_TRUE(commits(1));
  ASSERT_TRUE(ResidencyKeys(*inside.keys).destroy({eu, 1, jurisdiction().keys[1]}));
  EXPECT_EQ(inside.opens(5, {medical, *after}), "elsewhere") << "with that of before alone";
  EXPECT_EQ(inside.opens(5, {medical, *before}), "opens");
}

TEST_F(ResidencyTurnTest, rows_made_for_the_key_of_before_are_none_if_they_come_after_the_turn) {
  define();
  set_up(1'000);
  inside.table->make_in(1);
  ASSERT_TRUE(inside.table->for_sealing(5, medical).has_value());
  const std::vector<KeyRow> late = inside.table->take_unfolded();
  ASSERT_EQ(late.size(), 2u);
  turn_over();
  for (const KeyRow& row : late)
    for (ResidencyReplica* one : {&inside, &outside})
      ASSERT_TRUE(one->table->add(row, records).has_value());
  EXPECT_EQ(inside.table->rows(), 1u)
      << "K_commit, which goes with the sealing key it is used with";
  EXPECT_EQ(outside.table->rows(), 1u);
  const auto version = seal(inside, 5, medical);
  ASSERT_TRUE(version.has_value()) << version.error().message;
  EXPECT_EQ(turn_of(*version), 1u);
  EXPECT_EQ(inside.opens(5, {medical, *version}), "opens");
  // Of a class that lives anywhere a version with a turn is none, too.
  KeyRow odd = late[1].retention == medical ? late[1] : late[0];
  odd.retention = 3;
  odd.version = with_turn(1, 1);
  ASSERT_TRUE(inside.table->add(odd, records).has_value());
  EXPECT_TRUE(inside.table->state(5).keys == (std::vector<KeyName>{{medical, *version}}));
}

TEST_F(ResidencyTurnTest, a_key_is_needed_until_the_last_row_that_it_is_mixed_into_is_gone) {
  define();
  set_up(1'000);
  const auto first = seal(inside, 5, medical);
  ASSERT_TRUE(first && seal(inside, 6, medical));
  EXPECT_EQ(needed(), "0 ");
  turn_over();
  EXPECT_EQ(needed(), "0 1 ");
  ASSERT_TRUE(seal(inside, 5, medical));
  turn_over();
  EXPECT_EQ(needed(), "0 1 2 ") << "the one in use always is";
  change(gone_row(5, {medical, *first}));
  EXPECT_EQ(needed(), "0 1 2 ");
  EXPECT_EQ(inside.opens(5, {medical, with_turn(*first, 1)}), "opens");
  EXPECT_TRUE(inside.table->is_erased(5, {medical, *first}));
  EXPECT_FALSE(inside.table->is_erased(5, {medical, with_turn(*first, 1)}));
  change(forgotten_mark(6));
  EXPECT_EQ(needed(), "1 2 ");
  for (ResidencyReplica* one : {&inside, &outside}) one->restart(records);
  EXPECT_EQ(needed(), "1 2 ");
  change(forgotten_mark(5));
  EXPECT_EQ(needed(), "2 ");
}

TEST_F(ResidencyTurnTest, a_period_ends_for_keys_of_all_turns_and_a_hold_keeps_the_key_they_need) {
  define();
  set_up(1'000);
  const auto before = seal(inside, 5, medical);
  const auto other = seal(inside, 6, medical);
  turn_over();
  const auto after = seal(inside, 5, medical);
  ASSERT_TRUE(before && other && after);
  Hold hold{.id = 1, .subject = 6};
  add_bit(hold.classes, medical);
  change(row_of(hold));
  const ForgetPlan plan = inside.table->plan(5);
  ASSERT_EQ(plan.kept.size(), 2u);
  EXPECT_EQ(plan.kept[0].until, plan.kept[1].until);
  change(expired_row(medical, without_turn(*before)));
  EXPECT_EQ(inside.opens(5, {medical, *before}), "gone");
  EXPECT_EQ(inside.opens(5, {medical, *after}), "gone");
  EXPECT_TRUE(inside.table->is_erased(5, {medical, *after}));
  EXPECT_EQ(inside.opens(6, {medical, *other}), "opens");
  EXPECT_EQ(needed(), "0 1 ");
  change(release_row(6, 1));
  change(expired_row(medical, without_turn(*before)));
  EXPECT_EQ(needed(), "1 ");
}

TEST_F(ResidencyTurnTest, a_copy_brings_all_keys_that_count_and_the_wish_for_the_next) {
  define();
  set_up(1'000);
  const auto before = seal(inside, 5, medical);
  turn_over();
  const auto after = seal(inside, 5, medical);
  ASSERT_TRUE(before && after);
  change(residency_turn_row(eu, 2));
  turn();
  const auto copy = outside.table->copy();
  ResidencyReplica third{200};
  ASSERT_TRUE(third.table->take(crypto::Secret(*outside.table->kek(copy.check))));
  ASSERT_TRUE(third.table->install(copy));
  EXPECT_EQ(*third.table->keeping().residency().find(eu), jurisdiction());
  ASSERT_TRUE(ResidencyKeys(*third.keys).take(eu, 1, key_of(1)));
  EXPECT_EQ(third.opens(5, {medical, *after}), "opens");
  const auto why = third.table->for_opening(5, medical, *before);
  ASSERT_TRUE(!why && is_residency_unavailable(why.error()));
  EXPECT_NE(why.error().message.find("turned over for the 1. time"), std::string::npos)
      << why.error().message;
  ASSERT_TRUE(ResidencyKeys(*third.keys).take(eu, 0, key_of(0)));
  EXPECT_EQ(third.opens(5, {medical, *before}), "opens");
}

TEST_F(ResidencyTurnTest, a_key_that_is_destroyed_is_in_the_key_store_no_more) {
  define();
  ResidencyKeys keys(*inside.keys);
  ASSERT_TRUE(keys.take(eu, 1, key_of(1)));
  ASSERT_TRUE(keys.take(eu, 1, key_of(2)));
  ASSERT_TRUE(keys.take(eu, 1, key_of(2))) << "once more does no harm";
  ASSERT_EQ(keys.held().size(), 3u);
  const ResidencyKeys::Held gone{eu, 1, kek_check(key_of(1).bytes())};
  ASSERT_TRUE(keys.destroy(gone));
  EXPECT_EQ(keys.destroy(gone).error().code, Code::not_found);
  EXPECT_FALSE(keys.find(gone).has_value());
  inside.restart(records);
  const auto held = ResidencyKeys(*inside.keys).held();
  ASSERT_EQ(held.size(), 2u);
  EXPECT_EQ(held[0], (ResidencyKeys::Held{eu, 0, jurisdiction().key()}));
  EXPECT_EQ(held[1].check, kek_check(key_of(2).bytes()));
  for (const KeyStore::Listing& key : inside.keys->list())
    EXPECT_FALSE(equal(inside.keys->get(key.name, key.version)->secret, key_of(1).bytes()));
}

}  // namespace
}  // namespace meridian::storage
