#include "witness/witness.h"

#include <gtest/gtest.h>

#include "witness/internal/witness_rig.h"

namespace meridian::witness {
namespace {

struct WitnessTest : testing::Test {
  WitnessRig rig;
  TestLog log;

  void SetUp() override {
    log.grow(20);
    rig.must_open();
  }
  std::string folder() const { return "logs/" + origin_hash(log.origin) + "/"; }
};

TEST_F(WitnessTest, what_is_no_request_is_malformed) {
  EXPECT_EQ(rig.ask(""), Verdict::malformed);
  EXPECT_EQ(rig.ask("old 0\n\nnot a note"), Verdict::malformed);
  proof::AddCheckpoint request = log.request(0, 5);
  request.checkpoint.text = "no checkpoint\n";
  EXPECT_EQ(rig.ask(proof::format_add_checkpoint(request)), Verdict::malformed);
  request = log.request(0, 5);
  request.old_size = proof::TreeSize{6};
  EXPECT_EQ(rig.ask(proof::format_add_checkpoint(request)), Verdict::malformed) << "old above new";
}

TEST_F(WitnessTest, an_unknown_log_is_told_apart_from_a_missing_signature) {
  TestLog other("another/log/1");
  other.grow(3);
  EXPECT_EQ(rig.ask(other.body(0, 3)), Verdict::unknown_log);
  TestLog thief(log.origin, 77);  // the right origin, signed by another key
  thief.grow(3);
  EXPECT_EQ(rig.ask(thief.body(0, 3)), Verdict::not_signed);
  proof::AddCheckpoint request = log.request(0, 5);
  request.checkpoint.signatures[0].signature.back() ^= 1;
  EXPECT_EQ(rig.ask(proof::format_add_checkpoint(request)), Verdict::not_signed);
}

TEST_F(WitnessTest, a_tree_that_extends_the_last_is_cosigned_and_signatures_of_others_are_ignored) {
  proof::AddCheckpoint request = log.request(0, 5);
  request.checkpoint.signatures.push_back(
      *proof::cosign(request.checkpoint.text,
                     make_signer("somebody", proof::KeyType::cosignature, 3), proof::PosixTime{1}));
  ASSERT_EQ(rig.ask(proof::format_add_checkpoint(request)), Verdict::cosigned);
  EXPECT_TRUE(rig.cosigned(log.checkpoint(5)));
  ASSERT_EQ(rig.ask(log.body(5, 5)), Verdict::cosigned) << "the same again, at a later time";
  ASSERT_EQ(rig.ask(log.body(5, 20)), Verdict::cosigned);
  EXPECT_TRUE(rig.cosigned(log.checkpoint(20)));
}

TEST_F(WitnessTest, another_old_size_is_answered_with_the_right_one) {
  EXPECT_EQ(rig.ask(log.body(3, 5)), Verdict::other_old_size);
  EXPECT_EQ(rig.answer.body, "0\n");
  ASSERT_EQ(rig.ask(log.body(0, 9)), Verdict::cosigned);
  EXPECT_EQ(rig.ask(log.body(0, 9)), Verdict::other_old_size);
  EXPECT_EQ(rig.answer.body, "9\n");
  EXPECT_EQ(rig.ask(log.body(5, 7)), Verdict::other_old_size) << "a smaller tree";
}

TEST_F(WitnessTest, an_empty_tree_has_one_root_only) {
  proof::AddCheckpoint request = log.request(0, 5);
  request.checkpoint = *proof::sign_checkpoint({proof::TreeSize{0}, proof::Hash{7}}, log.key);
  EXPECT_EQ(rig.ask(proof::format_add_checkpoint(request)), Verdict::inconsistent);
  request.checkpoint = *proof::sign_checkpoint({proof::TreeSize{0}, proof::empty_root()}, log.key);
  EXPECT_EQ(rig.ask(proof::format_add_checkpoint(request)), Verdict::cosigned);
  EXPECT_EQ(rig.ask(log.body(0, 5)), Verdict::cosigned);
}

TEST_F(WitnessTest, a_proof_for_nothing_and_a_wrong_proof_are_refused) {
  proof::AddCheckpoint request = log.request(0, 5);
  request.path.push_back(proof::Hash{1});
  EXPECT_EQ(rig.ask(proof::format_add_checkpoint(request)), Verdict::inconsistent);
  ASSERT_EQ(rig.ask(log.body(0, 5)), Verdict::cosigned);
  request = log.request(5, 9);
  request.path.back()[0] ^= 1;
  EXPECT_EQ(rig.ask(proof::format_add_checkpoint(request)), Verdict::inconsistent);
  request.path.clear();
  EXPECT_EQ(rig.ask(proof::format_add_checkpoint(request)), Verdict::inconsistent);
  EXPECT_EQ(rig.notices.size(), 2U) << "once per cosigned tree, however often it is tried";
  EXPECT_EQ(rig.ask(log.body(5, 9)), Verdict::cosigned);
}

TEST_F(WitnessTest, a_fork_of_equal_size_is_kept_as_a_proof) {
  TestLog fork = log.branch();
  fork.grow(3, 1);
  log.grow(3);
  ASSERT_EQ(rig.ask(log.body(0, 23)), Verdict::cosigned);
  EXPECT_EQ(rig.ask(fork.body(23, 23)), Verdict::inconsistent);
  fork.grow(2, 1);
  EXPECT_EQ(rig.ask(fork.body(23, 25)), Verdict::inconsistent);
  const auto kept = io::read_file(*rig.disk, folder() + "fork", 1 << 20);
  ASSERT_TRUE(kept.has_value());
  EXPECT_EQ(as_text(*kept), proof::format_note(fork.checkpoint(23)));
  EXPECT_NE(rig.notices.back().find("a fork"), std::string::npos) << rig.notices.back();
  EXPECT_TRUE(list_trees(*rig.disk)->front().has_fork);
}

TEST_F(WitnessTest, the_memory_outlives_the_process) {
  ASSERT_EQ(rig.ask(log.body(0, 9)), Verdict::cosigned);
  rig.disk = rig.disk->kill_process();
  rig.must_open();
  EXPECT_EQ(rig.ask(log.body(0, 12)), Verdict::other_old_size);
  EXPECT_EQ(rig.answer.body, "9\n");
  EXPECT_EQ(rig.ask(log.body(9, 12)), Verdict::cosigned);
}

TEST_F(WitnessTest, the_note_cosigned_last_can_be_fetched) {
  EXPECT_EQ(rig.witness->checkpoint(origin_hash(log.origin)).error().code, Code::not_found);
  ASSERT_EQ(rig.ask(log.body(0, 9)), Verdict::cosigned);
  const auto text = rig.witness->checkpoint(origin_hash(log.origin));
  ASSERT_TRUE(text.has_value());
  const auto note = proof::parse_note(*text);
  ASSERT_TRUE(note.has_value());
  ASSERT_EQ(note->signatures.size(), 2U);
  EXPECT_EQ(proof::check_signature(note->text, note->signatures[0], log.key.verifier()),
            proof::SignatureCheck::good);
  EXPECT_EQ(proof::check_cosignature(note->text, note->signatures[1], rig.witness->key()).check,
            proof::SignatureCheck::good);
  rig.must_open();
  EXPECT_EQ(*rig.witness->checkpoint(origin_hash(log.origin)), *text);
  EXPECT_EQ(list_trees(*rig.disk)->front().checkpoint.head.size, proof::TreeSize{9});
}

TEST_F(WitnessTest, an_uncertain_memory_stops_its_log_and_no_other) {
  TestLog other("another/log/1");
  other.grow(4);
  rig.keys.push_back(other.key.verifier());
  rig.must_open();
  ASSERT_EQ(rig.ask(log.body(0, 9)), Verdict::cosigned);
  ASSERT_EQ(rig.ask(log.body(9, 12)), Verdict::cosigned);
  for (const std::string name : {"cosigned", "missing"}) {
    if (name == "missing") {
      ASSERT_TRUE(rig.disk->remove(folder() + "cosigned").has_value());
    } else {
      for (unsigned bit = 0; bit < 3; ++bit)  // of the slot written first: 9 records
        ASSERT_TRUE(rig.disk->flip_bit(folder() + "cosigned", 512 + 20 + bit).has_value());
    }
    rig.notices.clear();
    rig.must_open();
    EXPECT_EQ(rig.ask(log.body(12, 20)), Verdict::failed) << name;
    EXPECT_EQ(rig.ask(other.body(0, 0 + 4)),
              name == "missing" ? Verdict::other_old_size : Verdict::cosigned);
    ASSERT_FALSE(rig.notices.empty());
    EXPECT_NE(rig.notices.back().find("not certain"), std::string::npos) << rig.notices.back();
  }
}

TEST_F(WitnessTest, a_memory_behind_its_own_checkpoint_was_swapped_and_is_not_trusted) {
  ASSERT_EQ(rig.ask(log.body(0, 9)), Verdict::cosigned);
  const auto old = io::read_file(*rig.disk, folder() + "cosigned", 4'096);
  ASSERT_EQ(rig.ask(log.body(9, 12)), Verdict::cosigned);
  ASSERT_TRUE(io::replace_file(*rig.disk, folder() + "cosigned", *old).has_value());
  rig.must_open();
  EXPECT_EQ(rig.ask(log.body(9, 12)), Verdict::failed);
}

TEST_F(WitnessTest, after_a_failed_write_nothing_is_cosigned_any_more) {
  ASSERT_EQ(rig.ask(log.body(0, 9)), Verdict::cosigned);
  rig.disk->fail_next(sim::DiskOperation::sync);
  EXPECT_EQ(rig.ask(log.body(9, 12)), Verdict::failed);
  EXPECT_EQ(rig.ask(log.body(9, 12)), Verdict::failed);
  EXPECT_EQ(rig.fatal.size(), 1U);
}

TEST_F(WitnessTest, only_keys_of_logs_are_known) {
  rig.keys = {};
  EXPECT_EQ(rig.open().error().code, Code::invalid_argument);
  rig.keys = {make_signer("witness", proof::KeyType::cosignature, 1).verifier()};
  EXPECT_EQ(rig.open().error().code, Code::invalid_argument);
}

}  // namespace
}  // namespace meridian::witness
