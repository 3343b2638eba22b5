// Readings at every replica of a cell become records, each once, whoever leads and whatever is lost
// on the way.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cell/internal/keepers_rig.h"
#include "cell/reading_keeper.h"
#include "sim/random.h"

namespace meridian::cell {
namespace {

struct ReadingRelayTest : testing::Test {
  static constexpr std::int64_t period_s = 3;
  static constexpr std::int64_t patience_s = 10;
  static_assert(RequestRelay::answer_patience == io::seconds(patience_s));

  Keepers cell;
  std::map<std::uint64_t, std::unique_ptr<io::Executor>> executors;
  std::map<std::uint64_t, std::unique_ptr<ReadingKeeper>> keepers;
  std::vector<std::string> notices;

  explicit ReadingRelayTest(std::uint64_t seed = 1) : cell(seed) {
    for (const auto& [id, member] : cell.members) start(id);
    cell.lead(3);
    cell.run(io::seconds(1));
  }
  void start(std::uint64_t id) {
    executors[id] = cell.world.make_executor("readings");
    auto started = ReadingKeeper::start(
        {[this, id](auto event, auto answered) {
           cell.submit_own(id, std::move(event), std::move(answered));
         },
         *cell.members[id].disk, cell.world.clock(), cell.world.entropy(), *executors[id],
         [this](const std::string& notice) { notices.push_back(notice); }, io::seconds(period_s)});
    ASSERT(started.has_value());
    keepers[id] = std::move(*started);
  }
  void restart(std::uint64_t id) {
    keepers.erase(id);
    cell.stop(id);
    cell.start(id);
    start(id);
  }
  /// As power fails.
  void crash(std::uint64_t id, std::uint64_t seed) {
    cell.stop(id);
    auto kept = cell.members[id].disk->crash(seed);
    keepers.erase(id);
    cell.members[id].disk = std::move(kept);
    cell.start(id);
    start(id);
  }
  /// Of one event, which no other reading has.
  void read(std::uint64_t at, std::uint64_t number) {
    Reading one;
    one.actor = 5;
    one.purpose = "case 7";
    one.stream = number;
    one.count = 1;
    one.first = one.last = number;
    ASSERT_TRUE(keepers[at]->owe(std::move(one)));
  }
  /// How often each stands in records.
  std::map<std::uint64_t, std::uint64_t> recorded() {
    std::map<std::uint64_t, std::uint64_t> counts;
    for (const auto& [record, actor] : cell.stream(readings_stream)) {
      EXPECT_EQ(actor, cell.members[1].door->actor_id(own_actor));
      const auto event = cell.read(1, record);
      if (!event) {
        ADD_FAILURE() << event.error().message;
        continue;
      }
      const auto rows = parse_readings(as_text(event->data));
      EXPECT_TRUE(rows);
      for (const Reading& row : *rows) counts[row.first] += row.count;
    }
    return counts;
  }
  std::size_t owed() {
    std::size_t count = 0;
    for (const auto& [id, keeper] : keepers) count += keeper->owed().size();
    return count;
  }
};

TEST_F(ReadingRelayTest, each_replica_has_what_was_read_at_it_recorded_without_leading) {
  for (std::uint64_t id = 1; id <= 3; ++id) read(id, id);
  cell.run(io::seconds(period_s + 1));
  EXPECT_EQ(recorded(), (std::map<std::uint64_t, std::uint64_t>{{1, 1}, {2, 1}, {3, 1}}));
  EXPECT_EQ(owed(), 0U);
  EXPECT_TRUE(notices.empty());
}

TEST_F(ReadingRelayTest, without_a_leader_it_stays_owed_and_is_recorded_under_the_next) {
  cell.lead(0);
  read(1, 1);
  cell.run(io::seconds(3 * period_s));
  EXPECT_TRUE(recorded().empty());
  restart(1);
  EXPECT_EQ(keepers[1]->owed().size(), 1U);
  cell.lead(2);
  cell.run(io::seconds(period_s + 1));
  EXPECT_EQ(recorded().size(), 1U);
}

TEST_F(ReadingRelayTest, a_leader_that_does_not_know_such_messages_leaves_it_owed) {
  cell.members[3].is_cut_off = true;  // which is how it looks to the others
  read(1, 1);
  cell.run(io::seconds(30));
  EXPECT_TRUE(recorded().empty());
  EXPECT_EQ(keepers[1]->owed().size(), 1U);
  EXPECT_TRUE(notices.empty());
  cell.lead(1);
  cell.run(io::seconds(patience_s + period_s + 1));
  EXPECT_EQ(recorded().size(), 1U);
}

struct Life : ReadingRelayTest {
  explicit Life(std::uint64_t seed) : ReadingRelayTest(seed), random(seed) {
    cell.percent_lost = 10;
  }
  void TestBody() override {}

  void step() {
    const std::uint64_t at = 1 + random.below(3);
    read(at, ++number);
    read_at[number] = {at, cell.world.clock().monotonic()};
    if (random.chance(0.2)) cell.lead(random.below(4));
    if (random.chance(0.1)) cell.members[at].is_cut_off ^= true;
    if (random.chance(0.1)) restart(1 + random.below(3));
    if (random.chance(0.1)) lose(1 + random.below(3));
    cell.run(io::milliseconds(static_cast<std::int64_t>(random.below(3'000))));
  }
  /// What was not in its file may be gone: that which came since it was last written.
  void lose(std::uint64_t id) {
    const io::MonotonicTime now = cell.world.clock().monotonic();
    for (const auto& [one, where] : read_at)
      if (where.first == id && now - where.second < io::seconds(patience_s + period_s + 1))
        may_be_lost.insert(one);
    crash(id, number);
  }

  sim::Random random;
  std::uint64_t number = 0;
  std::map<std::uint64_t, std::pair<std::uint64_t, io::MonotonicTime>> read_at;
  std::set<std::uint64_t> may_be_lost;
};

TEST(ReadingRelay, each_is_recorded_once_whatever_happens) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Life life(seed);
    for (int i = 0; i < 60; ++i) life.step();
    life.cell.percent_lost = 0;
    for (auto& [id, member] : life.cell.members) member.is_cut_off = false;
    life.cell.lead(1 + seed % 3);
    life.cell.run(io::seconds(60));
    const auto recorded = life.recorded();
    for (const auto& [one, times] : recorded) EXPECT_EQ(times, 1U) << one;
    for (std::uint64_t one = 1; one <= life.number; ++one)
      EXPECT_TRUE(recorded.contains(one) || life.may_be_lost.contains(one)) << one;
    EXPECT_GT(recorded.size(), life.number / 2);
    EXPECT_EQ(life.owed(), 0U);
    EXPECT_TRUE(life.cell.fatal.empty());
  }
}

}  // namespace
}  // namespace meridian::cell
