#include "live_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace meridian::app {
namespace {

using ::testing::HasSubstr;

/// As large as numbers get in years of use.
ReplicaRow large_row(std::string region, std::string role) {
  ReplicaRow row;
  row.region = std::move(region);
  row.id = 1;
  row.answers = true;
  row.role = std::move(role);
  row.term = 1'234;
  row.commit_index = row.applied_index = 99'999'999;
  row.lag = 12'345;
  row.records = 9'999'999'999;
  row.root = std::string(64, 'e');
  row.queued_requests = 65'536;
  row.unproven_entries = 64;
  row.debt_bytes = std::uint64_t{1'023} << 20;
  row.disk_free_bytes = std::uint64_t{1'023} << 30;
  row.records_per_s = 1'234'567.4;
  row.sync_ms = 123.456;
  row.log_load = row.apply_load = row.prove_load = 1;
  return row;
}

CellView sample_view() {
  CellView view;
  view.cell = "7be55e0d08c787018d5bfe1762997c8d";
  view.term = 3;
  view.leader = 1;
  view.failover_bound_ms = 630;
  view.records_per_s = 20'013;
  for (const char* region : {"us-east", "eu-west", "ap-south"}) {
    ReplicaRow& row = view.rows.emplace_back();
    row.region = region;
    row.answers = true;
    row.role = "follower";
    row.term = 3;
    row.commit_index = row.applied_index = 703;
    row.lag = 0;
    row.records = 201'001;
    row.root = "2d7825a1fe33263d";
    row.disk_free_bytes = std::uint64_t{53} << 30;
  }
  view.rows[1].role = "leader";
  view.rows[1].lag.reset();
  view.rows[1].records_per_s = 20'013;
  view.rows[1].sync_ms = 2.344;
  view.rows[1].apply_load = 0.034;
  view.rows[1].prove_load = 0.081;
  view.rows[2] = ReplicaRow();
  view.rows[2].region = "ap-south";
  view.rows[2].role = "down";
  view.rows[2].lag = 1'234;
  view.alarms = {"ap-south does not answer: Connection refused"};
  return view;
}

std::string text_of(const std::vector<ViewLine>& lines) {
  std::string text;
  for (const ViewLine& line : lines) text += line.text + '\n';
  return text;
}

TEST(LiveView, a_cell_is_drawn_row_by_row) {
  EXPECT_EQ(text_of(cell_lines(sample_view())),
            "cell 7be55e0d  term 3  leader eu-west  failover bound 630 ms\n"
            "\n"
            "region    role      term  commit  applied    lag  records  root\n"
            "us-east   follower     3     703      703      0  201,001  2d7825a1\n"
            "eu-west   leader       3     703      703      -  201,001  2d7825a1\n"
            "ap-south  down                             1,234\n"
            "\n"
            "region     rec/s  queue  sync ms  apply  prove  unproven  debt   free\n"
            "us-east        -      0        -      -      -         0    0B  53.0G\n"
            "eu-west   20,013      0     2.34     3%     8%         0    0B  53.0G\n"
            "ap-south\n"
            "\n"
            "ALARM ap-south does not answer: Connection refused\n");
}

TEST(LiveView, the_leader_and_what_is_wrong_stand_out) {
  const std::vector<ViewLine> lines = replica_lines(sample_view());
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0].tone, Tone::strong);
  EXPECT_EQ(lines[1].tone, Tone::plain);
  EXPECT_EQ(lines[2].tone, Tone::good);
  EXPECT_EQ(lines[3].tone, Tone::bad);
  EXPECT_EQ(alarm_lines(sample_view()).front().tone, Tone::bad);
  EXPECT_EQ(alarm_lines(CellView()), (std::vector<ViewLine>{{"no alarms", Tone::plain}}));
}

TEST(LiveView, large_numbers_fit_eighty_columns) {
  CellView view = sample_view();
  for (ReplicaRow& row : view.rows) row = large_row("ap-southeast-2", "pre_candidate");
  view.term = 1'234;
  view.failover_bound_ms = 40'000;
  view.alarms.clear();
  for (const ViewLine& line : cell_lines(view)) EXPECT_LE(line.text.size(), 80u) << line.text;
  EXPECT_EQ(replica_lines(view)[1].text,
            "ap-southeast-2  candidate  1234  100.0M   100.0M  12,345   10.00G  eeeeeeee");
}

TEST(LiveView, a_cell_where_nobody_answers_says_so) {
  CellView view;
  view.rows.resize(1);
  view.rows[0].region = "127.0.0.1:7400";
  view.rows[0].role = "down";
  EXPECT_THAT(text_of(cell_lines(view)), HasSubstr("no replica answers\n"));
  EXPECT_THAT(text_of(cell_lines(view)), HasSubstr("127.0.0.1:7400  down"));
}

TEST(LiveView, numbers_are_written_for_people) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1'000), "1,000");
  EXPECT_EQ(grouped(1'234'567), "1,234,567");
  EXPECT_EQ(grouped(999'999, 7), "999,999");
  EXPECT_EQ(grouped(1'234'567, 7), "1.235M");
  EXPECT_EQ(grouped(9'999'949, 7), "10.00M");
  EXPECT_EQ(grouped(999'949'999, 7), "999.9M");
  EXPECT_EQ(grouped(999'950'000, 7), "1.000G");
  EXPECT_EQ(grouped(18'446'744'073'709'551'615U, 7), "18.45E");
  EXPECT_EQ(bytes_text(1'023), "1023B");
  EXPECT_EQ(bytes_text(1'024), "1.0K");
  EXPECT_EQ(bytes_text(1'048'575), "1.0M");
  EXPECT_EQ(bytes_text(std::uint64_t{57'289'875'456}), "53.4G");
  EXPECT_EQ(bytes_text(std::uint64_t{512} << 20), "512M");
}

TEST(LiveView, lines_are_cut_between_characters) {
  EXPECT_EQ(clip("Küche", 2), "Kü");
  EXPECT_EQ(clip("Küche", 5), "Küche");
  EXPECT_EQ(clip("Küche", 80), "Küche");
  EXPECT_EQ(clip("Küche", 0), "");
}

TEST(LiveView, a_file_gets_the_lines_without_colours_or_movements) {
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  {
    Screen screen(file);
    EXPECT_FALSE(screen.is_terminal());
    screen.draw({{"first", Tone::bad}});
    screen.draw({{"second", Tone::good}});
  }
  std::rewind(file);
  char text[64] = {};
  const std::size_t size = std::fread(text, 1, sizeof text, file);
  std::fclose(file);
  EXPECT_EQ(std::string(text, size), "first\nsecond\n");
}

}  // namespace
}  // namespace meridian::app
