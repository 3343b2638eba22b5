#include "replica/internal/side_work.h"

#include <gtest/gtest.h>

#include <vector>

#include "sim/world.h"

namespace meridian::replica {
namespace {

constexpr std::size_t under_way_max = 64;

Status broken() { return fail(Code::internal, "it broke"); }

TEST(SideWork, all_is_done_once_in_order_when_it_is_waited_for) {
  const auto executor = io::os_executor("beside");
  std::vector<int> done;
  SideWork work(executor.get(), under_way_max);
  for (int i = 0; i < 1'000; ++i)
    ASSERT_TRUE(work.give([&done, i]() -> Status {
      done.push_back(i);
      return {};
    }));
  ASSERT_TRUE(work.finish());
  ASSERT_EQ(done.size(), 1'000u);
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(done[static_cast<std::size_t>(i)], i);
}

TEST(SideWork, no_more_than_the_bound_is_under_way) {
  sim::World world(1);
  const auto executor = world.make_executor("beside");
  std::size_t done = 0;
  SideWork work(executor.get(), under_way_max);
  for (std::size_t given = 1; given <= 10 * under_way_max; ++given) {
    ASSERT_TRUE(work.give([&done]() -> Status {
      ++done;
      return {};
    }));
    EXPECT_LE(given - done, under_way_max);
  }
}

TEST(SideWork, nothing_is_begun_after_a_failure_and_who_gives_hears_of_it) {
  sim::World world(1);
  const auto executor = world.make_executor("beside");
  for (io::Executor* on : {static_cast<io::Executor*>(nullptr), executor.get()}) {
    int later = 0;
    SideWork work(on, under_way_max);
    (void)work.give(broken);
    (void)work.give([&later]() -> Status {
      ++later;
      return {};
    });
    EXPECT_EQ(work.finish().error().message, "it broke");
    EXPECT_EQ(work.give([&later]() -> Status {
                    ++later;
                    return {};
                  })
                  .error()
                  .message,
              "it broke");
    EXPECT_EQ(later, 0);
  }
}

TEST(SideWork, who_goes_away_waits_for_what_is_under_way) {
  const auto executor = io::os_executor("beside");
  int done = 0;
  {
    SideWork work(executor.get(), under_way_max);
    for (int i = 0; i < 20; ++i)
      ASSERT_TRUE(work.give([&done]() -> Status {
        ++done;
        return {};
      }));
  }
  EXPECT_EQ(done, 20);
}

}  // namespace
}  // namespace meridian::replica
