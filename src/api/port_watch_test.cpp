#include "api/port_watch.h"

#include <gtest/gtest.h>

namespace meridian::api {
namespace {

TEST(PortWatch, who_was_met_is_watched_no_more) {
  PortWatch watch;
  EXPECT_FALSE(watch.has_strangers());
  const std::string name = grpc_peer_name("10.0.0.1", false, 4711);
  EXPECT_EQ(name, "ipv4:10.0.0.1:4711");
  EXPECT_EQ(grpc_peer_name("::1", true, 4711), "ipv6:%5B::1%5D:4711");
  watch.add(1, "10.0.0.1", name);
  watch.add(2, "10.0.0.1", grpc_peer_name("10.0.0.1", false, 4712));
  EXPECT_EQ(watch.size(), 2U);
  watch.met("ipv4:10.0.0.9:1");
  watch.met(name);
  watch.met(name);
  EXPECT_EQ(watch.size(), 1U);
  EXPECT_EQ(watch.victim(), 2U);
}

TEST(PortWatch, who_was_met_gives_back_what_their_handshake_took) {
  constexpr io::MonotonicTime now{1'000'000'000'000};
  PortWatch watch;
  EXPECT_FALSE(watch.may_begin(1, now));  // nobody
  for (Strangers::Id id = 1; id <= 2 * HandshakePace::at_once; ++id) {
    const std::string name = "ipv4:a:" + std::to_string(id);
    watch.add(id, "a", name);
    ASSERT_TRUE(watch.may_begin(id, now)) << id;
    watch.met(name);
  }
  Strangers::Id id = 1'000;
  for (watch.add(id, "a", "x"); watch.may_begin(id, now); watch.add(++id, "a", "x")) {
  }
  EXPECT_EQ(id - 1'000, HandshakePace::at_once);
}

TEST(PortWatch, a_name_that_is_used_again_is_of_the_newer_connection) {
  PortWatch watch;
  watch.add(1, "a", "ipv4:a:1");
  watch.add(2, "a", "ipv4:a:1");
  watch.remove(1);
  EXPECT_EQ(watch.size(), 1U);
  watch.met("ipv4:a:1");
  EXPECT_FALSE(watch.has_strangers());
  watch.remove(2);
  EXPECT_EQ(watch.victim(), std::nullopt);
}

}  // namespace
}  // namespace meridian::api
