#include "replica/replica.h"

#include <gtest/gtest.h>

#include "replica/internal/crash_model.h"
#include "replica/internal/replica_rig.h"
#include "sim/random.h"

namespace meridian::replica {
namespace {

using ledger::CommandKind;
using ledger::Outcome;
using ledger::TransferOutcome;

struct ReplicaTest : testing::Test {
  ReplicaRig rig;
  std::uint64_t next_id = 1'000;

  void SetUp() override {
    rig.must_open();
    auto answer = rig.ask(accounts_request(4));
    ASSERT_TRUE(answer.has_value());
  }
  std::unique_ptr<ledger::Request> transfer(u128 amount = 10, std::uint16_t flags = 0,
                                            std::uint32_t timeout = 0) {
    auto request = make_request();
    ledger::Transfer one = make_transfer(next_id++, 1, 2, amount, flags);
    one.timeout = timeout;
    add_transfer(*request, one);
    return request;
  }
  Outcome outcome_of(std::unique_ptr<ledger::Request> request) {
    auto answer = rig.ask(std::move(request));
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    return answer ? answer->results.at(0).outcome : Outcome::deprecated_ok;
  }
  std::vector<CommandKind> kinds() {
    std::vector<CommandKind> kinds;
    for (const ledger::Header& header : rig.all_headers()) kinds.push_back(header.kind);
    return kinds;
  }
  std::size_t count(CommandKind kind) {
    return static_cast<std::size_t>(std::ranges::count(kinds(), kind));
  }
};

TEST_F(ReplicaTest, the_first_record_opens_the_generation) {
  const ledger::Header first = rig.all_headers().front();
  ASSERT_EQ(first.kind, CommandKind::open_generation);
  const auto& body = std::get<ledger::SystemBody>(first.body);
  const auto genesis = ledger::load_command<ledger::OpenGeneration>(body.command.data());
  EXPECT_TRUE(genesis.cell == rig.config.cell);
  EXPECT_EQ(genesis.generation, 1U);
  EXPECT_EQ(genesis.feature_level, ledger::feature_level_newest);
  EXPECT_EQ(first.attester, ledger::Attester::replica);
}

TEST_F(ReplicaTest, answers_name_record_time_and_outcome_of_each_command) {
  auto request = make_request(33);
  add_transfer(*request, make_transfer(500, 1, 2, 30));
  add_transfer(*request, make_transfer(501, 1, 99, 30));
  add_event(*request, 502, 7, as_bytes("payload"));
  auto answer = rig.ask(std::move(request));
  ASSERT_TRUE(answer.has_value());
  ASSERT_EQ(answer->results.size(), 3U);
  EXPECT_EQ(answer->results[0].outcome, Outcome::created);
  EXPECT_EQ(answer->results[1].outcome, outcome(TransferOutcome::credit_account_not_found));
  EXPECT_EQ(answer->results[2].outcome, Outcome::created);
  EXPECT_EQ(answer->results[2].revision, 0U);
  const auto headers = rig.all_headers();
  for (std::size_t i = 0; i < 3; ++i) {
    const ledger::Header& header = headers.at(ledger::raw(answer->first_record) + i);
    EXPECT_EQ(header.time, answer->first_time + i);
    EXPECT_EQ(header.outcome, answer->results[i].outcome);
    EXPECT_TRUE(header.actor == 33);
  }
  EXPECT_EQ(rig.account(1)->account.debits_posted, 30U);
  EXPECT_EQ(*rig.replica->payload(ledger::RecordIndex{ledger::raw(answer->first_record) + 2}),
            to_buffer(as_bytes("payload")));
  EXPECT_EQ(rig.replica->stream_records(7, 0, 9, 10, false)->size(), 1U);
  EXPECT_EQ(rig.replica->category_records(77, 0, 999, 10, true)->size(), 1U);
}

TEST_F(ReplicaTest, a_request_sent_again_is_recognised_also_after_a_restart_and_a_checkpoint) {
  rig.config.checkpoint_interval = 10;
  rig.reopen();
  auto once = transfer();
  const ledger::Request copy = *once;
  EXPECT_EQ(outcome_of(std::move(once)), Outcome::created);
  EXPECT_EQ(outcome_of(std::make_unique<ledger::Request>(copy)), outcome(TransferOutcome::exists));
  rig.reopen();
  EXPECT_EQ(outcome_of(std::make_unique<ledger::Request>(copy)), outcome(TransferOutcome::exists));
  for (int i = 0; i < 40; ++i) outcome_of(transfer());
  EXPECT_GE(rig.report().checkpoint_record, 10U);
  rig.reopen();
  EXPECT_EQ(outcome_of(std::make_unique<ledger::Request>(copy)), outcome(TransferOutcome::exists));
  EXPECT_EQ(rig.account(1)->account.debits_posted, 41U * 10);
}

TEST_F(ReplicaTest, a_restart_changes_nothing) {
  for (int i = 0; i < 30; ++i) outcome_of(transfer(1 + static_cast<unsigned>(i)));
  const auto headers = rig.all_headers();
  const auto balances = rig.account(2)->account;
  auto note = rig.checkpoint();
  rig.reopen();
  EXPECT_EQ(rig.all_headers(), headers);
  EXPECT_TRUE(rig.account(2)->account == balances);
  EXPECT_EQ(proof::parse_note(*rig.checkpoint())->text, proof::parse_note(*note)->text);
  EXPECT_TRUE(rig.notices.empty()) << rig.notices.front();
}

TEST_F(ReplicaTest, receipts_verify_for_whoever_trusts_the_keys_and_for_nobody_else) {
  for (int i = 0; i < 300; ++i) outcome_of(transfer());
  const auto headers = rig.all_headers();
  proof::Policy policy = rig.policy();
  for (const std::size_t record :
       {std::size_t{0}, std::size_t{1}, std::size_t{255}, std::size_t{256}, headers.size() - 1}) {
    auto receipt = rig.receipt(record);
    ASSERT_TRUE(receipt.has_value()) << receipt.error().message;
    EXPECT_EQ(receipt->header, headers[record].encode());
    auto evidence = proof::evaluate(*receipt, policy);
    ASSERT_TRUE(evidence.has_value()) << evidence.error().message;
    EXPECT_EQ(evidence->checkpoint.origin, rig.replica->origin());
    auto back = proof::parse_receipt(proof::format_receipt(*receipt));
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(*back, *receipt);
    receipt->header[20] ^= 1;
    EXPECT_FALSE(proof::evaluate(*receipt, policy).has_value());
  }
  auto missing = rig.receipt(headers.size());
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, Code::out_of_range);
  EXPECT_EQ(missing.error().message,
            "there is no record 305: the cell holds 305 records, 0 to 304");
}

TEST_F(ReplicaTest, a_record_is_found_by_its_id) {
  auto answer = rig.ask(transfer());
  std::optional<Result<ledger::RecordIndex>> found, none;
  rig.replica->find_record(ledger::IdSpace::transfer, 1'000, [&](auto got) { found = got; });
  rig.replica->find_record(ledger::IdSpace::transfer, 4'711, [&](auto got) { none = got; });
  rig.world.run_until_idle();
  ASSERT_TRUE(found && found->has_value() && none && none->has_value());
  EXPECT_EQ(**found, answer->first_record);
  EXPECT_EQ(**none, ledger::no_record);
}

TEST_F(ReplicaTest, pending_transfers_expire_when_their_time_has_passed_not_before) {
  outcome_of(transfer(50, ledger::transfer_flags::pending, 2));
  outcome_of(transfer(7, ledger::transfer_flags::pending));  // never
  EXPECT_EQ(rig.account(1)->account.debits_pending, 57U);
  rig.world.advance(io::milliseconds(1'900));
  EXPECT_EQ(rig.account(1)->account.debits_pending, 57U);
  rig.world.advance(io::milliseconds(400));
  EXPECT_EQ(rig.account(1)->account.debits_pending, 7U);
  EXPECT_EQ(count(CommandKind::expire_pending), 1U);
  rig.world.advance(io::seconds(10));
  EXPECT_EQ(count(CommandKind::expire_pending), 1U);
}

TEST_F(ReplicaTest, what_expired_while_the_replica_was_down_expires_at_its_start) {
  outcome_of(transfer(50, ledger::transfer_flags::pending, 2));
  rig.close();
  rig.world.advance(io::seconds(30));
  rig.must_open();
  rig.world.advance(io::milliseconds(200));
  EXPECT_EQ(rig.account(1)->account.debits_pending, 0U);
}

TEST_F(ReplicaTest, a_gap_of_more_than_a_minute_is_bridged_by_a_time_advance) {
  rig.world.advance(io::seconds(54));
  EXPECT_EQ(outcome_of(transfer()), Outcome::created);
  EXPECT_EQ(count(CommandKind::time_advance), 0U);
  for (const std::int64_t gap : {61, 7'200, 90'000}) {
    rig.world.advance(io::seconds(gap));
    EXPECT_EQ(outcome_of(transfer()), Outcome::created);
  }
  EXPECT_EQ(count(CommandKind::time_advance), 3U);
  rig.close();
  rig.world.advance(io::seconds(1'000'000));
  rig.must_open();
  EXPECT_EQ(outcome_of(transfer()), Outcome::created);
  EXPECT_EQ(count(CommandKind::time_advance), 4U);
  EXPECT_TRUE(rig.fatal.empty());
}

TEST_F(ReplicaTest, a_clock_that_jumps_back_does_not_turn_time_back) {
  rig.world.clock().set_wall(io::WallTime{1'600'000'000'000'000'000});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(outcome_of(transfer()), Outcome::created);
  std::uint64_t last = 0;
  for (const ledger::Header& header : rig.all_headers()) {
    EXPECT_GT(header.time, last);
    last = header.time;
  }
}

TEST_F(ReplicaTest, state_checkpoints_are_cut_recorded_and_restarted_from) {
  rig.config.checkpoint_interval = 50;
  rig.reopen();
  for (int i = 0; i < 230; ++i) outcome_of(transfer());
  auto report = rig.report();
  EXPECT_EQ(report.checkpoint_record % 50, 0U);
  EXPECT_GE(report.checkpoint_record, 200U);
  EXPECT_GE(count(CommandKind::state_digest), 4U);
  const auto headers = rig.all_headers();
  const std::uint64_t reads = rig.disk->count(sim::DiskOperation::read);
  rig.reopen();
  EXPECT_LT(rig.disk->count(sim::DiskOperation::read) - reads, 200U) << "replayed all of it";
  EXPECT_EQ(rig.all_headers(), headers);
  EXPECT_EQ(rig.account(1)->account.debits_posted, 2'300U);
  EXPECT_EQ(rig.report().checkpoint_record, report.checkpoint_record);
  EXPECT_TRUE(rig.fatal.empty());
}

/// The digest is the state's alone: another life of the same commands gives the same.
TEST_F(ReplicaTest, the_same_entries_give_the_same_state_digests) {
  const auto digests = [](std::uint64_t seed) {
    ReplicaConfig config = ReplicaRig::default_config();
    config.checkpoint_interval = 40;
    ReplicaRig one(seed, config);
    one.must_open();
    EXPECT_TRUE(one.ask(accounts_request(4)).has_value());
    for (std::uint64_t i = 0; i < 150; ++i) {
      auto request = make_request();
      add_transfer(*request, make_transfer(100 + i, 1 + i % 4, 1 + (i + 1) % 4, i + 1));
      EXPECT_TRUE(one.ask(std::move(request)).has_value());
      if (seed == 2 && i % 30 == 29) one.reopen();
    }
    std::vector<std::string> found;
    for (const ledger::Header& header : one.all_headers()) {
      if (header.kind != CommandKind::state_digest) continue;
      const auto& body = std::get<ledger::SystemBody>(header.body);
      const auto command = ledger::load_command<ledger::StateDigest>(body.command.data());
      found.push_back(std::to_string(command.record_index) + " " + to_hex(command.digest));
    }
    return found;
  };
  const auto first = digests(1);
  EXPECT_GE(first.size(), 3U);
  // Times are part of the state, so only equal lives agree; a restart must not matter to one.
  EXPECT_EQ(first, digests(1));
  EXPECT_GE(digests(2).size(), 3U);
}

TEST_F(ReplicaTest, a_request_that_cannot_be_recorded_is_refused_before_it_reaches_the_log) {
  const std::uint64_t records = rig.replica->visible_records();
  EXPECT_EQ(rig.ask(make_request()).error().message, "the request holds no command");

  auto large = make_request();
  for (int i = 0; i < 3; ++i)
    add_event(*large, 10 + static_cast<unsigned>(i), 5, Buffer(400 << 10));
  auto refused = rig.ask(std::move(large));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  EXPECT_EQ(
      refused.error().message,
      "the request holds 1229184 bytes of commands and payloads; at most 1048576 fit: split it");

  auto wrong_offset = make_request();
  add_event(*wrong_offset, 20, 5, as_bytes("abc"));
  wrong_offset->payloads.push_back(0);
  EXPECT_EQ(rig.ask(std::move(wrong_offset)).error().code, Code::invalid_argument);

  auto bad_facts = make_request();
  add_event(*bad_facts, 21, 5, as_bytes("abc"));
  bad_facts->facts.push_back({0, to_buffer(as_bytes("nonsense"))});
  EXPECT_EQ(rig.ask(std::move(bad_facts)).error().code, Code::invalid_argument);

  auto reserved = make_request();
  ledger::DoorRefusals command{};
  command.zero[5] = 1;
  reserved->add(CommandKind::door_refusals, command_bytes(command));
  EXPECT_EQ(rig.ask(std::move(reserved)).error().code, Code::invalid_argument);

  EXPECT_EQ(rig.replica->visible_records(), records);
  EXPECT_TRUE(rig.fatal.empty());
  EXPECT_EQ(outcome_of(transfer()), Outcome::created);
}

TEST_F(ReplicaTest, too_many_outstanding_requests_are_refused_and_the_rest_goes_on) {
  rig.config.limits.queued_requests_max = 10;
  rig.reopen();
  std::size_t answered = 0, refused = 0;
  for (int i = 0; i < 25; ++i)
    rig.replica->submit(transfer(), [&](Result<Answer> answer) {
      if (answer)
        ++answered;
      else if (answer.error().code == Code::resource_exhausted)
        ++refused;
    });
  EXPECT_EQ(refused, 15U);
  rig.world.run_until_idle();
  EXPECT_EQ(answered, 10U);
  EXPECT_EQ(outcome_of(transfer()), Outcome::created);

  rig.config.limits.queued_bytes_max = 1'000;
  rig.reopen();
  auto large = make_request();
  for (int i = 0; i < 10; ++i) add_transfer(*large, make_transfer(next_id++, 1, 2, 1));
  EXPECT_EQ(rig.ask(std::move(large)).error().code, Code::resource_exhausted);
}

TEST_F(ReplicaTest, a_full_cell_refuses_new_business_and_lets_pendings_finish) {
  outcome_of(transfer(5, ledger::transfer_flags::pending));
  const u128 pending = next_id - 1;
  rig.config.limits.records_max = 10;
  rig.reopen();
  for (int i = 0; i < 10; ++i) static_cast<void>(rig.ask(transfer()));
  auto refused = rig.ask(transfer());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::resource_exhausted);
  EXPECT_NE(refused.error().message.find("declared maximum"), std::string::npos);
  EXPECT_TRUE(rig.report().at_capacity);
  ASSERT_EQ(rig.notices.size(), 2U) << "the alarm at 80 % and the stop";

  rig.reopen();  // full from the start
  EXPECT_FALSE(rig.ask(transfer()).has_value());
  auto post = make_request();
  ledger::Transfer end =
      make_transfer(next_id++, 0, 0, u128_max, ledger::transfer_flags::post_pending_transfer);
  end.pending_id = pending;
  end.ledger = 0;
  end.code = 0;
  add_transfer(*post, end);
  EXPECT_EQ(outcome_of(std::move(post)), Outcome::created);
}

TEST_F(ReplicaTest, a_nearly_full_disk_refuses_writes_serves_reads_and_recovers) {
  const std::uint64_t before = rig.replica->visible_records();
  rig.disk->set_capacity((1 << 20));  // less than is used and reserved
  rig.world.advance(io::milliseconds(200));
  auto refused = rig.ask(transfer());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::resource_exhausted);
  EXPECT_NE(refused.error().message.find("disk is nearly full"), std::string::npos);
  EXPECT_EQ(rig.all_headers().size(), before);
  EXPECT_TRUE(rig.receipt(0).has_value());
  rig.disk->set_capacity(std::uint64_t{1} << 40);
  rig.world.advance(io::milliseconds(200));
  EXPECT_EQ(outcome_of(transfer()), Outcome::created);
  EXPECT_TRUE(rig.fatal.empty());
}

TEST_F(ReplicaTest, a_failing_log_stops_the_replica_once_and_outcomes_are_unknown) {
  rig.disk->fail_next(sim::DiskOperation::sync);
  std::vector<Result<Answer>> answers;
  for (int i = 0; i < 5; ++i)
    rig.replica->submit(transfer(), [&](Result<Answer> got) { answers.push_back(std::move(got)); });
  rig.world.run_until_idle();
  rig.world.advance(io::seconds(1));
  ASSERT_EQ(rig.fatal.size(), 1U);
  EXPECT_NE(rig.fatal[0].message.find("write-ahead log failed"), std::string::npos)
      << rig.fatal[0].message;
  ASSERT_EQ(answers.size(), 5U);
  for (const auto& answer : answers) {
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().code, Code::unavailable);
    EXPECT_TRUE(answer.error().message.starts_with("the outcome is unknown"));
  }
  auto later = rig.ask(transfer());
  ASSERT_FALSE(later.has_value());
  EXPECT_EQ(later.error().code, Code::failed_precondition);
}

TEST_F(ReplicaTest, a_head_that_cannot_be_kept_is_not_signed_and_whoever_waits_is_told) {
  outcome_of(transfer());
  rig.world.advance(io::seconds(1));
  std::optional<Result<std::string>> note;
  std::optional<Result<proof::Receipt>> receipt;
  auto request = transfer();
  rig.replica->submit(std::move(request), [&](const Result<Answer>& answer) {
    EXPECT_TRUE(answer.has_value());
    rig.disk->fail_next(sim::DiskOperation::sync);
    rig.replica->checkpoint([&](Result<std::string> got) { note = std::move(got); });
    rig.replica->receipt(ledger::RecordIndex{0},
                         [&](Result<proof::Receipt> got) { receipt = std::move(got); });
  });
  rig.world.run_until_idle();
  rig.world.advance(io::seconds(1));
  ASSERT_TRUE(note.has_value());
  ASSERT_TRUE(receipt.has_value());
  EXPECT_FALSE(note->has_value() && receipt->has_value());
  EXPECT_EQ(rig.fatal.size(), 1U);
}

TEST_F(ReplicaTest, an_ambiguous_tail_is_dropped_told_and_recorded) {
  outcome_of(transfer());
  rig.close();
  // The last group is torn: part of it never reached the disk.
  const auto files = rig.disk->list("wal");
  ASSERT_TRUE(files.has_value());
  std::string path;
  for (const std::string& name : *files)
    if (path.empty() && name.ends_with(".wal")) path = "wal/" + name;
  auto file = *rig.disk->open(path, io::OpenMode::read_write);
  Buffer bytes(*file->size());
  ASSERT_TRUE(file->read_at(0, bytes).has_value());
  std::size_t last = bytes.size();
  while (bytes[last - 1] == 0) --last;
  ASSERT_TRUE(rig.disk->flip_bit(path, last - 20).has_value());
  // The newest head may cover the record that is damaged: this replica never signed it.
  ASSERT_TRUE(io::replace_file(*rig.disk, "cosigned", Buffer(1'024)).has_value());
  file.reset();
  rig.must_open();
  rig.world.advance(io::seconds(1));
  ASSERT_EQ(rig.notices.size(), 1U);
  EXPECT_TRUE(rig.notices[0].starts_with("the log ended in")) << rig.notices[0];
  EXPECT_EQ(count(CommandKind::dropped_tail), 1U);
  EXPECT_EQ(rig.account(1)->account.debits_posted, 0U);
  rig.reopen();
  EXPECT_EQ(rig.notices.size(), 1U) << "told once";
  EXPECT_EQ(count(CommandKind::dropped_tail), 1U);
}

TEST_F(ReplicaTest, signed_records_that_are_missing_are_named_and_the_replica_refuses_to_start) {
  ReplicaRig other(1);
  outcome_of(transfer());
  outcome_of(transfer());
  ASSERT_TRUE(rig.checkpoint().has_value());
  rig.close();
  auto cosigned = io::read_file(*rig.disk, "cosigned", 4'096);
  ASSERT_TRUE(cosigned.has_value());

  ReplicaRig older(1);
  older.must_open();
  ASSERT_TRUE(older.ask(accounts_request(4)).has_value());
  const std::uint64_t there = older.replica->visible_records();
  older.close();
  ASSERT_TRUE(io::replace_file(*older.disk, "cosigned", *cosigned).has_value());
  const Status opened = older.open();
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::data_loss);
  EXPECT_TRUE(opened.error().message.starts_with("records " + std::to_string(there) + " to " +
                                                 std::to_string(there + 1) + " are missing"))
      << opened.error().message;
}

TEST_F(ReplicaTest, another_root_than_the_signed_one_is_refused) {
  ASSERT_TRUE(rig.checkpoint().has_value());
  rig.close();
  auto cosigned = io::read_file(*rig.disk, "cosigned", 4'096);
  ReplicaRig other(2);
  other.must_open();
  ASSERT_TRUE(other.ask(accounts_request(4)).has_value());
  other.close();
  ASSERT_TRUE(io::replace_file(*other.disk, "cosigned", *cosigned).has_value());
  const Status opened = other.open();
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::data_loss);
  EXPECT_NE(opened.error().message.find("another root"), std::string::npos);
}

TEST_F(ReplicaTest, a_damaged_cosigned_file_is_refused) {
  rig.close();
  ASSERT_TRUE(io::replace_file(*rig.disk, "cosigned", Buffer(1'024, 7)).has_value());
  EXPECT_EQ(rig.open().error().code, Code::data_loss);
  ASSERT_TRUE(io::replace_file(*rig.disk, "cosigned", Buffer(100)).has_value());
  EXPECT_EQ(rig.open().error().code, Code::data_loss);
}

TEST_F(ReplicaTest, readers_are_told_when_records_are_visible) {
  std::vector<std::uint64_t> told;
  const std::uint64_t now = rig.replica->visible_records();
  rig.replica->when_visible(now, [&](std::uint64_t count) { told.push_back(count); });
  EXPECT_EQ(told.size(), 1U) << "at once";
  rig.replica->when_visible(now + 2, [&](std::uint64_t count) { told.push_back(count); });
  const std::uint64_t token =
      rig.replica->when_visible(now + 1, [&](std::uint64_t) { FAIL() << "was cancelled"; });
  rig.replica->cancel_wait(token);
  outcome_of(transfer());
  EXPECT_EQ(told.size(), 1U);
  outcome_of(transfer());
  EXPECT_EQ(told, (std::vector<std::uint64_t>{now, now + 2}));
}

TEST_F(ReplicaTest, settle_waits_until_everything_is_answered_and_stored) {
  int answered = 0;
  bool settled = false;
  for (int i = 0; i < 20; ++i)
    rig.replica->submit(transfer(), [&](const Result<Answer>&) { ++answered; });
  rig.replica->settle([&] {
    settled = true;
    EXPECT_EQ(answered, 20);
  });
  rig.world.advance(io::seconds(1));
  EXPECT_TRUE(settled);
}

TEST_F(ReplicaTest, a_replica_of_another_cell_does_not_open) {
  rig.close();
  rig.config.cell = 5;
  EXPECT_FALSE(rig.open().has_value());
}

}  // namespace
}  // namespace meridian::replica
