#include "ledger/outcome.h"

#include <gtest/gtest.h>

#include <set>

#include "ledger/internal/sample_records.h"

namespace meridian::ledger {
namespace {

TEST(Outcome, names_and_numbers_are_one_to_one_for_every_kind) {
  for (CommandKind kind : all_kinds) {
    std::set<std::string_view> names;
    for (unsigned number = 0; number <= 65'535; ++number) {
      Outcome value{static_cast<std::uint16_t>(number)};
      std::string_view name = outcome_name(kind, value);
      if (name == "unknown") continue;
      EXPECT_TRUE(names.insert(name).second) << name;
      EXPECT_EQ(outcome_from_name(kind, name), value) << name;
    }
    EXPECT_TRUE(names.contains("created"));
    EXPECT_FALSE(outcome_from_name(kind, "unknown"));
    EXPECT_FALSE(outcome_from_name(kind, ""));
  }
}

TEST(Outcome, the_standard_has_28_account_and_70_transfer_outcomes_and_two_are_ours) {
  auto count = [](CommandKind kind) {
    int known = 0;
    for (unsigned number = 0; number <= 65'535; ++number)
      known += outcome_name(kind, Outcome{static_cast<std::uint16_t>(number)}) != "unknown";
    return known;
  };
  EXPECT_EQ(count(CommandKind::create_account), 28);
  EXPECT_EQ(count(CommandKind::create_transfer), 70 + 2);
}

TEST(Outcome, a_name_means_another_number_for_another_kind) {
  EXPECT_EQ(outcome_from_name(CommandKind::create_account, "exists"), Outcome{21});
  EXPECT_EQ(outcome_from_name(CommandKind::create_transfer, "exists"), Outcome{46});
  EXPECT_EQ(outcome_from_name(CommandKind::append_event, "exists"), Outcome{15});
  EXPECT_EQ(outcome_name(CommandKind::expire_pending, Outcome{1}), "refused");
  EXPECT_EQ(outcome_name(CommandKind{99}, Outcome{1}), "unknown");
}

TEST(Outcome, created_is_all_ones_in_the_standard) {
  EXPECT_EQ(status_code(Outcome::created), 0xFFFF'FFFFu);
  EXPECT_EQ(status_code(outcome(TransferOutcome::exists)), 46u);
}

TEST(Outcome, only_reasons_that_may_pass_are_transient) {
  std::set<std::string_view> transient;
  for (unsigned number = 0; number <= 65'535; ++number)
    if (auto value = static_cast<TransferOutcome>(number); is_transient(value))
      transient.insert(outcome_name(CommandKind::create_transfer, outcome(value)));
  EXPECT_EQ(transient, (std::set<std::string_view>{
                           "credit_account_already_closed", "credit_account_not_found",
                           "debit_account_already_closed", "debit_account_not_found",
                           "exceeds_credits", "exceeds_debits", "pending_transfer_not_found"}));
}

}  // namespace
}  // namespace meridian::ledger
