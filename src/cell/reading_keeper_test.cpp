// Readings become records: once, aggregated, bounded, and kept across a restart.
#include "cell/reading_keeper.h"

#include <gtest/gtest.h>

#include "cell/internal/cell_rig.h"

namespace meridian::cell {
namespace {

Reading reading(u128 actor, const std::string& purpose, u128 stream, std::uint64_t index) {
  Reading one;
  one.actor = actor;
  one.purpose = purpose;
  one.stream = stream;
  one.count = 1;
  one.first = one.last = index;
  return one;
}

class ReadingKeeperTest : public ::testing::Test {
 protected:
  ReadingKeeperTest() { start(); }
  void start() {
    auto started =
        ReadingKeeper::start({[this](auto event, auto answered) { record_(event, answered); },
                              *rig_.disk, rig_.world.clock(), rig_.world.entropy(), *executor_,
                              [this](const std::string& notice) { notices_ += notice; },
                              ReadingKeeper::write_every_usual});
    ASSERT(started.has_value());
    keeper_ = std::move(*started);
  }
  void write() {
    rig_.wait<bool>([&](auto done) { keeper_->write([done] { done(true); }); });
  }
  /// All rows of all records.
  std::vector<Reading> recorded() {
    ReadQuery query;
    query.source = ReadQuery::Source::stream;
    query.name = readings_stream;
    const auto page =
        rig_.wait<Result<ReadPage>>([&](auto done) { rig_.cell->read_events(query, done); });
    std::vector<Reading> all;
    if (!page) return all;
    for (const ReadEvent& one : page->events) {
      const Result<std::vector<Reading>> rows = parse_readings(as_text(one.event.data));
      EXPECT_TRUE(rows);
      if (rows) all.insert(all.end(), rows->begin(), rows->end());
    }
    return all;
  }

  using Record = std::function<void(door::EventDraft, LocalCell::Answered)>;
  /// As a leader that is not reached, or whose answer is lost.
  static Record failing(const Error& error, const Record& meanwhile = {}) {
    return [error, meanwhile](const auto& event, const auto& answered) {
      if (meanwhile) meanwhile(event, [](const auto&) {});
      answered(error);
    };
  }

  CellRig rig_;
  const Record recorded_here_ = [this](auto event, auto answered) {
    rig_.cell->submit_own(std::move(event), std::move(answered));
  };
  Record record_ = recorded_here_;
  std::unique_ptr<io::Executor> executor_ = rig_.world.make_executor("readings");
  std::string notices_;
  std::unique_ptr<ReadingKeeper> keeper_;
};

TEST_F(ReadingKeeperTest, readings_are_put_together_and_recorded_each_once) {
  for (std::uint64_t index : {5U, 3U, 9U})
    EXPECT_TRUE(keeper_->owe(reading(1, "case 7", 2, index)));
  EXPECT_TRUE(keeper_->owe(reading(1, "case 8", 2, 4)));
  EXPECT_TRUE(recorded().empty());
  write();
  const std::vector<Reading> all = recorded();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].purpose, "case 7");
  EXPECT_EQ(all[0].count, 3U);
  EXPECT_EQ(all[0].first, 3U);
  EXPECT_EQ(all[0].last, 9U);
  EXPECT_TRUE(keeper_->owed().empty());
  write();
  EXPECT_EQ(recorded().size(), 2U);
}

TEST_F(ReadingKeeperTest, they_are_recorded_within_a_minute_by_themselves) {
  EXPECT_TRUE(keeper_->owe(reading(1, "case 7", 2, 5)));
  rig_.world.advance(ReadingKeeper::write_every_usual);
  rig_.world.run_until_idle();
  EXPECT_EQ(recorded().size(), 1U);
}

TEST_F(ReadingKeeperTest, what_is_owed_outlives_a_stop) {
  EXPECT_TRUE(keeper_->owe(reading(1, "case 7", 2, 5)));
  keeper_.reset();
  start();
  ASSERT_EQ(keeper_->owed().size(), 1U);
  write();
  EXPECT_EQ(recorded().size(), 1U);
  keeper_.reset();
  start();
  EXPECT_TRUE(keeper_->owed().empty());
  EXPECT_EQ(notices_, "");
}

