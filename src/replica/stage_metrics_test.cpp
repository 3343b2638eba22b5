// The stages count what they do, and a registry's text shows it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "replica/internal/replica_rig.h"

namespace meridian::replica {
namespace {

using testing::HasSubstr;

TEST(StageMetrics, each_stage_counts_what_passed_through_it) {
  ReplicaConfig config = ReplicaRig::default_config();
  config.checkpoint_interval = 8;
  ReplicaRig rig(1, config);
  rig.must_open();
  ASSERT_TRUE(rig.ask(accounts_request(7)).has_value());  // record 0 opened the generation
  ASSERT_TRUE(rig.ask(accounts_request(1)).has_value());  // cuts at 8, whose digest is record 9
  ASSERT_TRUE(rig.checkpoint().has_value());
  rig.world.advance(io::seconds(2));  // sizes are looked at once a second

  const std::string text = rig.metrics->text();
  EXPECT_THAT(text, HasSubstr("meridian_records 10\n"));
  EXPECT_THAT(text, HasSubstr("meridian_accounts 7\n"));
  EXPECT_THAT(text, HasSubstr("meridian_requests_accepted_total 4\n"));
  EXPECT_THAT(text, HasSubstr("meridian_requests_waiting 0\n"));
  EXPECT_THAT(text, HasSubstr("meridian_entry_commands_sum 10\n"));
  EXPECT_THAT(text, HasSubstr("meridian_apply_us_count 4\n"));
  EXPECT_THAT(text, HasSubstr("meridian_prove_us_count 4\n"));
  EXPECT_THAT(text, HasSubstr("meridian_state_checkpoint_ms_count 1\n"));
  EXPECT_THAT(text, HasSubstr("meridian_state_checkpoint_record 8\n"));
  EXPECT_THAT(text, testing::Not(HasSubstr("meridian_disk_free_bytes 0\n")));
  EXPECT_THAT(text, testing::Not(HasSubstr("meridian_log_bytes_total 0\n")));

  EXPECT_FALSE(rig.ask(make_request()).has_value());  // holds no command
  EXPECT_THAT(rig.metrics->text(), HasSubstr("meridian_requests_refused_total 1\n"));
}

}  // namespace
}  // namespace meridian::replica
