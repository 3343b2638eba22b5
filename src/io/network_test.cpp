// Nothing here asserts on time: only on order, counts and what is told.
#include "io/network.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "io/internal/network_rig.h"

namespace meridian::io::internal {
namespace {

TEST(OsNetwork, an_address_that_is_none_or_taken_and_a_long_hello_are_refused) {
  Node node("n1");
  std::unique_ptr<Executor> executor = os_executor("other");
  for (std::string_view wrong : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000",
                                 "::1:1", "[::1:1", ":7", "no.such.host.invalid:1"}) {
    Status status = os_network({})->start(wrong, {}, *executor, {});
    ASSERT_FALSE(status.has_value()) << wrong;
    EXPECT_EQ(status.error().code, Code::invalid_argument) << wrong;
  }
  Status status = os_network({})->start(node.network().address(), {}, *executor, {});
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::unavailable);
  status = os_network({})->start("127.0.0.1:0", Buffer(513), *executor, {});
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::invalid_argument);
  std::unique_ptr<Network> named = os_network({});
  ASSERT_TRUE(named->start("localhost:0", {}, *executor, {}).has_value());
  EXPECT_FALSE(named->address().ends_with(":0"));
}

TEST(OsNetwork, the_first_send_connects_and_later_ones_arrive_in_order_part_by_part) {
  Node a("n1");
  Node b("n2");
  EXPECT_FALSE(a.send(b, "to nobody"));
  a.knows(b);
  EXPECT_FALSE(a.send(b, "too early"));
  ASSERT_TRUE(a.told("2/0 up"));
  ASSERT_TRUE(a.network().send(PeerId{2}, Channel::control, {part("x"), part(""), part("yz")}));
  ASSERT_TRUE(a.network().send(PeerId{2}, Channel::control, {}));
  ASSERT_TRUE(a.network().send(PeerId{2}, Channel::control, {part("")}));
  std::vector<std::string> expected{"1/0:x||yz|", "1/0:", "1/0:|"};
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(a.send(b, fmt::format("{}", i)));
    expected.push_back(fmt::format("1/0:{}|", i));
  }
  ASSERT_TRUE(b.has_received(expected.size()));
  EXPECT_EQ(b.received(), expected);
  EXPECT_EQ(b.admitted, 1);
  EXPECT_EQ(a.links(), std::vector<std::string>{"2/0 up"});
}

TEST(OsNetwork, huge_messages_arrive_whole_between_small_ones) {
  Node a("n1");
  Node b("n2");
  a.connect(b, Channel::bulk);
  Buffer large(message_size_max);
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<Byte>(i * 7 + (i >> 11));
  Parts many;
  for (std::size_t i = 0; i < message_parts_max; ++i) many.push_back(part(std::to_string(i)));
  ASSERT_TRUE(a.send(b, "before", Channel::bulk));
  ASSERT_TRUE(a.network().send(PeerId{2}, Channel::bulk, {std::make_shared<Buffer>(large)}));
  ASSERT_TRUE(b.has_received(2));
  ASSERT_EQ(b.last().size(), 1U);
  EXPECT_TRUE(*b.last()[0] == large);
  ASSERT_TRUE(a.network().send(PeerId{2}, Channel::bulk, many));
  ASSERT_TRUE(b.has_received(3));
  EXPECT_EQ(text_of(b.last()), text_of(many));
  ASSERT_TRUE(a.send(b, "after", Channel::bulk));
  ASSERT_TRUE(b.has_received(4));
  EXPECT_EQ(b.received().back(), "1/2:after|");
}

TEST(OsNetwork, both_ways_and_all_channels_carry_messages_of_many_threads) {
  Node a("n1");
  Node b("n2");
  constexpr int each = 500;
  for (Channel channel : {Channel::control, Channel::entries, Channel::bulk}) {
    a.connect(b, channel);
    b.connect(a, channel);
  }
  std::vector<std::thread> threads;
  for (Channel channel : {Channel::control, Channel::entries, Channel::bulk}) {
    for (auto [from, to] : {std::pair{&a, &b}, std::pair{&b, &a}}) {
      threads.emplace_back([from = from, to = to, channel] {
        for (int i = 0; i < each; ++i) {
          while (!from->send(*to, fmt::format("{:04}", i), channel)) std::this_thread::yield();
          from->network().queued_bytes(to->id(), channel);
        }
      });
    }
  }
  for (std::thread& thread : threads) thread.join();
  for (Node* node : {&a, &b}) {
    ASSERT_TRUE(node->has_received(3 * each));
    std::vector<std::string> received = node->received();
    EXPECT_EQ(received.size(), 3U * each);
    // Each channel by itself is in order.
    std::ranges::stable_sort(received, {}, [](const std::string& text) { return text[2]; });
    EXPECT_TRUE(std::ranges::is_sorted(received));
  }
}

TEST(OsNetwork, a_refused_hello_is_told_to_the_sender_once_and_tried_again) {
  Node a("n1");
  Node b("n2");
  b.refuse("n1 is no member");
  a.knows(b);
  a.send(b, "x");
  ASSERT_TRUE(a.told("2/0 down: refused: n1 is no member"));
  while (b.admitted < 5) std::this_thread::yield();
  EXPECT_EQ(a.links().size(), 1U);
  EXPECT_FALSE(a.send(b, "x"));
  b.refuse(std::string(5000, 'y'));  // is cut
  ASSERT_TRUE(a.told("2/0 down: refused: yyy"));
  b.refuse("");
  ASSERT_TRUE(a.told("2/0 up"));
  EXPECT_EQ(a.links()[1].size(), std::string("2/0 down: refused: ").size() + 1024);
  EXPECT_TRUE(b.received().empty());
}

