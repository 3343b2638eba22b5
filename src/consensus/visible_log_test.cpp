#include "consensus/internal/visible_log.h"

#include <gtest/gtest.h>

namespace meridian::consensus {
namespace {

constexpr std::uint64_t entry_bytes = 100;

class VisibleLogTest : public testing::Test {
 protected:
  void append(std::uint64_t last) {
    for (std::uint64_t index = log.last_index() + 1; index <= last; ++index) {
      LogEntry entry;
      entry.index = index;
      entry.term = 1;
      entry.bytes = std::make_shared<const Buffer>(entry_bytes);
      entry.size = entry_bytes;
      log.append(std::move(entry));
    }
  }
  std::string cached() const {
    std::string all;
    for (std::uint64_t index = log.first_index(); index <= log.last_index(); ++index)
      all += log.is_cached(index) ? 'x' : '.';
    return all;
  }

  VisibleLog log{{0, 0}, {1 << 20, 3 * entry_bytes}, [](std::uint64_t) { return std::nullopt; }};
};

TEST_F(VisibleLogTest, the_oldest_are_evicted_once_they_were_handed_out) {
  append(6);
  log.durable(6);
  log.evict(7);
  EXPECT_EQ(cached(), "...xxx");
}

TEST_F(VisibleLogTest, of_what_waits_to_be_handed_out_the_next_ones_stay) {
  append(6);
  log.durable(6);
  log.evict(2);
  EXPECT_EQ(cached(), ".xxx..");
  append(8);
  log.durable(8);
  log.evict(2);
  EXPECT_EQ(cached(), ".xxx....");
  append(9);
  log.durable(9);
  log.evict(4);
  EXPECT_EQ(cached(), "..xx....x");
  EXPECT_EQ(log.cached_bytes(), 3 * entry_bytes);
}

TEST_F(VisibleLogTest, what_is_not_durable_stays) {
  append(6);
  log.durable(1);
  log.evict(7);
  EXPECT_EQ(cached(), ".xxxxx");
}

}  // namespace
}  // namespace meridian::consensus
