#include "ledger/ledger.h"

#include <gtest/gtest.h>

#include "ledger/internal/test_cell.h"

namespace meridian::ledger {
namespace {

constexpr std::uint64_t second = 1'000'000'000;

TestCell cell_with_accounts(u128 count) {
  TestCell cell;
  for (u128 id = 1; id <= count; ++id) EXPECT_EQ(cell.outcome_of(make_account(id)), "created");
  return cell;
}

TEST(Ledger, refuses_a_first_record_that_does_not_open_its_generation) {
  TestCell cell(/*open=*/false);
  Status done = cell.apply_one(CommandKind::create_account, make_account(1), 1);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Code::failed_precondition);
  OpenGeneration open{};
  open.cell = TestCell::cell_id + 1;
  open.feature_level = 1;
  done = cell.apply_one(CommandKind::open_generation, open, 1);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Code::failed_precondition);
  open.cell = TestCell::cell_id;
  open.feature_level = feature_level_newest + 1;
  done = cell.apply_one(CommandKind::open_generation, open, 1);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Code::unimplemented);
  EXPECT_EQ(cell.ledger().records(), 0u);
}

TEST(Ledger, opens_a_generation_exactly_once) {
  TestCell cell;
  EXPECT_EQ(cell.ledger().feature_level(), feature_level_newest);
  OpenGeneration open{};
  open.cell = TestCell::cell_id;
  open.feature_level = 1;
  EXPECT_EQ(cell.outcome_of(CommandKind::open_generation, open), "refused");
}

