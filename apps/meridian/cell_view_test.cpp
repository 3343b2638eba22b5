#include "cell_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "output.h"

namespace meridian::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::array<std::string_view, 3> regions{"us-east", "eu-west", "ap-south"};

/// Three replicas, the first leading, all in good order.
struct Cell {
  std::vector<ReplicaSample> samples;
  std::uint64_t now_s = 0;

  Cell() {
    for (std::size_t i = 0; i < regions.size(); ++i) samples.push_back(healthy(i));
  }
  static std::string address(std::size_t i) { return "127.0.0.1:" + std::to_string(7'691 + i); }
  static ReplicaSample healthy(std::size_t self) {
    ReplicaSample sample;
    sample.address = address(self);
    sample.status.set_cell(std::string(16, '\7'));
    sample.status.set_term(2);
    sample.status.set_records(1'000);
    sample.status.set_signed_records(1'000);
    sample.status.set_signed_root(std::string(32, '\x2d'));
    v1::GroupStatus& group = *sample.status.mutable_group();
    group.set_id(self + 1);
    group.set_region(std::string(regions[self]));
    group.set_term(2);
    group.set_role(self == 0 ? v1::GroupStatus::LEADER : v1::GroupStatus::FOLLOWER);
    group.set_may_propose(self == 0);
    group.set_failover_bound_ms(630);
    for (std::size_t i = 0; i < regions.size(); ++i) {
      if (i == self) continue;
      v1::GroupStatus::Peer& peer = *group.add_peers();
      peer.set_id(i + 1);
      peer.set_region(std::string(regions[i]));
      peer.set_client_address(address(i));
      peer.set_active(self == 0);
      peer.set_state(self == 0 ? "replicate" : "");
    }
    sample.metrics.set("meridian_disk_free_bytes", std::uint64_t{50} << 30);
    return sample;
  }
  v1::GroupStatus::Peer& peer_of_leader(std::size_t at) {
    return *samples[0].status.mutable_group()->mutable_peers(static_cast<int>(at));
  }
  void fall_silent(std::size_t i) {
    samples[i] = ReplicaSample();
    samples[i].address = address(i);
    samples[i].problem = "Connection refused";
  }
  CellView shown_by(CellObserver& observer) {
    ++now_s;
    for (ReplicaSample& sample : samples) sample.at = io::MonotonicTime{now_s * 1'000'000'000};
    return observer.add(samples);
  }
};

TEST(CellView, a_healthy_cell_has_a_leader_and_no_alarms) {
  Cell cell;
  CellObserver observer;
  cell.peer_of_leader(1).set_lag_entries(7);
  const CellView view = cell.shown_by(observer);
  EXPECT_THAT(view.alarms, IsEmpty());
  ASSERT_TRUE(view.leader);
  EXPECT_EQ(view.rows[*view.leader].region, "us-east");
  EXPECT_EQ(view.failover_bound_ms, 630u);
  EXPECT_EQ(view.rows[0].lag, std::nullopt);
  EXPECT_EQ(view.rows[1].lag, 0u);
  EXPECT_EQ(view.rows[2].lag, 7u);
  EXPECT_EQ(view.rows[1].root.substr(0, 8), "2d2d2d2d");
}

TEST(CellView, rates_and_loads_are_those_between_two_samples) {
  Cell cell;
  CellObserver observer;
  EXPECT_EQ(cell.shown_by(observer).rows[0].records_per_s, std::nullopt);
  cell.samples[0].status.set_records(21'000);
  cell.samples[0].metrics.set("meridian_log_write_us_count", 100);
  cell.samples[0].metrics.set("meridian_log_write_us_sum", 250'000);
  cell.samples[0].metrics.set("meridian_apply_us_sum", 125'000);
  const CellView view = cell.shown_by(observer);
  EXPECT_DOUBLE_EQ(*view.records_per_s, 20'000);
  EXPECT_DOUBLE_EQ(*view.rows[0].sync_ms, 2.5);
  EXPECT_DOUBLE_EQ(*view.rows[0].log_load, 0.25);
  EXPECT_DOUBLE_EQ(*view.rows[0].apply_load, 0.125);
  EXPECT_DOUBLE_EQ(*view.rows[0].prove_load, 0);
  EXPECT_EQ(view.rows[1].sync_ms, std::nullopt) << "nothing was written";
}

TEST(CellView, what_a_restarted_process_counts_anew_is_no_rate) {
  Cell cell;
  CellObserver observer;
  cell.samples[0].metrics.set("meridian_apply_us_sum", 125'000);
  cell.shown_by(observer);
  cell.samples[0].metrics.set("meridian_apply_us_sum", 5);
  EXPECT_EQ(cell.shown_by(observer).rows[0].apply_load, std::nullopt);
}

TEST(CellView, who_is_down_is_an_alarm_and_keeps_the_name_that_others_know) {
  Cell cell;
  CellObserver observer;
  cell.fall_silent(2);
  cell.peer_of_leader(1).set_active(false);
  cell.peer_of_leader(1).set_lag_entries(90);
  const CellView view = cell.shown_by(observer);
  EXPECT_THAT(view.alarms, ElementsAre("ap-south does not answer: Connection refused"));
  EXPECT_EQ(view.rows[2].role, "down");
  EXPECT_EQ(view.rows[2].region, "ap-south");
  EXPECT_EQ(view.rows[2].lag, 90u);
}

TEST(CellView, a_cell_without_a_leader_is_an_alarm) {
  Cell cell;
  CellObserver observer;
  cell.samples[0].status.mutable_group()->set_may_propose(false);
  const CellView view = cell.shown_by(observer);
  EXPECT_EQ(view.leader, std::nullopt);
  EXPECT_THAT(view.alarms, ElementsAre("no leader: nobody takes writes"));
}

TEST(CellView, of_two_leaders_the_later_term_counts_and_one_term_never_has_two) {
  Cell cell;
  CellObserver observer;
  cell.samples[1].status.mutable_group()->set_role(v1::GroupStatus::LEADER);
  cell.samples[1].status.mutable_group()->set_may_propose(true);
  EXPECT_THAT(cell.shown_by(observer).alarms,
              ElementsAre("two leaders in term 2: us-east and eu-west"));
  cell.samples[1].status.set_term(3);
  EXPECT_EQ(cell.shown_by(observer).leader, 1u);
}

TEST(CellView, a_peer_that_answers_us_but_not_the_leader_is_a_link_that_is_down) {
  Cell cell;
  CellObserver observer;
  cell.peer_of_leader(0).set_active(false);
  EXPECT_THAT(cell.shown_by(observer).alarms,
              ElementsAre("a link is down: us-east, which leads, hears nothing from eu-west"));
}

TEST(CellView, a_lag_is_an_alarm_only_while_it_grows_and_grows) {
  Cell cell;
  CellObserver observer;
  for (const std::uint64_t lag : {20, 40, 60, 80}) {
    cell.peer_of_leader(0).set_lag_entries(lag);
    EXPECT_THAT(cell.shown_by(observer).alarms, IsEmpty()) << lag;
  }
  cell.peer_of_leader(0).set_lag_entries(100);
  EXPECT_THAT(cell.shown_by(observer).alarms, ElementsAre("the lag of eu-west grows: 100 entries"));
  cell.peer_of_leader(0).set_lag_entries(90);
  EXPECT_THAT(cell.shown_by(observer).alarms, IsEmpty());
}

TEST(CellView, roots_that_differ_are_found_though_they_were_signed_at_different_moments) {
  Cell cell;
  CellObserver observer;
  cell.shown_by(observer);
  for (ReplicaSample& sample : cell.samples) sample.status.set_signed_records(2'000);
  cell.samples[1].status.set_signed_records(1'000);
  cell.samples[1].status.set_signed_root(std::string(32, '\x5e'));
  EXPECT_THAT(cell.shown_by(observer).alarms,
              ElementsAre("roots differ at 1000 records: us-east signed 2d2d2d2d, eu-west signed "
                          "5e5e5e5e"));
  cell.samples[1] = Cell::healthy(1);
  EXPECT_THAT(cell.shown_by(observer).alarms, ElementsAre(HasSubstr("roots differ")))
      << "what was signed stays signed";
}

TEST(CellView, full_disks_and_checkpoints_put_off_are_alarms) {
  Cell cell;
  CellObserver observer;
  cell.shown_by(observer);
  cell.samples[2].metrics.set("meridian_disk_free_bytes", std::uint64_t{200} << 20);
  cell.samples[1].metrics.set("meridian_state_checkpoints_passed_total", 1);
  EXPECT_THAT(cell.shown_by(observer).alarms,
              ElementsAre(HasSubstr("eu-west puts checkpoints off"),
                          HasSubstr("the disk of ap-south is full: 200 MiB")));
  cell.samples[2].status.mutable_group()->set_lacks_room(true);
  EXPECT_THAT(cell.shown_by(observer).alarms,
              ElementsAre(HasSubstr("the disk of ap-south is full: it takes no entries")));
}

TEST(CellView, damage_that_is_not_repaired_is_an_alarm) {
  Cell cell;
  CellObserver observer;
  cell.samples[1].metrics.set("meridian_scrub_unrepaired", 2);
  EXPECT_THAT(cell.shown_by(observer).alarms,
              ElementsAre(HasSubstr("eu-west holds 2 damaged parts that are not repaired")));
  cell.samples[1].metrics.set("meridian_scrub_unrepaired", 0);
  EXPECT_THAT(cell.shown_by(observer).alarms, testing::IsEmpty());
}

TEST(CellView, a_replica_of_another_cell_is_an_alarm) {
  Cell cell;
  CellObserver observer;
  cell.samples[1].status.set_cell(std::string(16, '\1'));
  EXPECT_THAT(cell.shown_by(observer).alarms,
              ElementsAre(HasSubstr("eu-west serves another cell, 0101")));
}

TEST(CellView, a_node_that_is_alone_leads_itself) {
  ReplicaSample sample;
  sample.address = "127.0.0.1:7400";
  sample.status.set_cell(std::string(16, '\7'));
  sample.status.set_last_entry_index(12);
  CellObserver observer;
  const CellView view = observer.add({sample});
  EXPECT_THAT(view.alarms, IsEmpty());
  EXPECT_EQ(view.leader, 0u);
  EXPECT_EQ(view.rows[0].role, "alone");
  EXPECT_EQ(view.rows[0].commit_index, 12u);
}

TEST(MetricValues, lines_are_read_by_name_and_labels_and_nonsense_is_passed_over) {
  const MetricValues values = MetricValues::parse(
      "# HELP a Text 7\na 12\nb{peer=\"2\"} 5.5e+10\nnonsense\nc x\nd nan\ne -3\n");
  EXPECT_EQ(values.of("a"), 12u);
  EXPECT_EQ(values.of("b{peer=\"2\"}"), 55'000'000'000u);
  EXPECT_EQ(values.of("c"), 0u);
  EXPECT_EQ(values.of("d"), 0u);
  EXPECT_EQ(values.of("e"), 0u);
}

}  // namespace
}  // namespace meridian::app
