#include "io/executor.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

namespace meridian::io {
namespace {

TEST(OsExecutor, tasks_run_in_the_order_posted) {
  std::unique_ptr<Executor> executor = os_executor("order");
  std::vector<int> seen;
  for (int i = 0; i < 10'000; ++i) {
    executor->post([&seen, i] { seen.push_back(i); });
  }
  executor->drain();
  ASSERT_EQ(seen.size(), 10'000U);
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(OsExecutor, tasks_of_many_threads_never_overlap) {
  std::unique_ptr<Executor> executor = os_executor("overlap");
  int unguarded = 0;  // the thread sanitizer watches it
  {
    std::vector<std::thread> posters;
    for (int i = 0; i < 4; ++i) {
      posters.emplace_back([&] {
        for (int k = 0; k < 2'000; ++k) executor->post([&unguarded] { ++unguarded; });
      });
    }
    for (std::thread& poster : posters) poster.join();
  }
  executor->drain();
  EXPECT_EQ(unguarded, 8'000);
}

TEST(OsExecutor, a_task_may_own_what_cannot_be_copied) {
  std::unique_ptr<Executor> executor = os_executor("move");
  std::unique_ptr<int> value = std::make_unique<int>(42);
  std::atomic<int> seen = 0;
  executor->post([&seen, value = std::move(value)] { seen = *value; });
  executor->drain();
  EXPECT_EQ(seen, 42);
}

TEST(OsExecutor, a_timer_runs_once_and_not_early) {
  std::unique_ptr<Clock> clock = os_clock();
  std::unique_ptr<Executor> executor = os_executor("timer");
  std::atomic<int> runs = 0;
  std::atomic<std::int64_t> waited = 0;
  MonotonicTime posted = clock->monotonic();
  executor->post_after(seconds(3600), [&] { runs += 100; });
  executor->post_after(milliseconds(30), [&] {
    waited = static_cast<std::int64_t>(clock->monotonic() - posted);
    ++runs;
  });
  while (runs == 0) std::this_thread::yield();
  executor->drain();
  EXPECT_EQ(runs, 1);
  EXPECT_GE(waited, 30'000'000);
}

TEST(OsExecutor, equal_timers_run_in_the_order_posted_and_a_negative_delay_is_none) {
  std::unique_ptr<Executor> executor = os_executor("timers");
  std::vector<int> seen;
  std::atomic<bool> done = false;
  executor->post_after(milliseconds(5), [&] { seen.push_back(2); });
  executor->post_after(milliseconds(-5), [&] { seen.push_back(1); });
  executor->post_after(milliseconds(20), [&] { done = true; });
  while (!done) std::this_thread::yield();
  EXPECT_EQ(seen, (std::vector<int>{1, 2}));
}

TEST(OsExecutor, destruction_drops_what_has_not_started) {
  std::atomic<bool> release = false;
  std::atomic<bool> started = false;
  std::atomic<bool> ran_late = false;
  std::thread opener;
  {
    std::unique_ptr<Executor> executor = os_executor("drop");
    executor->post([&] {
      started = true;
      while (!release) std::this_thread::yield();
    });
    while (!started) std::this_thread::yield();
    executor->post_after(seconds(3600), [&] { ran_late = true; });
    Executor* raw = executor.get();
    struct PostsAsItDies {
      explicit PostsAsItDies(Executor* it) : executor(it) {}
      PostsAsItDies(const PostsAsItDies&) = delete;
      PostsAsItDies& operator=(const PostsAsItDies&) = delete;
      Executor* executor;
      ~PostsAsItDies() {
        executor->post([] {});
      }
    };
    executor->post([posts = std::make_unique<PostsAsItDies>(raw)] {});
    opener = std::thread([&] { release = true; });
  }
  opener.join();
  EXPECT_FALSE(ran_late);
}

TEST(OsExecutor, its_thread_carries_the_first_15_characters_of_the_name) {
  std::unique_ptr<Executor> executor = os_executor("a-name-that-is-too-long");
  std::array<char, 32> name{};
  executor->post([&] { ::pthread_getname_np(::pthread_self(), name.data(), name.size()); });
  executor->drain();
  EXPECT_STREQ(name.data(), "a-name-that-is-");
}

}  // namespace
}  // namespace meridian::io
