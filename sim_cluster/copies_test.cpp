// Copying a state while the cell is written to: the leader's log waits for who copies, as long as
// it goes on, and within its bound.
#include <gtest/gtest.h>

#include <algorithm>

#include "sim_cluster/group.h"

namespace meridian::sim_cluster {
namespace {

constexpr std::uint64_t file_size = 16 << 10;

class SimCopies : public testing::Test {
 protected:
  void begin(std::uint64_t log_bytes_max) {
    GroupSetup setup;
    setup.seed = 11;
    setup.checkpoint_interval = 40;
    setup.wal_file_size = file_size;
    setup.adjust = [log_bytes_max](replica::ReplicaConfig& config) {
      config.group->copy_log_bytes_max = log_bytes_max;
    };
    group_ = std::make_unique<Group>(setup);
    group_->open_accounts(5, *find_workload("mix"));
    write(100);
    usual_files_ = most_files_;
    joiner_ = &group_->add_node("region-1");
    group_->leader_within(5'000).replica().change_members(
        {{{4, "region-1", "node-4:7001"}, consensus::MemberChange::Kind::learner}},
        [](const Status& done) { EXPECT_TRUE(done) << done.error().message; });
    for (int i = 0; i < 2'000 && joiner_->copied_bytes() == 0; ++i) group_->run(1);
    ASSERT_TRUE(joiner_->is_copying());
    most_files_ = 0;
  }

  /// Requests to the leader, whose log is looked at all along.
  void write(int requests) {
    for (int i = 0; i < requests; ++i) {
      group_->clients().send(group_->leader_within(5'000));
      group_->run(20);
      most_files_ = std::max(most_files_, files());
    }
  }
  std::uint64_t files() {
    std::uint64_t count = 0;
    group_->leader_within(5'000).replica().report(
        [&](const replica::Replica::Report& report) { count = report.wal_files; });
    for (int i = 0; i < 100 && count == 0; ++i) group_->run(1);
    return count;
  }
  bool has_noticed(std::string_view words) {
    const auto& lines = group_->leader_within(5'000).notices();
    return std::ranges::any_of(
        lines, [&](const std::string& line) { return line.find(words) != std::string::npos; });
  }

  std::unique_ptr<Group> group_;
  Node* joiner_ = nullptr;
  std::uint64_t most_files_ = 0;
  std::uint64_t usual_files_ = 0;
};

TEST_F(SimCopies, who_copied_goes_on_from_the_log_however_much_was_written_meanwhile) {
  ASSERT_NO_FATAL_FAILURE(begin(std::uint64_t{1} << 30));
  joiner_->hold(Stage::log, true);
  write(120);
  EXPECT_GT(most_files_, 2 * usual_files_);
  joiner_->hold(Stage::log, false);
  group_->require_progress(20'000);
  EXPECT_EQ(joiner_->copies(), 1u);
  // Once it is level, the log is cut as before.
  group_->run(3'000);
  EXPECT_LE(files(), usual_files_ + 2);
}

TEST_F(SimCopies, nothing_is_kept_for_who_stopped) {
  ASSERT_NO_FATAL_FAILURE(begin(std::uint64_t{1} << 30));
  joiner_->kill();
  write(120);
  EXPECT_GT(files(), 2 * usual_files_);
  group_->run(65'000);
  EXPECT_LE(files(), usual_files_ + 2);
  group_->require_progress(20'000);
}

TEST_F(SimCopies, the_log_that_is_kept_has_a_bound_past_which_the_state_is_copied_again) {
  constexpr std::uint64_t bytes_max = 10 * file_size;
  ASSERT_NO_FATAL_FAILURE(begin(bytes_max));
  joiner_->hold(Stage::log, true);
  write(60);
  EXPECT_LE(most_files_, usual_files_ + bytes_max / file_size + 1);
  EXPECT_TRUE(has_noticed("is not kept any longer for member 4"));
  joiner_->hold(Stage::log, false);
  group_->require_progress(20'000);
  EXPECT_GE(joiner_->copies(), 2u);
}

}  // namespace
}  // namespace meridian::sim_cluster
