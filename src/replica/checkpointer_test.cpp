// When checkpoints are cut, passed over and waited for.
#include <gtest/gtest.h>

#include "replica/internal/replica_rig.h"
#include "sim/executor.h"

namespace meridian::replica {
namespace {

constexpr std::uint64_t interval = 10;

ReplicaConfig short_intervals() {
  ReplicaConfig config = ReplicaRig::default_config();
  config.checkpoint_interval = interval;
  return config;
}

struct Ticket {
  bool answered = false;
};
/// Submits one account and runs what can run.
std::shared_ptr<Ticket> submit_one(ReplicaRig& rig, u128 id) {
  auto ticket = std::make_shared<Ticket>();
  auto request = make_request();
  add_account(*request, make_account(id));
  rig.replica->submit(std::move(request), [ticket](const Result<Answer>& answer) {
    EXPECT_TRUE(answer.has_value());
    ticket->answered = true;
  });
  rig.world.run_until_idle();
  return ticket;
}

TEST(Checkpointer, one_that_falls_due_while_the_last_is_written_is_put_off_by_an_interval_at_most) {
  ReplicaRig rig(1, short_intervals());
  rig.must_open();
  auto& checkpoints = dynamic_cast<sim::Executor&>(*rig.checkpoints);
  checkpoints.hold(true);
  // Record 0 opens the generation. The first checkpoint is cut at 10, that at 20 is put off,
  // and before record 30 is applied the one at 30 has to be cut.
  u128 id = 1;
  for (; id < 3 * interval; ++id) EXPECT_TRUE(submit_one(rig, id)->answered) << low64(id);
  const auto waits = submit_one(rig, id);
  EXPECT_FALSE(waits->answered) << "a log and an index without bound";

  checkpoints.hold(false);
  rig.world.run_until_idle();
  EXPECT_TRUE(waits->answered);
  EXPECT_EQ(rig.report().checkpoint_record, 3 * interval);
  rig.reopen();
  EXPECT_TRUE(rig.account(id).has_value());
}

}  // namespace
}  // namespace meridian::replica