TEST(Ledger, opens_the_next_generation_only_if_it_names_what_the_one_before_lost) {
  TestCell cell;
  ASSERT_EQ(cell.outcome_of(CommandKind::create_account, make_account(1)), "created");
  OpenGeneration open{};
  open.cell = TestCell::cell_id;
  open.generation = 2;
  open.feature_level = feature_level_newest;
  open.predecessor_size = 5;  // records 2, 3 and 4 were signed; 0 and 1 are here
  open.lost_count = 3;
  const auto refused = [&](auto change) {
    OpenGeneration wrong = open;
    change(wrong);
    return cell.outcome_of(CommandKind::open_generation, wrong) == "refused";
  };
  EXPECT_TRUE(refused([](OpenGeneration& wrong) { wrong.lost_count = 0; }))
      << "record 4 is not here";
  EXPECT_TRUE(refused([](OpenGeneration& wrong) { wrong.cell += 1; }));
  EXPECT_TRUE(refused([](OpenGeneration& wrong) { wrong.generation = 1; }));
  EXPECT_TRUE(refused([](OpenGeneration& wrong) { wrong.generation = 3; }));
  EXPECT_TRUE(refused([](OpenGeneration& wrong) { wrong.feature_level += 1; }));
  EXPECT_TRUE(refused([](OpenGeneration& wrong) { wrong.lost_count = 6; }));
  EXPECT_TRUE(refused([](OpenGeneration& wrong) { wrong.predecessor_size = 1'000; }));
  EXPECT_EQ(cell.outcome_of(CommandKind::open_generation, open), "created");
  EXPECT_EQ(cell.outcome_of(CommandKind::open_generation, open), "refused") << "only once";
  open.generation = 3;
  EXPECT_EQ(cell.outcome_of(CommandKind::open_generation, open), "created");
  open.generation = 4;
  open.lost_count = 0;  // everything that is known to have been signed is here
  EXPECT_EQ(cell.outcome_of(CommandKind::open_generation, open), "created");
  EXPECT_TRUE(cell.ledger().find_account(1).has_value()) << "the state goes on";
}

TEST(Ledger, refuses_a_feature_level_it_does_not_know_before_changing_anything) {
  TestCell cell;
  SetFeatureLevel level{};
  level.feature_level = feature_level_newest + 1;
  Status done = cell.apply_one(CommandKind::set_feature_level, level, 2);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Code::unimplemented);
  EXPECT_EQ(cell.ledger().records(), 1u);
  level.feature_level = feature_level_newest;
  EXPECT_EQ(cell.outcome_of(CommandKind::set_feature_level, level), "refused");
}

/// Outcomes of the kinds that level 2 brought.
std::string of_level_2(TestCell& cell) {
  TurnEpoch turn{};
  turn.number = 1;
  const std::string turned(cell.outcome_of(CommandKind::turn_epoch, turn));
  SubjectKey key{};
  key.subject = 5;
  const std::string made(cell.outcome_of(CommandKind::subject_key, key));
  EntrySkipped skipped{};
  skipped.entry_index = 3;
  return turned + ' ' + made + ' ' +
         std::string(cell.outcome_of(CommandKind::entry_skipped, skipped));
}

TEST(Ledger, has_the_commands_of_a_level_from_the_record_on_that_activates_it) {
  TestCell cell(/*open=*/true, /*level=*/1);
  EXPECT_EQ(of_level_2(cell), "needs_newer_level needs_newer_level needs_newer_level");
  cell.install(2);
  ASSERT_TRUE(cell.restart(cell.checkpoint()));
  EXPECT_EQ(of_level_2(cell), "needs_newer_level needs_newer_level needs_newer_level")
      << "not active yet";

  Request request;  // within one entry
  request.attester = Attester::replica;
  TurnEpoch turn{};
  turn.number = 1;
  SetFeatureLevel level{};
  level.feature_level = 2;
  add_command(request, CommandKind::turn_epoch, turn);
  add_command(request, CommandKind::set_feature_level, level);
  add_command(request, CommandKind::turn_epoch, turn);
  ASSERT_TRUE(cell.apply(request));
  EXPECT_EQ(cell.outcome_at(0, CommandKind::turn_epoch), "needs_newer_level");
  EXPECT_EQ(cell.outcome_at(1, CommandKind::set_feature_level), "created");
  EXPECT_EQ(cell.outcome_at(2, CommandKind::turn_epoch), "created");
  EXPECT_EQ(cell.ledger().feature_level(), 2u);
  EXPECT_EQ(of_level_2(cell), "created created created");
  level.feature_level = 1;
  EXPECT_EQ(cell.outcome_of(CommandKind::set_feature_level, level), "refused") << "no way back";
}

TEST(Ledger, a_skipped_entry_takes_the_level_along_that_it_needs) {
  TestCell cell(/*open=*/true, /*level=*/1);
  EntrySkipped skipped{};
  skipped.feature_level = 2;
  const Status refused = cell.apply_one(CommandKind::entry_skipped, skipped, 2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unimplemented);
  cell.install(2);
  ASSERT_TRUE(cell.restart(cell.checkpoint()));
  EXPECT_EQ(cell.outcome_of(CommandKind::entry_skipped, skipped), "created");
  EXPECT_EQ(cell.ledger().feature_level(), 2u);
  skipped.feature_level = 1;
  EXPECT_EQ(cell.outcome_of(CommandKind::entry_skipped, skipped), "created");
  EXPECT_EQ(cell.ledger().feature_level(), 2u);
}

TEST(Ledger, a_version_that_does_not_run_the_active_level_says_what_to_do) {
  TestCell cell(/*open=*/true, /*level=*/1);
  SetFeatureLevel level{};
  level.feature_level = 2;
  const Status applied = cell.apply_one(CommandKind::set_feature_level, level, 2);
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().code, Code::unimplemented);
  EXPECT_NE(applied.error().message.find("a version of meridian that runs level 2"),
            std::string::npos);

  TestCell newer;
  newer.install(1);
  const Status restored = newer.restart(newer.checkpoint());
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code, Code::unimplemented);
  EXPECT_NE(restored.error().message.find("never taken back"), std::string::npos);
}

