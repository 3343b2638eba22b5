#include "metrics/registry.h"

#include <gtest/gtest.h>

#include <thread>

namespace meridian::metrics {
namespace {

TEST(Registry, text_shows_every_metric_sorted_by_name) {
  Registry registry;
  registry.gauge("wal_bytes", "Size of the log.").set(-7);
  registry.counter("records_total", "Records.", {{"kind", "transfer"}}).increment(3);
  registry.counter("records_total", "Records.", {{"kind", "event"}}).increment();
  EXPECT_EQ(registry.text(),
            "# HELP records_total Records.\n"
            "# TYPE records_total counter\n"
            "records_total{kind=\"event\"} 1\n"
            "records_total{kind=\"transfer\"} 3\n"
            "# HELP wal_bytes Size of the log.\n"
            "# TYPE wal_bytes gauge\n"
            "wal_bytes -7\n");
}

TEST(Registry, histogram_buckets_are_cumulative_and_bounds_belong_to_their_bucket) {
  Registry registry;
  Histogram& sync = registry.histogram("sync_us", "Sync time.", {10, 100});
  for (std::uint64_t value : {0, 10, 11, 100, 101, 5000}) sync.observe(value);
  EXPECT_EQ(sync.counts(), (std::vector<std::uint64_t>{2, 2, 2}));
  EXPECT_EQ(registry.text(),
            "# HELP sync_us Sync time.\n"
            "# TYPE sync_us histogram\n"
            "sync_us_count 6\n"
            "sync_us_sum 5222\n"
            "sync_us_bucket{le=\"10\"} 2\n"
            "sync_us_bucket{le=\"100\"} 4\n"
            "sync_us_bucket{le=\"+Inf\"} 6\n");
}

TEST(Registry, label_values_are_escaped) {
  Registry registry;
  registry.counter("x_total", "X.", {{"cell", "a\"b\\c\nd"}});
  EXPECT_NE(registry.text().find("x_total{cell=\"a\\\"b\\\\c\\nd\"} 0\n"), std::string::npos)
      << registry.text();
}

TEST(Registry, counts_of_many_threads_add_up_while_text_is_read) {
  Registry registry;
  Counter& counter = registry.counter("n_total", "N.");
  Histogram& histogram = registry.histogram("h_us", "H.", exponential_bounds(1, 2, 20));
  Gauge& gauge = registry.gauge("g", "G.");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (std::uint64_t k = 0; k < 10'000; ++k) {
        counter.increment();
        histogram.observe(k);
        gauge.add(k % 2 == 0 ? 1 : -1);
      }
    });
  }
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(registry.text().empty());
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.value(), 40'000U);
  EXPECT_EQ(histogram.sum(), 4ULL * 9'999 * 10'000 / 2);
  EXPECT_EQ(gauge.value(), 0);
}

TEST(Histogram, exponential_bounds_always_increase) {
  EXPECT_EQ(exponential_bounds(1, 1.5, 5), (std::vector<std::uint64_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(exponential_bounds(50, 2, 4), (std::vector<std::uint64_t>{50, 100, 200, 400}));
}

TEST(RegistryDeathTest, programming_errors_stop_the_process) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  Registry registry;
  registry.counter("a_total", "A.");
  EXPECT_DEATH(registry.counter("a_total", "A."), "added");
  EXPECT_DEATH(registry.gauge("a_total", "A.", {{"x", "y"}}), "type_of");
  EXPECT_DEATH(registry.counter("a_total", "B.", {{"x", "y"}}), "help");
  EXPECT_DEATH(registry.counter("0bad", "A."), "CheckMetricName");
  EXPECT_DEATH(registry.counter("b_total", "B.", {{"le", "1"}}), "le");
  EXPECT_DEATH(Histogram({5, 5}), "bounds_");
}

}  // namespace
}  // namespace meridian::metrics
