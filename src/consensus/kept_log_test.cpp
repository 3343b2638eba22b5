#include "consensus/internal/kept_log.h"

#include <gtest/gtest.h>

#include "consensus/internal/visible_log.h"

namespace meridian::consensus {
namespace {

constexpr io::MonotonicTime at(std::int64_t seconds) {
  return io::MonotonicTime{} + io::seconds(seconds);
}

PeerProgress member(std::uint64_t id, std::uint64_t matched) {
  return {id, matched, matched + 1, PeerProgress::State::replicate, 0, false, true, true};
}

class KeptLogTest : public testing::Test {
 protected:
  bool look(std::vector<PeerProgress> members, std::uint64_t last, std::uint64_t releasable,
            std::int64_t second) {
    return kept.look(members, last, releasable, at(second));
  }
  KeptLog kept;
};

TEST_F(KeptLogTest, entries_are_kept_from_the_oldest_state_that_somebody_copies) {
  EXPECT_EQ(kept.first(500), 500u);
  kept.offered(4, 101, at(0));
  kept.offered(5, 301, at(0));
  EXPECT_EQ(kept.first(500), 101u);
  EXPECT_EQ(kept.first(50), 50u);
  EXPECT_EQ(kept.members(), (std::vector<std::uint64_t>{4, 5}));
}

TEST_F(KeptLogTest, who_has_what_was_there_at_the_look_before_is_level) {
  kept.offered(4, 101, at(0));
  EXPECT_FALSE(look({member(4, 600)}, 600, 500, 1));  // nothing to compare with yet
  EXPECT_FALSE(look({member(4, 599)}, 700, 500, 2));
  EXPECT_TRUE(look({member(4, 700)}, 800, 500, 3));
  EXPECT_TRUE(kept.is_empty());
}

TEST_F(KeptLogTest, who_lacks_what_a_checkpoint_covers_is_not_level) {
  kept.offered(4, 101, at(0));
  EXPECT_FALSE(look({member(4, 600)}, 600, 700, 1));
  EXPECT_FALSE(look({member(4, 600)}, 600, 700, 2));
  EXPECT_TRUE(look({member(4, 699)}, 600, 700, 3));
}

/// What was compared with before it was offered anything is old.
TEST_F(KeptLogTest, a_new_member_is_not_level_by_an_old_look) {
  EXPECT_FALSE(look({}, 100, 0, 1));
  kept.offered(4, 101, at(50));
  EXPECT_FALSE(look({member(4, 150)}, 900, 120, 51));
}

TEST_F(KeptLogTest, nothing_is_kept_for_who_is_silent_or_left) {
  kept.offered(4, 101, at(0));
  kept.offered(5, 201, at(0));
  kept.heard(5, at(30));
  kept.heard(9, at(30));
  EXPECT_FALSE(look({member(4, 0), member(5, 0)}, 900, 500, 60));
  EXPECT_TRUE(look({member(4, 0), member(5, 0)}, 900, 500, 61));
  EXPECT_EQ(kept.first(500), 201u);
  EXPECT_TRUE(look({member(4, 0)}, 900, 500, 62));
  EXPECT_TRUE(kept.is_empty());
}

TEST_F(KeptLogTest, the_oldest_goes_first_and_a_newer_offer_stays) {
  kept.offered(4, 101, at(0));
  kept.offered(5, 201, at(0));
  kept.offered(4, 301, at(10));
  EXPECT_EQ(kept.first(500), 101u);  // it may still be copying that one
  EXPECT_EQ(kept.give_up(), 4u);
  EXPECT_EQ(kept.first(500), 201u);
  EXPECT_EQ(kept.give_up(), 5u);
  EXPECT_EQ(kept.first(500), 301u);
  EXPECT_EQ(kept.give_up(), 4u);
  EXPECT_EQ(kept.give_up(), std::nullopt);
}

TEST_F(KeptLogTest, what_entries_take_on_the_disk_is_never_counted_too_low) {
  VisibleLog log({10, 1}, {}, [](std::uint64_t) { return std::nullopt; });
  for (std::uint64_t index = 11; index <= 20; ++index)
    log.append({index, 1, EntryKind::commands, nullptr, nullptr, 5'000});
  EXPECT_GE(log.disk_bytes(11, 12), 8'192u);
  EXPECT_EQ(log.disk_bytes(0, 100), 10 * log.disk_bytes(11, 12));
  EXPECT_EQ(log.disk_bytes(15, 20), 5 * log.disk_bytes(11, 12));
  EXPECT_EQ(log.disk_bytes(20, 15), 0u);
}

}  // namespace
}  // namespace meridian::consensus