TEST(OsNetwork, links_are_made_again_after_the_peer_restarts) {
  Node a("n1");
  auto b = std::make_unique<Node>("n2");
  a.connect(*b);
  std::string address = b->network().address();
  ASSERT_TRUE(a.send(*b, "before"));
  ASSERT_TRUE(b->has_received(1));
  b.reset();
  ASSERT_TRUE(a.told("2/0 down: the peer closed the link"));
  ASSERT_TRUE(a.told("2/0 down: cannot connect to 127.0.0.1"));
  EXPECT_FALSE(a.network().send(PeerId{2}, Channel::control, {part("down")}));
  a.forget();
  b = std::make_unique<Node>("n2", quick(), address);
  ASSERT_TRUE(a.told("2/0 up"));
  ASSERT_TRUE(a.send(*b, "after"));
  ASSERT_TRUE(b->has_received(1));
  EXPECT_EQ(b->received(), std::vector<std::string>{"1/0:after|"});
}

TEST(OsNetwork, a_changed_address_moves_the_links_and_a_removed_peer_has_none) {
  Node a("n1");
  Node b("n2");
  Node moved("n2");
  a.connect(b);
  a.knows(b);  // the same: nothing happens
  ASSERT_TRUE(a.send(b, "old"));
  ASSERT_TRUE(b.has_received(1));
  a.forget();
  a.knows(moved);
  ASSERT_TRUE(a.told("2/0 down: the address of the peer changed"));
  ASSERT_TRUE(a.told("2/0 up"));
  ASSERT_TRUE(a.send(b, "new"));
  ASSERT_TRUE(moved.has_received(1));
  a.forget();
  a.network().remove_peer(PeerId{2});
  EXPECT_FALSE(a.send(b, "x"));
  a.network().set_peer(PeerId{2}, "nonsense");
  EXPECT_FALSE(a.send(b, "x"));
  ASSERT_TRUE(a.told("2/0 down: \"nonsense\" is no address"));
  EXPECT_EQ(a.links().size(), 1U);
}

TEST(OsNetwork, a_full_queue_refuses_and_a_slow_handler_is_not_flooded) {
  OsNetworkOptions options = quick();
  options.limits.queued_bytes_max = 1 << 20;
  options.limits.undelivered_bytes_max = 1 << 20;
  Node a("n1", options);
  Node b("n2", options);
  a.connect(b, Channel::control);
  a.connect(b, Channel::entries);
  b.is_stuck = true;
  SharedBytes megabyte = std::make_shared<Buffer>(1 << 20);
  // The kernel holds some megabytes, the link and the handler one each: then it ends.
  std::size_t sent = 0;
  for (int refusals = 0; refusals < 100 && sent < 1000;) {
    bool is_queued = a.network().send(PeerId{2}, Channel::entries, {megabyte});
    if (is_queued) ++sent;
    refusals = is_queued ? 0 : refusals + 1;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_LT(sent, 100U);
  EXPECT_FALSE(a.network().send(PeerId{2}, Channel::entries, {megabyte}));
  EXPECT_TRUE(a.send(b, "beat"));  // its own link, its own queue
  b.is_stuck = false;
  ASSERT_TRUE(b.has_received(sent + 1));
  EXPECT_EQ(b.received().size(), sent + 1);
  EXPECT_EQ(a.network().queued_bytes(PeerId{2}, Channel::entries), 0U);
}

TEST(OsNetwork, a_delay_holds_messages_back_together_in_order_and_outside_the_queue) {
  OsNetworkOptions options = quick();
  options.delay = [](PeerId to) {
    return LinkDelay{to == PeerId{2} ? milliseconds(300) : Duration{}};
  };
  options.limits.queued_bytes_max = 1000;
  Node a("n1", options);
  Node b("n2");
  Node c("n3");
  a.connect(b);
  a.connect(c);
  // A thousand delays in a row would take minutes, and do not fit the queue either.
  std::vector<std::string> expected;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(a.send(b, fmt::format("{}", i)));
    expected.push_back(fmt::format("1/0:{}|", i));
  }
  ASSERT_TRUE(a.send(c, "overtakes"));
  ASSERT_TRUE(c.has_received(1));
  ASSERT_TRUE(b.has_received(1000));
  EXPECT_EQ(b.received(), expected);
}

TEST(OsNetwork, a_handler_may_destroy_its_network_and_none_is_called_afterwards) {
  Node a("n1");
  std::unique_ptr<Executor> executor = os_executor("doomed");
  std::unique_ptr<Network> doomed = os_network(quick());
  std::atomic<int> calls = 0;
  Network::Handler handler;
  handler.admit = [](Bytes, const LinkPeer*) -> Result<PeerId> { return PeerId{1}; };
  handler.link = [](PeerId, Channel, bool, const std::string&) {};
  handler.received = [&](PeerId, Channel, const Parts&) {
    if (++calls == 3) doomed.reset();
  };
  ASSERT_TRUE(doomed->start("127.0.0.1:0", to_buffer(as_bytes("n2")), *executor, handler));
  a.network().set_peer(PeerId{2}, doomed->address());
  a.network().send(PeerId{2}, Channel::control, {});
  ASSERT_TRUE(a.told("2/0 up"));
  for (int i = 0; i < 100; ++i) a.network().send(PeerId{2}, Channel::control, {part("x")});
  ASSERT_TRUE(a.told("2/0 down"));
  executor->drain();
  EXPECT_EQ(calls, 3);
}

}  // namespace
}  // namespace meridian::io::internal