TEST(Ledger, has_one_key_that_the_first_grant_names) {
  TestCell cell;
  const auto grant = [&](std::uint64_t member, u128 check) {
    CellKeyGrant command{};
    command.member = member;
    command.check = check;
    return cell.outcome_of(CommandKind::cell_key_grant, command);
  };
  EXPECT_EQ(cell.ledger().cell_key().check, 0u);
  EXPECT_EQ(grant(1, 0), "refused");
  EXPECT_EQ(grant(0, 77), "refused");
  EXPECT_EQ(grant(2, 77), "created");
  EXPECT_EQ(grant(3, 78), "refused") << "another leader's key";
  EXPECT_EQ(grant(1, 77), "created");
  const RecordIndex newest{cell.ledger().records()};
  EXPECT_EQ(grant(2, 77), "created");
  const CellKey& key = cell.ledger().cell_key();
  EXPECT_EQ(key.check, 77u);
  ASSERT_EQ(key.grants.size(), 2u);
  EXPECT_EQ(key.grants[0].member, 1u);
  ASSERT_NE(key.find(2), nullptr);
  EXPECT_EQ(key.find(2)->record, newest);
  EXPECT_EQ(key.find(3), nullptr);
}

TEST(Ledger, takes_time_only_forward_and_only_a_minute_at_a_time) {
  TestCell cell;
  Account account = make_account(1);
  EXPECT_FALSE(cell.apply_one(CommandKind::create_account, account, 1).has_value());
  EXPECT_FALSE(cell.apply_one(CommandKind::create_account, account, 2 + 60 * second).has_value());
  EXPECT_TRUE(cell.apply_one(CommandKind::create_account, account, 1 + 60 * second).has_value());
  cell.jump_to(5'000 * second);
  EXPECT_FALSE(cell.apply_one(CommandKind::create_account, account, 5'061 * second).has_value());
  EXPECT_TRUE(cell.apply_one(CommandKind::create_account, account, 5'000 * second).has_value());
  EXPECT_FALSE(cell.apply_one(CommandKind::create_account, account, 5'061 * second).has_value());
}

TEST(Ledger, expires_only_what_is_pending_and_due) {
  TestCell cell = cell_with_accounts(2);
  Transfer pending = make_transfer(10, 1, 2, 5, transfer_flags::pending);
  pending.timeout = 2;
  EXPECT_EQ(cell.outcome_of(pending), "created");
  std::uint64_t created_at = cell.ledger().last_time();
  ExpirePending expire{};
  expire.transfer_id = 10;
  EXPECT_EQ(cell.outcome_of(CommandKind::expire_pending, expire), "refused");
  EXPECT_TRUE(cell.ledger().due_expiries(created_at + 2 * second - 1, 9).empty());
  EXPECT_EQ(cell.ledger().due_expiries(created_at + 2 * second, 9), std::vector<u128>{10});
  ASSERT_TRUE(
      cell.apply_one(CommandKind::expire_pending, expire, created_at + 2 * second).has_value());
  const Effect& effect = cell.applied().effects[0];
  EXPECT_EQ(effect.outcome, Outcome::created);
  EXPECT_TRUE(effect.amount == 5);
  ASSERT_EQ(effect.revision, 0u);
  EXPECT_TRUE(cell.applied().expired[0].id == 10);
  EXPECT_EQ(cell.balances(1), Balances{});
  EXPECT_EQ(cell.outcome_of(CommandKind::expire_pending, expire), "refused");
  EXPECT_EQ(cell.outcome_of(make_resolution(11, 10, 0, transfer_flags::void_pending_transfer)),
            "pending_transfer_expired");
}

TEST(Ledger, chains_each_accounts_records) {
  TestCell cell = cell_with_accounts(3);                              // records 1, 2, 3
  EXPECT_EQ(cell.outcome_of(make_transfer(10, 1, 2, 5)), "created");  // record 4
  EXPECT_EQ(cell.applied().effects[0].previous_debit, RecordIndex{1});
  EXPECT_EQ(cell.applied().effects[0].previous_credit, RecordIndex{2});
  EXPECT_EQ(cell.outcome_of(make_transfer(11, 3, 1, 7)), "created");  // record 5
  EXPECT_EQ(cell.applied().effects[0].previous_debit, RecordIndex{3});
  EXPECT_EQ(cell.applied().effects[0].previous_credit, RecordIndex{4});
  auto state = cell.ledger().find_account(1);
  EXPECT_EQ(state->created_at, RecordIndex{1});
  EXPECT_EQ(state->last_record, RecordIndex{5});
}

TEST(Ledger, rolls_back_a_chain_of_accounts_transfers_and_events_as_one) {
  TestCell cell = cell_with_accounts(2);
  auto before = cell.ledger().find_account(1);
  Request request;
  add_command(request, CommandKind::create_account, make_account(3, account_flags::linked));
  add_command(request, CommandKind::create_transfer,
              make_transfer(10, 1, 3, 5, transfer_flags::linked | transfer_flags::pending));
  AppendEvent event = make_event(20, 30, Expected::none);
  event.flags = event_flag_linked;
  add_command(request, CommandKind::append_event, event);
  add_command(request, CommandKind::create_transfer, make_transfer(11, 1, 99, 5));
  ASSERT_TRUE(cell.apply(request).has_value());
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_EQ(cell.outcome_at(i, CommandKind::create_transfer), "linked_event_failed");
  EXPECT_EQ(cell.outcome_at(3, CommandKind::create_transfer), "credit_account_not_found");
  EXPECT_FALSE(cell.ledger().find_account(3).has_value());
  EXPECT_FALSE(cell.ledger().find_stream(30).has_value());
  EXPECT_FALSE(cell.ledger().find_pending(10).has_value());
  EXPECT_EQ(cell.ledger().find_account(1)->account, before->account);
  EXPECT_EQ(cell.ledger().find_account(1)->last_record, before->last_record);
  // Everything but the poisoned transfer may be tried again.
  Request again;
  add_command(again, CommandKind::create_account, make_account(3, account_flags::linked));
  add_command(again, CommandKind::create_transfer,
              make_transfer(10, 1, 3, 5, transfer_flags::linked | transfer_flags::pending));
  event.flags = 0;
  add_command(again, CommandKind::append_event, event);
  add_command(again, CommandKind::create_transfer, make_transfer(11, 1, 2, 5));
  ASSERT_TRUE(cell.apply(again).has_value());
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_EQ(cell.outcome_at(i, CommandKind::create_transfer), "created");
  EXPECT_EQ(cell.outcome_at(3, CommandKind::create_transfer), "id_already_failed");
}

TEST(Ledger, answers_for_transfers_of_the_same_entry) {
  TestCell cell = cell_with_accounts(2);
  Request request;
  add_command(request, CommandKind::create_transfer,
              make_transfer(10, 1, 2, 9, transfer_flags::pending));
  Transfer post = make_resolution(11, 10, 4, transfer_flags::post_pending_transfer);
  add_command(request, CommandKind::create_transfer, post);
  add_command(request, CommandKind::create_transfer, post);
  add_command(request, CommandKind::create_transfer,
              make_resolution(12, 10, 0, transfer_flags::void_pending_transfer));
  add_command(request, CommandKind::create_transfer, make_transfer(13, 1, 5, 1));
  add_command(request, CommandKind::create_transfer, make_transfer(13, 1, 2, 1));
  ASSERT_TRUE(cell.apply(request).has_value());
  const char* expected[] = {"created",
                            "created",
                            "exists",
                            "pending_transfer_already_posted",
                            "credit_account_not_found",
                            "id_already_failed"};
  for (std::size_t i = 0; i < 6; ++i)
    EXPECT_EQ(cell.outcome_at(i, CommandKind::create_transfer), expected[i]);
  EXPECT_EQ(cell.balances(1).debits_posted, u128{4});
}

TEST(Ledger, compares_expected_revisions_as_the_standard_does) {
  TestCell cell;
  EXPECT_EQ(cell.outcome_of(make_event(1, 9, Expected::exists)), "wrong_expected_revision");
  EXPECT_EQ(cell.outcome_of(make_event(1, 9, Expected::exact, no_revision)),
            "wrong_expected_revision");
  EXPECT_EQ(cell.outcome_of(make_event(1, 9, Expected::none)), "created");
  EXPECT_EQ(cell.outcome_of(make_event(2, 9, Expected::none)), "wrong_expected_revision");
  EXPECT_EQ(cell.outcome_of(make_event(2, 9, Expected::exact, 1)), "wrong_expected_revision");
  EXPECT_EQ(cell.outcome_of(make_event(2, 9, Expected::exact, 0)), "created");
  EXPECT_EQ(cell.applied().effects[0].revision, 1u);
  EXPECT_EQ(cell.applied().effects[0].previous_debit, RecordIndex{3});
  EXPECT_EQ(cell.outcome_of(make_event(3, 9, Expected::exists)), "created");
  EXPECT_EQ(cell.outcome_of(make_event(4, 9)), "created");
}

TEST(Ledger, knows_an_event_id_for_ever_whatever_the_revision) {
  TestCell cell;
  AppendEvent event = make_event(1, 9, Expected::none);
  EXPECT_EQ(cell.outcome_of(event), "created");
  EXPECT_EQ(cell.outcome_of(event), "exists");
  EXPECT_EQ(cell.applied().effects[0].revision, 0u);
  AppendEvent other = event;
  other.stream = 8;
  EXPECT_EQ(cell.outcome_of(other), "exists_with_different_stream");
  other = event;
  other.type = 8;
  other.content_type = ContentType::bytes;
  EXPECT_EQ(cell.outcome_of(other), "exists_with_different_type");
  other.type = event.type;
  EXPECT_EQ(cell.outcome_of(other), "exists_with_different_content_type");
  other = event;
  other.commitment[3] ^= 1;
  EXPECT_EQ(cell.outcome_of(other), "exists_with_different_payload");
  EXPECT_EQ(cell.outcome_of(make_deletion(1, 9)), "exists_with_different_kind");
}

TEST(Ledger, lets_a_deleted_stream_go_on_where_it_was) {
  TestCell cell;
  EXPECT_EQ(cell.outcome_of(make_deletion(50, 9)), "stream_not_found");
  EXPECT_EQ(cell.outcome_of(make_deletion(50, 9, Expected::exists)), "wrong_expected_revision");
  EXPECT_EQ(cell.outcome_of(make_event(1, 9)), "created");
  EXPECT_EQ(cell.outcome_of(make_event(2, 9)), "created");
  EXPECT_EQ(cell.outcome_of(make_deletion(50, 9, Expected::exact, 0)), "wrong_expected_revision");
  EXPECT_EQ(cell.outcome_of(make_deletion(50, 9, Expected::exact, 1)), "created");
  EXPECT_EQ(cell.applied().effects[0].revision, 1u);
  EXPECT_EQ(cell.outcome_of(make_deletion(50, 9)), "exists");
  EXPECT_EQ(cell.outcome_of(make_deletion(51, 9)), "stream_deleted");
  EXPECT_EQ(cell.outcome_of(make_event(50, 9)), "exists_with_different_kind");
  EXPECT_EQ(cell.outcome_of(make_event(3, 9, Expected::exists)), "stream_deleted");
  EXPECT_EQ(cell.outcome_of(make_event(3, 9, Expected::exact, 0)), "wrong_expected_revision");
  EXPECT_EQ(cell.outcome_of(make_event(3, 9, Expected::none)), "created");
  EXPECT_EQ(cell.applied().effects[0].revision, 2u);
  EXPECT_FALSE(cell.ledger().find_stream(9)->deleted);
}

Request one_transfer(const Transfer& transfer, bool is_signed) {
  Request request;
  if (is_signed) {
    request.attester = Attester::client_signature;
    request.signature_digest.fill(1);
  }
  add_command(request, CommandKind::create_transfer, transfer);
  return request;
}

TEST(Ledger, accounts_may_require_signatures_from_the_record_on_that_activates_level_4) {
  TestCell cell(/*open=*/true, /*level=*/3);
  const Account strict = make_account(1, account_flags::requires_signature);
  EXPECT_EQ(cell.outcome_of(strict), "reserved_flag");
  cell.install(4);
  ASSERT_TRUE(cell.restart(cell.checkpoint()));
  EXPECT_EQ(cell.outcome_of(strict), "reserved_flag") << "not active yet";
  SetFeatureLevel level{};
  level.feature_level = 4;
  EXPECT_EQ(cell.outcome_of(CommandKind::set_feature_level, level), "created");
  EXPECT_EQ(cell.outcome_of(strict), "created");
  EXPECT_EQ(cell.outcome_of(make_account(2)), "created");
  ASSERT_TRUE(cell.restart(cell.checkpoint()));
  EXPECT_EQ(cell.outcome_of(make_transfer(10, 1, 2, 5)), "debit_account_requires_signature");
  EXPECT_EQ(cell.outcome_of(make_transfer(10, 2, 1, 5)), "credit_account_requires_signature");
  ASSERT_TRUE(cell.apply(one_transfer(make_transfer(10, 1, 2, 5), true)));
  EXPECT_EQ(cell.outcome_at(0, CommandKind::create_transfer), "created")
      << "an unsigned attempt does not use the id up";
}

TEST(Ledger, what_is_pending_on_such_an_account_times_out_by_itself) {
  TestCell cell;
  EXPECT_EQ(cell.outcome_of(make_account(1, account_flags::requires_signature)), "created");
  EXPECT_EQ(cell.outcome_of(make_account(2)), "created");
  Transfer pending = make_transfer(10, 1, 2, 5, transfer_flags::pending);
  pending.timeout = 1;
  ASSERT_TRUE(cell.apply(one_transfer(pending, true)));
  EXPECT_EQ(cell.outcome_at(0, CommandKind::create_transfer), "created");
  ExpirePending expire{};
  expire.transfer_id = 10;
  const std::uint64_t due = cell.ledger().last_time() + 1'000'000'000;
  ASSERT_TRUE(cell.apply_one(CommandKind::expire_pending, expire, due));
  EXPECT_EQ(cell.outcome_at(0, CommandKind::expire_pending), "created");
}

TEST(Ledger, refuses_reserved_values_in_events) {
  TestCell cell;
  AppendEvent event = make_event(1, 9);
  event.flags = 2;
  EXPECT_EQ(cell.outcome_of(event), "reserved_flag");
  event = make_event(1, 9);
  event.expected = static_cast<Expected>(4);
  EXPECT_EQ(cell.outcome_of(event), "reserved_field");
  event = make_event(1, 9);
  event.zero[9] = 1;
  EXPECT_EQ(cell.outcome_of(event), "reserved_field");
  event = make_event(1, 9);
  event.classification = classification_max + 1;
  EXPECT_EQ(cell.outcome_of(event), "reserved_field");
  event = make_event(1, 9);
  event.category = 0;
  EXPECT_EQ(cell.outcome_of(event), "category_must_not_be_zero");
}

TEST(Ledger, finds_transfers_that_stand_where_an_imported_account_wants_to_be) {
  TestCell cell = cell_with_accounts(2);
  EXPECT_EQ(cell.outcome_of(make_transfer(10, 1, 2, 1)), "created");
  std::uint64_t taken = cell.ledger().last_time();
  AppendEvent event = make_event(1, 9);
  EXPECT_EQ(cell.outcome_of(event), "created");
  std::uint64_t free = cell.ledger().last_time();
  EXPECT_EQ(cell.outcome_of(make_transfer(11, 1, 2, 1)), "created");
  Account account = make_account(3, account_flags::imported);
  account.timestamp = taken;
  EXPECT_EQ(cell.outcome_of(account), "imported_event_timestamp_must_not_regress");
  account.timestamp = free;
  EXPECT_EQ(cell.outcome_of(account), "created");
}

TEST(Ledger, needs_at_most_300_bytes_of_memory_per_account) {
  TestCell cell;
  u128 id = 0;
  while (id < 200'000) {
    Request request;
    for (int i = 0; i < 8'000; ++i)
      add_command(request, CommandKind::create_account, make_account(++id * 0x1'0000'0001));
    ASSERT_TRUE(cell.apply(request).has_value());
    if (id < 40'000) continue;
    EXPECT_LE(cell.ledger().account_memory_bytes() / cell.ledger().counts().accounts, 300u)
        << to_decimal(id);
  }
}

}  // namespace
}  // namespace meridian::ledger
