// Retention classes, holds and forgetting in two lists: of a cell of several replicas, and of one
// that is alone.
#include <gtest/gtest.h>

#include "cell/internal/cell_rig.h"
#include "cell/internal/keepers_rig.h"
#include "door/keeping_commands.h"

namespace meridian::cell {
namespace {

storage::RetentionClass tax() {
  return {.retention = 3,
          .keep = {84, 0},
          .erase = {120, 0},
          .name = storage::text_field<storage::class_name_size>("tax_documents"),
          .basis = storage::text_field<storage::class_basis_size>("AO 147")};
}

io::WallTime years_later(io::WallTime now, std::uint64_t years) {
  return io::WallTime{static_cast<std::uint64_t>(now) + years * 366 * 86'400'000'000'000};
}

struct KeepersTest : testing::Test {
  Keepers cell{1};

  void SetUp() override {
    cell.lead(1);
    cell.run(io::seconds(1));
  }
  ledger::RecordIndex append(std::uint64_t at, u128 id, const std::string& subject,
                             std::uint8_t retention) {
    const auto made = cell.append(at, id, subject, io::seconds(10), retention);
    EXPECT_TRUE(made && *made) << (made ? (*made).error().message : "no answer");
    return made && *made ? **made : ledger::no_record;
  }
  void keep(door::KeepingDraft draft) {
    const auto kept = cell.keep(1, std::move(draft));
    ASSERT_TRUE(kept && *kept) << (kept ? kept->error().message : "no answer");
  }
  bool is_forgotten(std::uint64_t at, ledger::RecordIndex record) {
    const auto opened = cell.read(at, record);
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    return opened && opened->forgotten;
  }
};

TEST_F(KeepersTest, forgetting_destroys_what_may_go_and_names_what_is_kept_on_every_replica) {
  keep(tax());
  const auto invoice = append(1, 1, "anna", 3), note = append(1, 2, "anna", 1);
  const auto other = append(1, 3, "bert", 1);
  cell.stop(3);
  const auto forgotten = cell.forget(1, "anna");
  ASSERT_TRUE(forgotten && *forgotten) << (forgotten ? forgotten->error().message : "no answer");
  const ForgetAnswer& answer = **forgotten;
  EXPECT_EQ(answer.keys_destroyed, 1U);
  EXPECT_EQ(answer.erased, (std::vector<storage::KeyName>{{1, storage::undated_version}}));
  ASSERT_EQ(answer.kept.size(), 1U);
  EXPECT_EQ(storage::to_text(*answer.kept[0].until), "2031-01-01");
  EXPECT_EQ(answer.kept[0].class_name, "tax_documents");
  EXPECT_EQ(answer.kept[0].basis, "AO 147");
  EXPECT_EQ(answer.records, 2U);
  ASSERT_TRUE(answer.turn.has_value());
  EXPECT_EQ(raw(*answer.turn), raw(answer.record) + 2) << "it stands behind what it destroyed";
  EXPECT_EQ(answer.not_yet_on, std::vector<std::uint64_t>{3});
  cell.start(3);
  const std::uint64_t joiner = cell.join();
  cell.run(io::seconds(5));
  for (const std::uint64_t at : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3}, joiner}) {
    SCOPED_TRACE("replica " + std::to_string(at));
    EXPECT_TRUE(is_forgotten(at, note));
    EXPECT_FALSE(is_forgotten(at, invoice));
    EXPECT_FALSE(is_forgotten(at, other));
    EXPECT_EQ(cell.members[at].door->shared_keys()->place().turns,
              cell.members[1].door->shared_keys()->place().turns);
  }
  const auto more = cell.append(1, 9, "anna", io::seconds(10), 3);
  ASSERT_TRUE(more && !*more);
  EXPECT_EQ(more->error().code, Code::failed_precondition) << "nothing is sealed for her any more";
  EXPECT_TRUE(cell.fatal.empty());
}

