#include "cell/local_cell.h"

#include <gtest/gtest.h>

#include "cell/internal/cell_rig.h"

namespace meridian::cell {
namespace {

ReadQuery stream_query(std::string name) {
  ReadQuery query;
  query.source = ReadQuery::Source::stream;
  query.name = std::move(name);
  return query;
}

Result<ReadPage> read(CellRig& rig, ReadQuery query) {
  return rig.wait<Result<ReadPage>>(
      [&](auto done) { rig.cell->read_events(std::move(query), done); });
}

std::vector<std::string> texts(const ReadPage& page) {
  std::vector<std::string> result;
  for (const ReadEvent& event : page.events) result.emplace_back(as_text(event.event.data));
  return result;
}

void append_numbered(CellRig& rig, const std::string& stream, int first, int count) {
  for (int i = first; i < first + count; ++i) {
    const auto answer = rig.submit({event_draft(static_cast<u128>(i), stream, std::to_string(i))});
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    ASSERT_EQ(answer->results[0].outcome, ledger::Outcome::created);
  }
}

TEST(LocalCell, a_stream_is_read_both_ways_and_page_by_page) {
  CellRig rig;
  append_numbered(rig, "orders-1", 1, 5);
  append_numbered(rig, "orders-2", 6, 2);
  EXPECT_EQ(texts(*read(rig, stream_query("orders-1"))),
            (std::vector<std::string>{"1", "2", "3", "4", "5"}));

  ReadQuery back = stream_query("orders-1");
  back.backwards = back.from_end = true;
  back.limit = 2;
  const auto newest = read(rig, back);
  EXPECT_EQ(texts(*newest), (std::vector<std::string>{"5", "4"}));
  EXPECT_FALSE(newest->end);
  back.from_end = false;
  back.position = newest->next;
  EXPECT_EQ(texts(*read(rig, back)), (std::vector<std::string>{"3", "2"}));
}

TEST(LocalCell, a_category_and_all_are_read_in_the_order_of_records) {
  CellRig rig;
  append_numbered(rig, "orders-1", 1, 2);
  append_numbered(rig, "people-1", 3, 1);
  append_numbered(rig, "orders-2", 4, 1);
  ReadQuery query;
  query.source = ReadQuery::Source::category;
  query.name = "orders";
  EXPECT_EQ(texts(*read(rig, query)), (std::vector<std::string>{"1", "2", "4"}));
  query.backwards = query.from_end = true;
  EXPECT_EQ(texts(*read(rig, query)), (std::vector<std::string>{"4", "2", "1"}));

  ReadQuery all;
  all.limit = 3;
  const auto first = read(rig, all);
  EXPECT_EQ(texts(*first), (std::vector<std::string>{"1", "2", "3"}));
  all.position = first->next;
  EXPECT_EQ(texts(*read(rig, all)), (std::vector<std::string>{"4"}));
  all = {};
  all.backwards = all.from_end = true;
  all.limit = 2;
  EXPECT_EQ(texts(*read(rig, all)), (std::vector<std::string>{"4", "3"}));
}

TEST(LocalCell, a_deleted_stream_reads_as_empty_and_goes_on_after_its_numbering) {
  CellRig rig;
  append_numbered(rig, "orders-1", 1, 3);
  door::DeletionDraft deletion;
  deletion.event_id = 99;
  deletion.stream = "orders-1";
  ASSERT_EQ(rig.submit({deletion})->results[0].outcome, ledger::Outcome::created);
  const auto deleted = read(rig, stream_query("orders-1"));
  EXPECT_TRUE(deleted->stream_deleted);
  EXPECT_TRUE(deleted->events.empty());

  append_numbered(rig, "orders-1", 4, 2);
  rig.restart();
  const auto again = read(rig, stream_query("orders-1"));
  EXPECT_FALSE(again->stream_deleted);
  EXPECT_EQ(texts(*again), (std::vector<std::string>{"4", "5"}));
  EXPECT_EQ(std::get<ledger::EventBody>(again->events[0].header.body).revision, 3U);
}

TEST(LocalCell, an_unknown_stream_and_a_bad_limit_are_named) {
  CellRig rig;
  EXPECT_EQ(read(rig, stream_query("nothing")).error().code, Code::not_found);
  ReadQuery query;
  query.limit = read_limit_max + 1;
  EXPECT_EQ(read(rig, query).error().message, "limit is 4097; it must be 1 to 4096");
}

TEST(LocalCell, a_transaction_posts_and_appends_or_does_neither) {
  CellRig rig;
  ASSERT_TRUE(rig.submit({account_draft(1), account_draft(2)}));
  ledger::Transfer transfer = transfer_draft(10, 1, 2, 5);
  transfer.flags = ledger::transfer_flags::linked;
  EXPECT_EQ(rig.submit({transfer, event_draft(1, "notes-1", "\"paid\"")})->results[1].outcome,
            ledger::Outcome::created);

  transfer.id = 11;
  door::EventDraft wrong = event_draft(2, "notes-1", "\"again\"");
  wrong.expected = ledger::Expected::none;
  const auto refused = rig.submit({transfer, wrong});
  EXPECT_EQ(refused->results[0].outcome,
            ledger::outcome(ledger::TransferOutcome::linked_event_failed));
  EXPECT_EQ(refused->results[1].outcome,
            ledger::outcome(ledger::EventOutcome::wrong_expected_revision));
  const auto accounts = rig.wait<std::vector<ledger::AccountState>>(
      [&](auto done) { rig.cell->lookup_accounts({1}, done); });
  EXPECT_EQ(accounts.at(0).account.debits_posted, u128{5});
  EXPECT_EQ(texts(*read(rig, stream_query("notes-1"))), (std::vector<std::string>{"\"paid\""}));
}

TEST(LocalCell, the_outcome_of_a_command_is_known_by_its_id_and_unknown_ids_are_unknown) {
  CellRig rig;
  ASSERT_TRUE(rig.submit({account_draft(1), account_draft(2), transfer_draft(10, 1, 2, 5)}));
  using Known = Result<std::optional<LocalCell::KnownOutcome>>;
  const auto ask = [&](u128 id) {
    return rig.wait<Known>(
        [&](auto done) { rig.cell->outcome(ledger::CommandKind::create_transfer, id, done); });
  };
  const Known known = ask(10);
  ASSERT_TRUE(known->has_value());
  EXPECT_EQ((*known)->header.outcome, ledger::Outcome::created);
  EXPECT_FALSE(ask(11)->has_value());
}

TEST(LocalCell, a_forgotten_subject_is_unreadable_and_the_others_and_the_receipts_remain) {
  CellRig rig;
  door::EventDraft ada = event_draft(1, "patients-1", R"({"name":"Ada"})");
  ada.subject = "ada";
  door::EventDraft bob = event_draft(2, "patients-2", R"({"name":"Bob"})");
  bob.subject = "bob";
  const auto recorded = rig.submit({ada, bob});
  ASSERT_TRUE(recorded.has_value());
  const auto receipt = rig.wait<Result<proof::Receipt>>(
      [&](auto done) { rig.cell->replica().receipt(recorded->first_record, done); });
  ASSERT_TRUE(receipt.has_value()) << receipt.error().message;

  const auto forgotten =
      rig.wait<Result<ForgetAnswer>>([&](auto done) { rig.cell->forget(rig_actor, "ada", done); });
  ASSERT_TRUE(forgotten.has_value()) << forgotten.error().message;
  EXPECT_GT(forgotten->keys_destroyed, 0U);
  rig.restart();

  const auto page = read(rig, {});
  ASSERT_EQ(page->events.size(), 2U);
  EXPECT_TRUE(page->events[0].event.forgotten);
  EXPECT_TRUE(page->events[0].event.data.empty());
  EXPECT_EQ(as_text(page->events[1].event.data), R"({"name":"Bob"})");
  EXPECT_TRUE(proof::verify_in_checkpoint(*receipt).has_value());

  door::EventDraft again = event_draft(3, "patients-1", R"({"name":"Ada"})");
  again.subject = "ada";
  EXPECT_EQ(rig.submit({again}).error().code, Code::failed_precondition);
}

}  // namespace
}  // namespace meridian::cell
