#include "replica/round_trips.h"

#include <gtest/gtest.h>

#include "sim/clock.h"

namespace meridian::replica {
namespace {

class RoundTripsTest : public testing::Test {
 protected:
  sim::Clock clock;
  io::Parts at_peer, back;
  RoundTrips peer{clock, [this](std::uint64_t, io::Parts message) { back = std::move(message); }};
  RoundTrips own{clock, [this](std::uint64_t to, io::Parts message) {
                   EXPECT_EQ(to, 2u);
                   at_peer = std::move(message);
                 }};
};

TEST_F(RoundTripsTest, measures_there_and_back) {
  clock.advance(io::seconds(5));
  own.ask(2);
  clock.advance(io::milliseconds(40));
  peer.receive(1, at_peer);
  clock.advance(io::milliseconds(41));
  EXPECT_EQ(own.longest(2), io::Duration{});
  own.receive(2, back);
  EXPECT_EQ(own.longest(2), io::milliseconds(81));
  EXPECT_EQ(own.longest(3), io::Duration{});
}

TEST_F(RoundTripsTest, an_answer_that_nobody_asked_for_counts_for_nothing) {
  own.receive(2, {std::make_shared<const Buffer>(Buffer(9, Byte{0xff}))});
  Buffer later(9, Byte{0xff});
  later[0] = static_cast<Byte>(PeerTag::pong);
  own.receive(2, {std::make_shared<const Buffer>(later)});
  own.receive(2, {std::make_shared<const Buffer>(Buffer(3, Byte{9}))});
  own.receive(2, {});
  EXPECT_EQ(own.longest(2), io::Duration{});
}

}  // namespace
}  // namespace meridian::replica