TEST_F(KeepersTest, every_replica_knows_which_have_destroyed_the_key_of_an_epoch) {
  append(1, 1, "anna", 1);
  cell.stop(3);
  const auto forgotten = cell.forget(1, "anna");
  ASSERT_TRUE(forgotten && *forgotten);
  const std::uint32_t turned = (*forgotten)->epoch + 1;
  const auto known_at = [&](std::uint64_t at) {
    KeyProgress known;
    cell.members[at].custodian->progress([&](KeyProgress now) { known = std::move(now); });
    cell.run(io::seconds(1));
    EXPECT_TRUE(known.is_complete) << at;
    return known.replicas;
  };
  for (const std::uint64_t at : {1, 2}) {
    const std::vector<ReplicaEpoch> known = known_at(at);
    ASSERT_EQ(known.size(), 3U);
    EXPECT_EQ(known[0], (ReplicaEpoch{1, turned})) << at;
    EXPECT_EQ(known[1], (ReplicaEpoch{2, turned})) << at;
    EXPECT_EQ(known[2].id, 3U);
    EXPECT_LT(known[2].epoch, turned) << at;
  }
  cell.start(3);
  cell.run(io::seconds(5));
  for (const std::uint64_t at : {1, 2, 3})
    for (const ReplicaEpoch& one : known_at(at)) EXPECT_EQ(one.epoch, turned) << at;
}

TEST_F(KeepersTest, what_was_kept_goes_by_itself_when_its_time_has_come) {
  keep(tax());
  const auto invoice = append(1, 1, "anna", 3), other = append(1, 2, "bert", 3);
  ASSERT_TRUE(cell.forget(1, "anna").value());
  EXPECT_FALSE(is_forgotten(2, invoice));
  cell.world.clock().set_wall(years_later(cell.world.clock().now().time, 8));
  cell.lead(2);  // whoever comes to lead looks at once
  cell.run(io::seconds(5));
  for (const std::uint64_t at : {1, 2, 3}) {
    EXPECT_TRUE(is_forgotten(at, invoice)) << at;
    EXPECT_FALSE(is_forgotten(at, other)) << at;
    EXPECT_TRUE(cell.members[at].door->shared_keys()->is_forgotten(
        cell.members[at].door->subject_id("anna")));
  }
  // Three years on, the class must be gone of everybody.
  cell.world.clock().set_wall(years_later(cell.world.clock().now().time, 3));
  cell.lead(3);
  cell.run(io::seconds(5));
  for (const std::uint64_t at : {1, 2, 3}) EXPECT_TRUE(is_forgotten(at, other)) << at;
  EXPECT_TRUE(cell.fatal.empty());
}

TEST_F(KeepersTest, a_clock_that_nobody_confirms_erases_nothing) {
  keep(tax());
  const auto invoice = append(1, 1, "anna", 3);
  ASSERT_TRUE(cell.forget(1, "anna").value());
  cell.is_clock_confirmed = false;
  cell.world.clock().set_wall(years_later(cell.world.clock().now().time, 8));
  cell.lead(2);
  cell.run(io::seconds(5));
  EXPECT_FALSE(is_forgotten(2, invoice));
  cell.is_clock_confirmed = true;
  cell.run(io::seconds(5));
  EXPECT_TRUE(is_forgotten(2, invoice)) << "it is looked at again at once";
}

TEST_F(KeepersTest, a_hold_goes_before_everything_until_it_is_released) {
  const auto note = append(1, 1, "anna", 1);
  const auto placed =
      cell.keep(1, door::HoldDraft{cell.members[1].door->subject_id("anna"), {}, "case-2026-114"});
  ASSERT_TRUE(placed && *placed);
  const auto forgotten = cell.forget(1, "anna");
  ASSERT_TRUE(forgotten && *forgotten);
  EXPECT_EQ((*forgotten)->keys_destroyed, 0U);
  ASSERT_EQ((*forgotten)->kept.size(), 1U);
  EXPECT_EQ((*forgotten)->kept[0].hold, (*placed)->hold);
  EXPECT_EQ((*forgotten)->kept[0].reference, "case-2026-114");
  for (const std::uint64_t at : {1, 2, 3}) EXPECT_FALSE(is_forgotten(at, note));
  keep(door::ReleaseDraft{(*placed)->hold});
  const auto again = cell.keep(1, door::ReleaseDraft{(*placed)->hold});
  ASSERT_TRUE(again && !*again);
  EXPECT_EQ(again->error().code, Code::not_found);
  cell.lead(2);
  cell.run(io::seconds(5));
  for (const std::uint64_t at : {1, 2, 3}) EXPECT_TRUE(is_forgotten(at, note));
}

