#include "replica/cosigner_exchange.h"

#include <gtest/gtest.h>

#include "replica/internal/exchange_rig.h"

namespace meridian::replica {
namespace {

struct CosignerExchangeTest : testing::Test {
  /// Three replicas that hold the same `tree_size` records and have stored `stored` of them.
  void begin(std::uint64_t stored, std::uint64_t tree_size) {
    for (auto& one : rig.replicas) {
      one->tree = numbered_tree(tree_size);
      one->stored = stored;
    }
    rig.up_all();
  }
  void expect_signed(const proof::Note& note, const std::set<std::uint64_t>& by) {
    std::set<std::uint64_t> good;
    for (const auto& one : rig.replicas)
      for (const proof::NoteSignature& line : note.signatures)
        if (line.name == one->name->verifier().name &&
            proof::check_cosignature(note.text, line, one->name->verifier()).check ==
                proof::SignatureCheck::good)
          good.insert(one->id);
    for (const std::uint64_t id : by) EXPECT_EQ(good.count(id), 1u) << id;
    EXPECT_EQ(note.signatures.size(), good.size() + 1) << "and the log's own";
  }
  ExchangeRig rig{1, 3};
};

TEST_F(CosignerExchangeTest, a_note_has_the_cosignatures_of_a_quorum) {
  begin(10, 10);
  auto& result = rig.collect(1, 10);
  rig.run(100);
  ASSERT_TRUE(result && result->has_value());
  EXPECT_EQ((*result)->head, rig.at(1).tree->head());
  expect_signed((*result)->note, {1});
  EXPECT_GE((*result)->note.signatures.size(), 3u);
}

TEST_F(CosignerExchangeTest, who_has_no_vote_gives_no_note_that_no_policy_could_verify) {
  rig.membership.voters = {1, 2};
  begin(10, 10);
  auto& result = rig.collect(3, 10);
  rig.run(100);
  ASSERT_TRUE(result && !result->has_value());
  EXPECT_EQ(result->error().code, Code::unavailable);
  EXPECT_NE(result->error().message.find("replica 3 has no vote"), std::string::npos);
}

TEST_F(CosignerExchangeTest, what_is_asked_before_it_is_stored_is_answered_when_it_is) {
  begin(10, 20);
  rig.store(1, 20);
  auto& result = rig.collect(1, 20);
  rig.run(200);
  EXPECT_FALSE(result);
  EXPECT_TRUE(rig.at(2).released.empty());
  rig.store(2, 20);
  rig.run(50);
  ASSERT_TRUE(result && result->has_value());
  expect_signed((*result)->note, {1, 2});
}

TEST_F(CosignerExchangeTest, who_gathers_below_a_tree_that_a_peer_signed_ends_with_that_one) {
  begin(30, 30);
  rig.cut_off = {3};
  auto& larger = rig.collect(1, 30);
  rig.run(100);
  ASSERT_TRUE(larger && larger->has_value());
  rig.cut_off = {1};
  auto& smaller = rig.collect(3, 20);
  rig.run(100);
  ASSERT_TRUE(smaller && smaller->has_value());
  EXPECT_EQ(raw((*smaller)->head.size), 30u) << "replica 2 had signed that one";
  expect_signed((*smaller)->note, {2, 3});
}

TEST_F(CosignerExchangeTest, a_larger_tree_is_waited_for_until_it_is_here) {
  begin(30, 30);
  rig.at(3).stored = 20;
  rig.down(rig.at(3));
  auto& larger = rig.collect(1, 30);
  rig.run(100);
  ASSERT_TRUE(larger && larger->has_value());
  rig.up(3);
  auto& smaller = rig.collect(3, 20);
  rig.run(100);
  EXPECT_FALSE(smaller);
  rig.store(3, 30);
  rig.run(100);
  ASSERT_TRUE(smaller && smaller->has_value());
  EXPECT_EQ(raw((*smaller)->head.size), 30u);
}

TEST_F(CosignerExchangeTest, lost_messages_are_asked_again) {
  begin(10, 10);
  rig.cut_off = {2, 3};
  auto& result = rig.collect(1, 10);
  rig.run(500);
  EXPECT_FALSE(result);
  rig.cut_off.clear();
  rig.run(400);
  ASSERT_TRUE(result && result->has_value());
}

TEST_F(CosignerExchangeTest, without_a_quorum_the_error_names_who_did_not_answer) {
  begin(10, 10);
  rig.cut_off = {2, 3};
  auto& result = rig.collect(1, 10);
  rig.run(3'500);
  ASSERT_TRUE(result && !result->has_value());
  EXPECT_EQ(result->error().code, Code::unavailable);
  for (const char* part : {"replica 2 in region-2", "replica 3 in region-3", "no receipt"})
    EXPECT_NE(result->error().message.find(part), std::string::npos) << result->error().message;
  rig.cut_off = {3};
  auto& again = rig.collect(1, 10);
  rig.run(400);
  ASSERT_TRUE(again && again->has_value()) << "one of the others is enough";
}

TEST_F(CosignerExchangeTest, two_of_one_region_are_no_quorum) {
  rig.at(2).region = rig.at(1).region;
  begin(10, 10);
  rig.cut_off = {3};
  auto& result = rig.collect(1, 10);
  rig.run(3'500);
  ASSERT_TRUE(result && !result->has_value());
  EXPECT_NE(result->error().message.find("replica 3"), std::string::npos);
}

TEST_F(CosignerExchangeTest, a_joint_configuration_needs_a_majority_of_each_half) {
  rig.membership.voters = {1, 2};
  rig.membership.outgoing = {1, 3};
  begin(10, 10);
  rig.cut_off = {3};
  auto& result = rig.collect(1, 10);
  rig.run(500);
  EXPECT_FALSE(result);
  rig.cut_off.clear();
  rig.run(500);
  ASSERT_TRUE(result && result->has_value());
  expect_signed((*result)->note, {1, 2, 3});
}

TEST_F(CosignerExchangeTest, a_cosignature_that_does_not_verify_is_not_counted) {
  begin(10, 10);
  rig.cut_off = {2, 3};
  auto& result = rig.collect(1, 10);
  rig.run(100);
  CosignAnswer forged;
  forged.kind = CosignAnswer::Kind::cosigned;
  forged.keys = rig.at(2).cosigner->keys();
  forged.head = rig.at(1).tree->head();
  forged.cosignature = Buffer(CosignAnswer::cosignature_size, Byte{1});
  rig.at(1).exchange->receive(2, {std::make_shared<const Buffer>(forged.encode())});
  rig.run(3'500);
  ASSERT_TRUE(result && !result->has_value());
  EXPECT_NE(result->error().message.find("does not verify"), std::string::npos)
      << result->error().message;
}

TEST_F(CosignerExchangeTest, a_log_of_another_name_gets_no_cosignature) {
  begin(10, 10);
  CosignQuestion question;
  question.kind = CosignQuestion::Kind::cosign;
  question.origin = "test/cell/2";
  question.head = rig.at(1).tree->head();
  rig.at(2).exchange->receive(1, {std::make_shared<const Buffer>(question.encode())});
  rig.run(100);
  EXPECT_TRUE(rig.at(2).released.empty());
}

TEST_F(CosignerExchangeTest, each_replica_learns_the_keys_of_all_voters) {
  begin(10, 10);
  rig.run(100);
  for (const auto& one : rig.replicas) {
    const auto known = one->exchange->voters_known();
    ASSERT_TRUE(known.has_value()) << known.error().message;
    ASSERT_EQ(known->size(), 3u);
    for (const KnownReplica& voter : *known)
      EXPECT_EQ(voter.keys, rig.at(voter.id).cosigner->keys());
  }
}

TEST_F(CosignerExchangeTest, keys_that_are_not_known_yet_are_named) {
  rig.cut_off = {3};
  begin(10, 10);
  rig.run(100);
  const auto known = rig.at(1).exchange->voters_known();
  ASSERT_FALSE(known.has_value());
  EXPECT_NE(known.error().message.find("replicas 3"), std::string::npos) << known.error().message;
  rig.cut_off.clear();
  rig.run(2'500);
  EXPECT_TRUE(rig.at(1).exchange->voters_known().has_value());
}

/// Power fails at any write, in the middle of signing too: what a replica ever released is a
/// growing sequence of heads, one root for each size, though its peers ask for all sizes at random.
TEST(CosignerExchange, no_crash_lets_two_cosignatures_contradict_each_other) {
  std::size_t released = 0, crashes = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    ExchangeRig rig(seed, 3);
    rig.loss = 0.1;
    for (auto& one : rig.replicas) {
      one->tree = numbered_tree(60);
      one->stored = 20;
    }
    rig.up_all();
    for (int round = 0; round < 30; ++round) {
      const std::uint64_t id = 1 + rig.random.below(3);
      ExchangeRig::Replica& one = rig.at(id);
      if (one.exchange == nullptr) {
        rig.up(id);
      } else if (rig.random.chance(0.3)) {
        one.disk->crash_at_mutation(one.disk->mutation_count() + 1 + rig.random.below(4));
      } else if (!one.exchange->is_collecting()) {
        if (rig.random.chance(0.5)) rig.store(id, std::min<std::uint64_t>(60, one.stored + 3));
        rig.collect(id, 1 + rig.random.below(one.stored));
      }
      rig.run(static_cast<std::int64_t>(rig.random.below(60)));
      for (auto& each : rig.replicas) {
        if (each->exchange == nullptr || !each->disk->has_crashed()) continue;
        ++crashes;
        rig.down(*each);
        each->disk = each->disk->crash(rig.random.next());
      }
    }
    for (const auto& one : rig.replicas) {
      std::uint64_t newest = 0;
      for (const auto& [head, cosignature] : one->released) {
        ++released;
        ASSERT_GE(raw(head.size), newest) << "seed " << seed << ", replica " << one->id;
        ASSERT_EQ(head.root, one->tree->head_at(head.size)->root);
        newest = raw(head.size);
      }
      const auto kept = CosignedHead::open(*one->disk);
      if (kept && kept->last()) {
        EXPECT_GE(raw(kept->last()->size), newest) << "seed " << seed;
      }
    }
  }
  EXPECT_GT(released, 1'000u);
  EXPECT_GT(crashes, 200u);
}

}  // namespace
}  // namespace meridian::replica
