// What was destroyed of a person and of a class is found again, whenever and by whatever it was: of
// a cell that is alone.
#include "cell/subject_erasures.h"

#include <gtest/gtest.h>

#include "cell/internal/cell_rig.h"

namespace meridian::cell {
namespace {

using ledger::CommandKind;

storage::RetentionClass class_of(std::uint8_t retention, bool is_by_month, storage::Span keep,
                                 storage::Span erase) {
  return {.retention = retention,
          .is_by_month = is_by_month,
          .keep = keep,
          .erase = erase,
          .name = storage::text_field<storage::class_name_size>("papers"),
          .basis = storage::text_field<storage::class_basis_size>("AO 147")};
}

struct ErasuresTest : testing::Test {
  CellRig rig;
  u128 next_event = 1;

  void keep(door::KeepingDraft draft) {
    const auto kept = rig.wait<Result<KeepAnswer>>(
        [&](auto done) { rig.cell->keep(rig_actor, std::move(draft), done); });
    ASSERT_TRUE(kept.has_value()) << kept.error().message;
    held = kept->hold;
  }
  void append(const std::string& subject, std::uint8_t retention) {
    door::EventDraft draft = event_draft(next_event++, "orders-1", "1");
    draft.subject = subject;
    draft.retention = retention;
    ASSERT_TRUE(rig.submit({draft}).has_value());
  }
  void forget(const std::string& subject) {
    const auto forgotten = rig.wait<Result<ForgetAnswer>>(
        [&](auto done) { rig.cell->forget(rig_actor, subject, done); });
    ASSERT_TRUE(forgotten.has_value()) << forgotten.error().message;
    EXPECT_EQ(forgotten->turn, std::nullopt) << "one alone has no record of it";
  }
  /// And then the hour comes.
  void pass(std::uint64_t days) {
    const auto now = static_cast<std::uint64_t>(rig.world.clock().now().time);
    rig.world.clock().set_wall(io::WallTime{now + days * 86'400'000'000'000});
    rig.world.advance(io::seconds(3'601));
    rig.world.run_until_idle();
  }
  ErasuresPage page(const ErasuresQuery& query) {
    auto found =
        rig.wait<Result<ErasuresPage>>([&](auto done) { rig.cell->find_erasures(query, done); });
    EXPECT_TRUE(found.has_value()) << found.error().message;
    return found ? std::move(*found) : ErasuresPage{};
  }
  static std::vector<CommandKind> kinds_of(const ErasuresPage& page) {
    std::vector<CommandKind> kinds;
    for (const Erasure& one : page.erasures) kinds.push_back(one.said.kind);
    return kinds;
  }

  u128 held = 0;
};

TEST_F(ErasuresTest, of_a_person_all_is_found_that_went_at_once_and_later) {
  keep(class_of(3, false, {84, 0}, {120, 0}));
  append("anna", 3);
  append("anna", 1);
  append("bert", 1);
  EXPECT_TRUE(page({"anna"}).erasures.empty());
  ASSERT_EQ(page({"anna"}).kept.size(), 2U);
  forget("anna");
  forget("bert");
  const ErasuresPage at_once = page({"anna"});
  EXPECT_EQ(kinds_of(at_once), (std::vector{CommandKind::forget_subject, CommandKind::erase_key}));
  ASSERT_EQ(at_once.kept.size(), 1U);
  EXPECT_EQ(at_once.kept[0].class_name, "papers");
  EXPECT_EQ(at_once.subject, rig.cell->door().subject_id("anna"));
  EXPECT_TRUE(at_once.replicas.empty());
  pass(8 * 366);
  for (int round = 0; round < 2; ++round, rig.restart()) {
    const ErasuresPage later = page({"anna"});
    EXPECT_EQ(kinds_of(later), (std::vector{CommandKind::forget_subject, CommandKind::erase_key,
                                            CommandKind::erase_subject}));
    EXPECT_TRUE(later.end);
    EXPECT_TRUE(later.kept.empty());
    EXPECT_GT(later.erasures[2].said.time_ns, later.erasures[1].said.time_ns);
    EXPECT_NE(later.erasures[2].said.epoch, later.erasures[1].said.epoch);
    EXPECT_EQ(kinds_of(page({"bert"})), std::vector{CommandKind::erase_subject});
    EXPECT_TRUE(page({"nobody"}).erasures.empty());
  }
  EXPECT_TRUE(rig.fatal.empty()) << rig.fatal;
}

TEST_F(ErasuresTest, an_expiry_is_clear_of_whom_nothing_is_left) {
  keep(class_of(9, true, {}, {0, 61}));
  append("anna", 9);
  append("bert", 9);
  keep(door::HoldDraft{rig.cell->door().subject_id("bert"), {}, "case-2026-114"});
  pass(100);
  ErasuresPage of_anna = page({"anna"}), of_bert = page({"bert"});
  ASSERT_EQ(kinds_of(of_anna), std::vector{CommandKind::expire_class});
  ASSERT_EQ(kinds_of(of_bert), (std::vector{CommandKind::place_hold, CommandKind::expire_class}));
  EXPECT_TRUE(of_anna.erasures[0].is_clear);
  EXPECT_FALSE(of_bert.erasures[1].is_clear) << "what is held is left";
  EXPECT_TRUE(of_anna.kept.empty());
  ASSERT_EQ(of_bert.kept.size(), 1U);
  EXPECT_EQ(of_bert.kept[0].reference, "case-2026-114");
  keep(door::ReleaseDraft{held});
  pass(1);
  of_bert = page({"bert"});
  ASSERT_EQ(kinds_of(of_bert), (std::vector{CommandKind::place_hold, CommandKind::expire_class,
                                            CommandKind::release_hold, CommandKind::expire_class}));
  EXPECT_TRUE(of_bert.erasures[3].is_clear);
  const ErasuresPage of_class = page({door::RetentionNumber{9}});
  ASSERT_EQ(of_class.erasures.size(), 2U);
  EXPECT_EQ(of_class.erasures[0].said.keys, 2U) << "one that seals and K_commit";
  EXPECT_EQ(of_class.subject, 0U);
  EXPECT_TRUE(page({door::RetentionNumber{8}}).erasures.empty());
}

TEST_F(ErasuresTest, parts_together_are_the_whole) {
  for (const char* subject : {"anna", "bert", "cleo"}) append(subject, 1);
  forget("anna");
  forget("anna");
  const ErasuresPage whole = page({"anna"});
  ASSERT_EQ(whole.erasures.size(), 2U);
  EXPECT_EQ(whole.erasures[1].said.keys, 0U) << "there was nothing left";
  for (std::uint64_t position = 0; position <= whole.records + 1; ++position) {
    const ErasuresPage rest = page({"anna", position});
    const auto wanted = std::ranges::count_if(
        whole.erasures, [&](const Erasure& one) { return one.said.record >= position; });
    EXPECT_EQ(rest.erasures.size(), static_cast<std::size_t>(wanted)) << position;
    EXPECT_TRUE(rest.end);
    EXPECT_EQ(rest.next, whole.records);
  }
  const auto refused = rig.wait<Result<ErasuresPage>>(
      [&](auto done) { rig.cell->find_erasures({std::string(2'000, 'x')}, done); });
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
}

TEST_F(ErasuresTest, one_part_looks_at_so_many_records_and_no_more) {
  append("anna", 1);
  forget("anna");
  constexpr std::uint64_t requests = 9, accounts = 8'000;
  static_assert(requests * accounts > SubjectErasures::records_max);
  for (std::uint64_t i = 0; i < requests; ++i) {
    Buffer commands(accounts * ledger::command_size);
    for (std::uint64_t at = 0; at < accounts; ++at)
      store_le(commands.data() + at * ledger::command_size, account_draft(1 + i * accounts + at));
    const auto made = rig.wait<Result<replica::Answer>>([&](auto done) {
      rig.cell->submit_packed(rig_actor, CommandKind::create_account, commands, done);
    });
    ASSERT_TRUE(made.has_value()) << made.error().message;
  }
  forget("anna");
  const ErasuresPage first = page({"anna"});
  EXPECT_EQ(first.erasures.size(), 1U);
  EXPECT_FALSE(first.end);
  EXPECT_EQ(first.next, SubjectErasures::records_max);
  const ErasuresPage second = page({"anna", first.next});
  EXPECT_EQ(second.erasures.size(), 1U);
  EXPECT_TRUE(second.end);
}

}  // namespace
}  // namespace meridian::cell