TEST_F(KeepersTest, what_is_kept_is_said_by_the_leader_alone_and_only_if_it_makes_sense) {
  const auto elsewhere = cell.keep(2, tax());
  ASSERT_TRUE(elsewhere && !*elsewhere);
  EXPECT_EQ(elsewhere->error().code, Code::unavailable);
  storage::RetentionClass wrong = tax();
  wrong.erase = {90, 0};
  EXPECT_EQ(cell.keep(1, wrong)->error().code, Code::invalid_argument);
  wrong = tax();
  wrong.basis = storage::text_field<storage::class_basis_size>("ask ada@example.com");
  const auto personal = cell.keep(1, wrong);
  EXPECT_EQ(personal->error().code, Code::invalid_argument);
  EXPECT_EQ(personal->error().message.find("ada@"), std::string::npos) << "the value nowhere";
  keep(tax());
  wrong = tax();
  wrong.is_by_month = true;
  EXPECT_EQ(cell.keep(1, wrong)->error().code, Code::failed_precondition);
  cell.level = 2;
  EXPECT_EQ(cell.keep(1, tax())->error().code, Code::failed_precondition);
}

TEST(KeepingAlone, both_lists_are_answered_recorded_and_survive_a_restart) {
  CellRig rig;
  const auto keep = [&](door::KeepingDraft draft) {
    return rig.wait<Result<KeepAnswer>>(
        [&](auto done) { rig.cell->keep(rig_actor, std::move(draft), done); });
  };
  ASSERT_TRUE(keep(tax()).has_value());
  door::EventDraft invoice = event_draft(1, "orders-1", "1"),
                   note = event_draft(2, "orders-1", "2");
  invoice.subject = note.subject = "anna";
  invoice.retention = 3;
  note.retention = 1;
  ASSERT_TRUE(rig.submit({invoice}).has_value());
  ASSERT_TRUE(rig.submit({note}).has_value());
  const auto forget = [&] {
    return rig.wait<Result<ForgetAnswer>>(
        [&](auto done) { rig.cell->forget(rig_actor, "anna", done); });
  };
  const auto forgotten = forget();
  ASSERT_TRUE(forgotten.has_value()) << forgotten.error().message;
  EXPECT_EQ(forgotten->keys_destroyed, 1U);
  EXPECT_EQ(forgotten->kept.size(), 1U);
  EXPECT_EQ(forgotten->records, 2U);
  const auto status = [&] {
    return *rig.wait<Result<door::Door::SubjectStatus>>(
        [&](auto done) { rig.cell->subject_status("anna", done); });
  };
  const auto exported = [&] {
    return rig.wait<Result<ExportPage>>(
        [&](auto done) { rig.cell->export_subject("anna", 0, done); });
  };
  for (int round = 0; round < 2; ++round, rig.restart()) {
    EXPECT_TRUE(status().wish.has_value());
    EXPECT_FALSE(status().forgotten);
    ASSERT_EQ(status().keys.size(), 1U);
    EXPECT_EQ(status().keys[0].basis, "AO 147");
    const auto page = exported();
    ASSERT_TRUE(page.has_value()) << page.error().message;
    ASSERT_EQ(page->events.size(), 2U);
    EXPECT_TRUE(page->end);
    EXPECT_EQ(as_text(page->events[0].event.data), "1");
    EXPECT_TRUE(page->events[1].event.forgotten);
  }
  // The hour comes, eight years on.
  rig.world.clock().set_wall(years_later(rig.world.clock().now().time, 8));
  rig.world.advance(io::seconds(3'601));
  rig.world.run_until_idle();
  EXPECT_TRUE(status().forgotten);
  EXPECT_TRUE(exported()->events[0].event.forgotten);
  rig.restart();
  EXPECT_TRUE(status().forgotten);
  EXPECT_TRUE(rig.fatal.empty()) << rig.fatal;
}

}  // namespace
}  // namespace meridian::cell
