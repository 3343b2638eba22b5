#include "verdicts.h"

#include <gtest/gtest.h>

#include "ledger/outcome.h"
#include "statuses.h"

namespace meridian::client {
namespace {

std::vector<State> states(const std::vector<std::uint32_t>& statuses, std::vector<bool> linked,
                          bool may_have_arrived) {
  std::vector<State> all;
  for (const Verdict& verdict : judge(Kind::transfer, statuses, linked, may_have_arrived))
    all.push_back(verdict.state);
  return all;
}

constexpr std::uint32_t exceeds_credits = 54;
constexpr std::uint32_t overflows_debits = 51;
constexpr std::uint32_t exists = 46;

TEST(Verdicts, a_first_answer_is_final_whatever_it_says) {
  EXPECT_EQ(
      states({status_created, exceeds_credits, overflows_debits}, {false, false, false}, false),
      (std::vector{State::done, State::refused, State::refused}));
}

TEST(Verdicts, after_a_lost_answer_only_refusals_that_stick_are_final) {
  EXPECT_EQ(
      states({status_created, exceeds_credits, overflows_debits}, {false, false, false}, true),
      (std::vector{State::done, State::refused, State::unknown}));
}

TEST(Verdicts, the_others_of_a_chain_share_the_fate_of_the_one_that_broke_it) {
  EXPECT_EQ(states({1, exceeds_credits, 1, status_created}, {true, true, false, false}, true),
            (std::vector{State::refused, State::refused, State::refused, State::done}));
  EXPECT_EQ(states({1, overflows_debits}, {true, false}, true),
            (std::vector{State::unknown, State::unknown}));
}

TEST(Verdicts, a_chain_that_exists_is_asked_for) {
  const std::vector<Verdict> verdicts =
      judge(Kind::transfer, std::vector<std::uint32_t>{exists, 1}, {true, false}, true);
  EXPECT_TRUE(verdicts[0].existed && verdicts[0].ask && verdicts[1].ask);
  EXPECT_EQ(verdicts[1].state, State::unknown);
}

TEST(Statuses, names_and_numbers_are_the_ledgers_own) {
  using ledger::CommandKind;
  const std::pair<Kind, CommandKind> kinds[] = {{Kind::account, CommandKind::create_account},
                                                {Kind::transfer, CommandKind::create_transfer},
                                                {Kind::event, CommandKind::append_event}};
  for (const auto& [ours, theirs] : kinds) {
    for (std::uint16_t number = 1; number < 200; ++number)
      EXPECT_EQ(status_name(ours, number), ledger::outcome_name(theirs, ledger::Outcome{number}));
    EXPECT_EQ(status_name(ours, status_created), "created");
    EXPECT_EQ(status_name(ours, status_exists(ours)), "exists");
  }
}

TEST(Statuses, what_the_ledger_remembers_as_failed_is_final) {
  for (std::uint16_t number = 1; number < 200; ++number)
    EXPECT_TRUE(!ledger::is_transient(static_cast<ledger::TransferOutcome>(number)) ||
                is_final(Kind::transfer, number))
        << number;
  EXPECT_FALSE(is_final(Kind::transfer, 199)) << "what is not known may pass";
}

}  // namespace
}  // namespace meridian::client
