#include "sim/world.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

namespace meridian::sim {
namespace {

TEST(World, each_executor_keeps_its_order_and_seeds_show_many_interleavings) {
  std::set<std::string> traces;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    World world(seed);
    std::string trace;
    auto a = world.make_executor("a");
    auto b = world.make_executor("b");
    for (char letter : std::string("123")) a->post([&trace, letter] { trace += letter; });
    for (char letter : std::string("xyz")) b->post([&trace, letter] { trace += letter; });
    EXPECT_EQ(world.run_until_idle(), 6U);
    std::string digits, letters;
    for (char c : trace) (c < 'a' ? digits : letters) += c;
    EXPECT_EQ(digits, "123");
    EXPECT_EQ(letters, "xyz");
    traces.insert(trace);
  }
  EXPECT_GT(traces.size(), 10U);  // of the 20 there are
}

TEST(World, one_seed_gives_one_trace) {
  auto run = [](std::uint64_t seed) {
    World world(seed);
    auto a = world.make_executor("a");
    auto b = world.make_executor("b");
    std::function<void(int)> bounce = [&](int left) {
      if (left == 0) return;
      a->post(
          [&, left] { b->post_after(io::milliseconds(left), [&, left] { bounce(left - 1); }); });
      b->post([] {});
    };
    bounce(20);
    while (world.step()) {
    }
    return world.trace_hash();
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

TEST(World, time_stands_still_until_it_is_moved) {
  World world(1);
  auto executor = world.make_executor("timers");
  io::MonotonicTime start = world.clock().monotonic();
  std::string trace;
  executor->post_after(io::milliseconds(20), [&] { trace += 'c'; });
  executor->post_after(io::milliseconds(10), [&] { trace += 'a'; });
  executor->post_after(io::milliseconds(10), [&] {
    trace += 'b';
    EXPECT_EQ(world.clock().monotonic() - start, io::milliseconds(10));
  });
  EXPECT_EQ(world.run_until_idle(), 0U);
  world.advance(io::milliseconds(9));
  EXPECT_EQ(trace, "");
  world.advance(io::milliseconds(6));
  EXPECT_EQ(trace, "ab");
  EXPECT_EQ(world.clock().monotonic() - start, io::milliseconds(15));
  EXPECT_TRUE(world.step());
  EXPECT_EQ(trace, "abc");
  EXPECT_EQ(world.clock().monotonic() - start, io::milliseconds(20));
  EXPECT_FALSE(world.step());
}

TEST(World, drain_waits_for_what_was_posted_before_also_from_another_executor) {
  World world(9);
  auto a = world.make_executor("a");
  auto b = world.make_executor("b");
  std::string trace;
  b->post([&] { trace += '1'; });
  b->post([&] { trace += '2'; });
  a->post([&] {
    b->drain();
    trace += 'd';
  });
  a->drain();
  EXPECT_EQ(trace, "12d");
}

TEST(World, a_destroyed_executor_drops_its_tasks_and_timers) {
  World world(1);
  auto a = world.make_executor("a");
  bool ran = false;
  a->post([&] { ran = true; });
  a->post_after(io::seconds(1), [&] { ran = true; });
  a.reset();
  world.advance(io::seconds(2));
  EXPECT_FALSE(ran);
  EXPECT_FALSE(world.step());
}

TEST(WorldDeathTest, executors_that_drain_each_other_are_found) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        World world(1);
        auto a = world.make_executor("a");
        auto b = world.make_executor("b");
        a->post([&] {
          b->post([&] { a->drain(); });
          b->drain();
        });
        world.run_until_idle();
      },
      "running_|progressed");
}

TEST(SimClock, moves_only_when_told) {
  Clock clock;
  io::Timestamp before = clock.now();
  EXPECT_EQ(clock.now().time, before.time);
  clock.advance(io::seconds(2));
  EXPECT_EQ(static_cast<std::uint64_t>(clock.now().time),
            static_cast<std::uint64_t>(before.time) + 2'000'000'000);
  io::MonotonicTime monotonic = clock.monotonic();
  clock.set_wall(io::WallTime{5});
  clock.set_uncertainty_us(77);
  EXPECT_EQ(clock.now().time, io::WallTime{5});
  EXPECT_EQ(clock.now().uncertainty_us, 77U);
  EXPECT_EQ(clock.monotonic(), monotonic);
}

TEST(SimEntropy, is_repeated_by_its_seed) {
  Entropy a(1), b(1), c(2);
  Buffer x(37), y(37), z(37);
  a.fill(x);
  b.fill(y);
  c.fill(z);
  EXPECT_EQ(x, y);
  EXPECT_NE(x, z);
}

TEST(SimRandom, below_stays_below_and_is_even) {
  Random random(1);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70'000; ++i) ++counts[random.below(7)];
  for (int count : counts) EXPECT_NEAR(count, 10'000, 500);
  EXPECT_FALSE(random.chance(0));
  EXPECT_TRUE(random.chance(1));
}

}  // namespace
}  // namespace meridian::sim
