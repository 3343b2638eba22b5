#include "replica/proposer.h"

#include <gtest/gtest.h>

#include "ledger/entry.h"
#include "sim/world.h"

namespace meridian::replica {
namespace {

constexpr std::uint64_t second = 1'000'000'000;
constexpr std::uint64_t term = 3;
const Error moving{Code::unavailable, "leadership is about to move"};

/// Keeps what it is given: the test says what becomes of it.
struct HeldLog final : OrderedLog {
  void start(Handler) override {}
  void stop() override {}
  void propose(std::uint64_t, std::vector<EntryBytes> entries) override {
    for (EntryBytes& entry : entries) proposed.push_back(std::move(entry));
  }
  void propose_change(std::uint64_t, consensus::CheckedChange, EntryBytes entry) override {
    proposed.push_back(std::move(entry));
  }
  void applied(std::uint64_t) override {}
  void release_before(std::uint64_t) override {}
  std::uint64_t file_count() const override { return 1; }

  std::vector<EntryBytes> proposed;
};

class ProposerTest : public testing::Test {
 protected:
  std::uint64_t now() { return static_cast<std::uint64_t>(world_.clock().now().time); }
  void let_pass(std::uint64_t ns) { world_.advance(io::Duration{static_cast<std::int64_t>(ns)}); }
  void lead(std::uint64_t last_time) {
    proposer_.lead(term, last_time, {});
    world_.run_until_idle();
  }
  std::unique_ptr<ledger::Request> request() {
    auto one = std::make_unique<ledger::Request>();
    ledger::Account account{};
    account.id = 1;
    account.ledger = account.code = 1;
    one->add(ledger::CommandKind::create_account, account);
    return one;
  }
  /// What is proposed for one more request.
  std::vector<EntryBytes> submit() {
    log_.proposed.clear();
    proposer_.submit(request(), [](const Result<Answer>&) {});
    world_.run_until_idle();
    return log_.proposed;
  }
  static std::uint64_t time_of(const EntryBytes& entry) {
    return ledger::EntryView::decode(*entry).value().base_time();
  }

  sim::World world_{1};
  metrics::Registry registry_;
  StageMetrics metrics_{registry_};
  HeldLog log_;
  std::unique_ptr<io::Executor> executor_ = world_.make_executor("propose");
  Proposer proposer_{world_.clock(), world_.entropy(), *executor_, log_, {}, metrics_};
};

TEST_F(ProposerTest, an_entry_long_after_the_last_record_comes_behind_a_time_advance) {
  lead(now());
  EXPECT_EQ(submit().size(), 1u);
  let_pass(100 * second);
  EXPECT_EQ(submit().size(), 2u);
  EXPECT_EQ(submit().size(), 1u);
}

TEST_F(ProposerTest, what_is_over_the_pace_waits_and_goes_on_by_itself) {
  lead(now());
  const std::uint64_t size = submit().front()->size();
  proposer_.set_pace(size);  // one a second
  std::size_t proposed = 0;
  for (int i = 0; i < 4; ++i) {
    proposed += submit().size();
    let_pass(second / 100);
  }
  EXPECT_EQ(proposed, 1u);
  log_.proposed.clear();
  let_pass(second);
  EXPECT_EQ(log_.proposed.size(), 1u);  // all that waited, in one
  EXPECT_EQ(proposer_.proposed_bytes(), 2 * size + log_.proposed.front()->size());
  // What is bigger is waited for longer, and without a limit for nothing.
  EXPECT_TRUE(submit().empty());
  let_pass(second);
  EXPECT_TRUE(log_.proposed.empty());
  proposer_.set_pace(0);
  let_pass(2 * second);
  EXPECT_EQ(log_.proposed.size(), 1u);
  EXPECT_EQ(submit().size(), 1u);
}

TEST_F(ProposerTest, a_time_advance_that_was_dropped_is_proposed_again) {
  lead(now());
  let_pass(100 * second);
  const std::vector<EntryBytes> lost = submit();
  ASSERT_EQ(lost.size(), 2u);
  proposer_.dropped(lost, moving);  // leadership was about to move, and stayed
  proposer_.follow(term, "nobody may propose now");
  lead(now() - 100 * second);
  EXPECT_EQ(submit().size(), 2u);
}

TEST_F(ProposerTest,
       a_change_of_members_that_was_dropped_is_no_reason_to_leave_the_time_advance_out) {
  lead(now());
  let_pass(50 * second);
  proposer_.submit_change(request(), {{{4, consensus::MemberChange::Kind::learner}}, {}},
                          [](const Result<Answer>&) {});
  world_.run_until_idle();
  ASSERT_EQ(log_.proposed.size(), 1u);
  proposer_.dropped({log_.proposed[0]}, moving);
  let_pass(50 * second);
  EXPECT_EQ(submit().size(), 2u);
}

TEST_F(ProposerTest, who_leads_again_in_one_term_stamps_after_what_is_still_in_the_log) {
  const std::uint64_t start = now();
  lead(start);
  const std::vector<EntryBytes> in_log = submit();
  ASSERT_EQ(in_log.size(), 1u);
  proposer_.follow(term, "nobody may propose now");
  world_.clock().set_wall(io::WallTime{start - second});
  lead(start - second);
  const std::vector<EntryBytes> next = submit();
  ASSERT_EQ(next.size(), 1u);
  EXPECT_GT(time_of(next[0]), time_of(in_log[0]));
}

TEST_F(ProposerTest, a_request_for_one_term_is_proposed_in_no_other) {
  std::vector<std::string> answers;
  auto submit_for = [&](std::uint64_t only_in_term) {
    auto one = request();
    one->only_in_term = only_in_term;
    proposer_.submit(std::move(one), [&](const Result<Answer>& answer) {
      answers.push_back(answer ? "done" : answer.error().message);
    });
    world_.run_until_idle();
  };
  const std::string moved = "leadership moved meanwhile: nothing was done, send it again";
  submit_for(term);  // nobody leads yet
  EXPECT_EQ(answers, std::vector{moved});
  lead(now());
  submit_for(term);
  EXPECT_EQ(log_.proposed.size(), 1u);
  submit_for(term - 1);
  EXPECT_EQ(log_.proposed.size(), 1u);
  EXPECT_EQ(answers, (std::vector{moved, moved}));
}

TEST_F(ProposerTest, what_waits_for_one_term_is_dropped_when_the_next_begins) {
  lead(now());
  std::vector<std::string> answers;
  for (std::uint64_t i = 0; i < Proposer::entries_in_log_max; ++i) submit();
  auto one = request();
  one->only_in_term = term;
  proposer_.submit(std::move(one), [&](const Result<Answer>& answer) {
    answers.push_back(answer.error().message);
  });
  world_.run_until_idle();
  EXPECT_TRUE(answers.empty()) << "it waits for room in the log";
  proposer_.lead(term + 2, now(), {});
  world_.run_until_idle();
  EXPECT_EQ(answers.size(), 1u);
}

}  // namespace
}  // namespace meridian::replica