TEST_F(ReadingKeeperTest, what_was_under_way_at_a_crash_is_recorded_once) {
  EXPECT_TRUE(keeper_->owe(reading(1, "case 7", 2, 5)));
  keeper_->write([] {});
  while (!*rig_.disk->exists("readings.owed") && rig_.world.step()) continue;
  const Buffer kept = *io::read_file(*rig_.disk, "readings.owed", 4'096);
  rig_.world.run_until_idle();
  EXPECT_EQ(recorded().size(), 1U);
  EXPECT_FALSE(*rig_.disk->exists("readings.owed"));
  keeper_.reset();
  // As if the process had ended before it learnt that it is recorded.
  EXPECT_TRUE(io::replace_file(*rig_.disk, "readings.owed", kept));
  start();
  EXPECT_EQ(keeper_->owed().size(), 1U);
  write();
  EXPECT_EQ(recorded().size(), 1U);
  EXPECT_TRUE(keeper_->owed().empty());
}

TEST_F(ReadingKeeperTest, what_a_leader_does_not_take_stays_owed) {
  for (const Code code : {Code::unavailable, Code::permission_denied, Code::deadline_exceeded}) {
    record_ = failing({code, "not now"});
    EXPECT_TRUE(keeper_->owe(reading(1, "case 7", 2, 5)));
    write();
    write();
  }
  EXPECT_TRUE(recorded().empty());
  EXPECT_EQ(notices_, "readings are not recorded, and kept: not now") << "once, of a refusal";
  keeper_.reset();
  start();
  EXPECT_EQ(keeper_->owed().size(), 2U) << "one is under way, two were put together";
  record_ = recorded_here_;
  write();
  std::uint64_t sum = 0;
  for (const Reading& one : recorded()) sum += one.count;
  EXPECT_EQ(sum, 3U);
  EXPECT_TRUE(keeper_->owed().empty());
}

TEST_F(ReadingKeeperTest, an_answer_that_is_lost_does_not_record_it_twice) {
  record_ = failing({Code::deadline_exceeded, "the outcome is unknown"}, recorded_here_);
  EXPECT_TRUE(keeper_->owe(reading(1, "case 7", 2, 5)));
  write();
  EXPECT_EQ(recorded().size(), 1U);
  EXPECT_EQ(keeper_->owed().size(), 1U) << "as it does not know";
  EXPECT_TRUE(keeper_->owe(reading(1, "case 7", 2, 6)));  // is not put to what is under way
  write();
  keeper_.reset();
  start();
  record_ = recorded_here_;
  write();
  ASSERT_EQ(recorded().size(), 2U);
  EXPECT_EQ(recorded()[0].last, 5U);
  EXPECT_EQ(recorded()[1].first, 6U);
  EXPECT_TRUE(keeper_->owed().empty());
}

TEST_F(ReadingKeeperTest, nothing_is_handed_over_whose_id_is_not_on_the_disk) {
  int handed_over = 0;
  record_ = [&](const auto& event, const auto& answered) {
    EXPECT_TRUE(*rig_.disk->exists("readings.owed"));
    ++handed_over;
    recorded_here_(event, answered);
  };
  EXPECT_TRUE(keeper_->owe(reading(1, "case 7", 2, 5)));
  rig_.disk->fail_next(sim::DiskOperation::sync);
  write();
  EXPECT_EQ(handed_over, 0);
  EXPECT_NE(notices_.find("readings are not kept"), std::string::npos) << notices_;
  write();
  EXPECT_EQ(handed_over, 1);
  EXPECT_EQ(recorded().size(), 1U);
}

TEST_F(ReadingKeeperTest, a_damaged_file_is_not_passed_over) {
  keeper_.reset();
  EXPECT_TRUE(io::replace_file(*rig_.disk, "readings.owed", as_bytes("{\"owed\":")));
  const auto started = ReadingKeeper::start({record_, *rig_.disk, rig_.world.clock(),
                                             rig_.world.entropy(), *executor_, [](const auto&) {}});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::data_loss);
}

TEST_F(ReadingKeeperTest, one_actor_fills_nothing_and_is_refused_in_the_end) {
  std::uint64_t given = 0;
  Status last;
  for (std::uint64_t i = 0; i < 2 * ReadingKeeper::owed_of_one_max; ++i) {
    last = keeper_->owe(reading(1, "case 7", i + 1, i));
    if (last) ++given;
  }
  EXPECT_EQ(given, 2 * ReadingKeeper::owed_of_one_max) << "streams are counted together";
  EXPECT_LE(keeper_->owed().size(), ReadingKeeper::owed_of_one_max / 2 + 1);
  for (std::uint64_t i = 0; i < ReadingKeeper::owed_of_one_max; ++i)
    last = keeper_->owe(reading(1, "case number " + std::to_string(i), 1, i));
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code, Code::resource_exhausted);
  EXPECT_TRUE(keeper_->owe(reading(2, "case 7", 1, 1))) << "others go on";
  write();
  std::uint64_t sum = 0;
  for (const Reading& one : recorded()) sum += one.count;
  EXPECT_GT(sum, given);
  EXPECT_TRUE(keeper_->owe(reading(1, "another case", 1, 1)));
}

}  // namespace
}  // namespace meridian::cell
