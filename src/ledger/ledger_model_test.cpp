// The ledger against a naive model, over seeded random requests: same outcomes, same balances; the
// same again when entries are cut differently, and when the ledger is restored on the way.
#include <gtest/gtest.h>

#include <set>

#include "ledger/internal/random_commands.h"

namespace meridian::ledger {
namespace {

struct Step {
  std::vector<std::vector<ReferenceModel::Command>> requests;  ///< Of one entry.
  std::uint64_t base_time;
  std::set<std::size_t> signed_requests{};

  Request request(std::size_t number) const {
    return to_request(requests[number], signed_requests.contains(number));
  }
  std::vector<Request> all() const {
    std::vector<Request> out;
    for (std::size_t i = 0; i < requests.size(); ++i) out.push_back(request(i));
    return out;
  }
};

void expect_equal_worlds(TestCell& cell, const ReferenceModel& model) {
  u128 debits = 0;
  u128 credits = 0;
  for (const auto& [id, account] : model.world().accounts) {
    auto state = cell.ledger().find_account(id);
    ASSERT_TRUE(state.has_value());
    EXPECT_EQ(state->account, account) << to_decimal(id);
    debits += account.debits_posted + account.debits_pending;
    credits += account.credits_posted + account.credits_pending;
  }
  EXPECT_TRUE(debits == credits) << "money is conserved (modulo 2^128)";
  EXPECT_EQ(cell.ledger().counts().accounts, model.world().accounts.size());
  std::uint64_t pendings = 0;
  for (const auto& [id, moved] : model.world().transfers) {
    auto found = lookup_transfer(cell.history(), id);
    ASSERT_TRUE(found.has_value());
    ASSERT_TRUE(found->has_value()) << to_decimal(id);
    EXPECT_EQ(**found, moved.transfer) << to_decimal(id);
    bool is_pending = moved.status == ReferenceModel::Status::pending;
    pendings += is_pending;
    EXPECT_EQ(cell.ledger().find_pending(id).has_value(), is_pending);
  }
  EXPECT_EQ(cell.ledger().counts().pendings, pendings);
  EXPECT_EQ(cell.ledger().counts().streams, model.world().streams.size());
  for (const auto& [id, stream] : model.world().streams) {
    auto state = cell.ledger().find_stream(id);
    ASSERT_TRUE(state.has_value());
    EXPECT_EQ(state->last_revision, stream.revision);
    EXPECT_EQ(state->deleted, stream.deleted);
  }
}

/// Every account's chain visits each record that touched it, newest first, down to its creation.
void expect_whole_chains(TestCell& cell, const ReferenceModel& model) {
  for (const auto& [id, account] : model.world().accounts) {
    AccountFilter filter{.account_id = id,
                         .limit = query_limit_max,
                         .flags = account_filter_flags::debits | account_filter_flags::credits};
    auto page = get_account_transfers(cell.history(), cell.ledger().find_account(id), filter);
    ASSERT_TRUE(page.has_value()) << page.error().message;
    std::set<u128> expected;
    for (const auto& [transfer_id, moved] : model.world().transfers)
      if (moved.transfer.debit_account_id == id || moved.transfer.credit_account_id == id)
        expected.insert(transfer_id);
    std::set<u128> got;
    std::uint64_t before = 0;
    for (const Transfer& row : page->rows) {
      EXPECT_GT(row.timestamp, before);
      before = row.timestamp;
      got.insert(row.id);
    }
    EXPECT_TRUE(got == expected) << "account " << to_decimal(id);
  }
}

std::vector<Step> make_steps(std::uint64_t seed, std::size_t count) {
  RandomCommands random(seed);
  std::vector<Step> steps;
  std::uint64_t now = 1'000;
  for (std::size_t i = 0; i < count; ++i) {
    Step step{.requests = {}, .base_time = now};
    std::size_t requests = 1 + random.below(4);
    for (std::size_t k = 0; k < requests; ++k) {
      step.requests.push_back(random.request(now));
      if (random.one_in(2)) step.signed_requests.insert(k);
      now += step.requests.back().size();
    }
    steps.push_back(std::move(step));
    now += random.one_in(3) ? random.below(1'500'000'000) : random.below(5);
    now += 1;
  }
  return steps;
}

/// What a leader would propose for the pending transfers that are due, or nothing.
std::vector<ReferenceModel::Command> expiries(TestCell& cell, std::uint64_t now) {
  std::vector<ReferenceModel::Command> out;
  for (u128 id : cell.ledger().due_expiries(now, 3))
    out.push_back({.kind = CommandKind::expire_pending, .expires = id});
  return out;
}

void apply_both(TestCell& cell, ReferenceModel& model, const Step& step,
                std::map<std::string, std::size_t>& seen) {
  Status done = cell.apply(step.all(), step.base_time);
  ASSERT_TRUE(done.has_value()) << done.error().message;
  std::size_t number = 0;
  for (std::size_t k = 0; k < step.requests.size(); ++k) {
    const auto& request = step.requests[k];
    auto answers = model.apply(request, step.base_time + number, step.signed_requests.contains(k));
    ASSERT_EQ(answers.size(), request.size());
    for (std::size_t i = 0; i < answers.size(); ++i, ++number) {
      CommandKind kind = request[i].kind;
      ASSERT_EQ(cell.outcome_at(number, kind), answers[i].outcome)
          << "kind " << static_cast<int>(kind) << " id " << to_decimal(request[i].transfer.id);
      if (answers[i].timestamp != 0) {
        EXPECT_EQ(cell.applied().effects[number].time, answers[i].timestamp);
      }
      ++seen[std::string(answers[i].outcome)];
    }
  }
}

class LedgerModel : public testing::TestWithParam<std::uint64_t> {};

TEST_P(LedgerModel, agrees_on_every_outcome_and_balance) {
  TestCell cell;
  ReferenceModel model;
  std::map<std::string, std::size_t> seen;
  for (const Step& step : make_steps(GetParam(), 400)) {
    auto due = expiries(cell, step.base_time - 1);
    if (!due.empty() && due.size() < step.base_time - 1 - cell.ledger().last_time() &&
        GetParam() % 3 != 0)
      apply_both(cell, model, {{due}, cell.ledger().last_time() + 1, {}}, seen);
    apply_both(cell, model, step, seen);
    if (HasFatalFailure()) return;
  }
  expect_equal_worlds(cell, model);
  expect_whole_chains(cell, model);
  EXPECT_GT(seen["created"], 200u);
  EXPECT_GT(seen["linked_event_failed"], 50u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LedgerModel, testing::Range(std::uint64_t{1}, std::uint64_t{31}));

TEST(LedgerModelCoverage, random_requests_reach_most_outcomes) {
  std::map<std::string, std::size_t> seen;
  for (std::uint64_t seed = 100; seed < 130; ++seed) {
    TestCell cell;
    ReferenceModel model;
    for (const Step& step : make_steps(seed, 300)) {
      apply_both(cell, model, step, seen);
      if (HasFatalFailure()) return;
    }
  }
  std::size_t reached = seen.size();
  EXPECT_GE(reached, 74u) << testing::PrintToString(seen);
}

std::vector<crypto::Digest> digests(const std::vector<StateChunk>& chunks) {
  std::vector<crypto::Digest> out;
  for (const StateChunk& chunk : chunks) {
    EXPECT_FALSE(chunk.unchanged);
    out.push_back(chunk_digest(chunk.kind, chunk.number, chunk.bytes));
  }
  return out;
}

TEST(LedgerReplay, requests_cut_into_other_entries_at_the_same_times_give_the_same_state) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    TestCell whole;
    TestCell cut;
    for (const Step& step : make_steps(seed, 150)) {
      const std::vector<Request> requests = step.all();
      ASSERT_TRUE(whole.apply(requests, step.base_time).has_value());
      std::vector<Effect> effects;
      std::uint64_t time = step.base_time;
      for (const Request& request : requests) {
        ASSERT_TRUE(cut.apply(std::vector<Request>{request}, time).has_value());
        effects.insert(effects.end(), cut.applied().effects.begin(), cut.applied().effects.end());
        time += request.command_count();
      }
      ASSERT_EQ(effects.size(), whole.applied().effects.size());
      for (std::size_t i = 0; i < effects.size(); ++i)
        EXPECT_EQ(effects[i].outcome, whole.applied().effects[i].outcome);
    }
    EXPECT_EQ(digests(whole.checkpoint()), digests(cut.checkpoint()));
  }
}

TEST(LedgerReplay, a_restored_ledger_has_the_same_digest_and_the_same_future) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    TestCell steady;
    TestCell restarted;
    RandomCommands random(seed + 1'000);
    for (const Step& step : make_steps(seed, 200)) {
      if (random.one_in(20)) {
        auto chunks = restarted.checkpoint();
        // Only changed chunks carry bytes; a first checkpoint of a restored ledger may skip some.
        bool whole = std::ranges::none_of(chunks, &StateChunk::unchanged);
        if (whole) {
          ASSERT_TRUE(restarted.restart(chunks).has_value());
        }
      }
      const std::vector<Request> requests = step.all();
      ASSERT_TRUE(steady.apply(requests, step.base_time).has_value());
      ASSERT_TRUE(restarted.apply(requests, step.base_time).has_value());
      for (std::size_t i = 0; i < steady.applied().effects.size(); ++i) {
        const Effect& a = steady.applied().effects[i];
        const Effect& b = restarted.applied().effects[i];
        ASSERT_EQ(a.outcome, b.outcome);
        ASSERT_EQ(a.debit, b.debit);
        ASSERT_EQ(a.previous_credit, b.previous_credit);
      }
    }
    EXPECT_EQ(steady.ledger().counts().pendings, restarted.ledger().counts().pendings);
    for (u128 id = 1; id <= 12; ++id) {
      auto a = steady.ledger().find_account(id);
      auto b = restarted.ledger().find_account(id);
      ASSERT_EQ(a.has_value(), b.has_value());
      if (!a.has_value()) continue;
      EXPECT_EQ(a->account, b->account);
      EXPECT_EQ(a->last_record, b->last_record);
    }
  }
}

}  // namespace
}  // namespace meridian::ledger
