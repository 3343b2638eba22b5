#include "sim/network.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/executor.h"

namespace meridian::sim {
namespace {

using io::Channel;
using io::PeerId;

io::SharedBytes part(std::string_view text) {
  return std::make_shared<Buffer>(to_buffer(as_bytes(text)));
}

/// A node that writes down what it is told. Its name is its hello; its id is in the name: "n1".
struct Node {
  Node(World& world, Net& net, std::string node_name)
      : name(std::move(node_name)),
        executor(world.make_executor(name)),
        network(net.make_network(name)) {
    io::Network::Handler handler;
    handler.admit = [this](Bytes hello, const auto*) -> Result<PeerId> {
      ++admitted;
      if (!refusal.empty()) return fail(Code::permission_denied, refusal);
      return id_of(as_text(hello));
    };
    handler.received = [this](PeerId from, Channel channel, io::Parts parts) {
      std::string text = fmt::format("{}/{}:", std::uint64_t(from), int(channel));
      for (const auto& bytes : parts) text += std::string(as_text(*bytes)) + "|";
      received.push_back(text);
      last = std::move(parts);
    };
    handler.link = [this](PeerId peer, Channel channel, bool is_up, const std::string& why) {
      links.push_back(fmt::format("{}/{} {}{}", std::uint64_t(peer), int(channel),
                                  is_up ? "up" : "down: ", why));
    };
    Status started = network->start(name + ":1", to_buffer(as_bytes(name)), *executor, handler);
    EXPECT_TRUE(started.has_value());
  }

  static PeerId id_of(std::string_view text) { return PeerId(std::uint64_t(text.back() - '0')); }
  void knows(const Node& peer) { network->set_peer(id_of(peer.name), peer.network->address()); }
  bool send(const Node& to, std::string_view text, Channel channel = Channel::control) {
    return network->send(id_of(to.name), channel, {part(text)});
  }

  std::string name;
  std::unique_ptr<io::Executor> executor;
  std::unique_ptr<io::Network> network;
  std::string refusal;
  int admitted = 0;
  std::vector<std::string> received;
  std::vector<std::string> links;
  io::Parts last;
};

/// Two nodes that know each other, with their links made.
struct Pair {
  explicit Pair(std::uint64_t seed = 1, NetOptions options = {})
      : world(seed), net(world, std::move(options)), a(world, net, "n1"), b(world, net, "n2") {
    a.knows(b);
    b.knows(a);
    connect();
  }
  void connect() {
    for (Channel channel : {Channel::control, Channel::entries, Channel::bulk}) {
      a.send(b, "wake", channel);
      b.send(a, "wake", channel);
    }
    world.advance(io::milliseconds(50));
    for (Node* node : {&a, &b}) {
      node->links.clear();
      node->received.clear();
    }
  }

  World world;
  Net net;
  Node a;
  Node b;
};

TEST(SimNetwork, an_address_that_is_none_or_taken_and_a_long_hello_are_refused) {
  World world(1);
  Net net(world);
  Node a(world, net, "n1");
  auto other = net.make_network("n2");
  for (std::string_view wrong : {"", "host", ":1", "host:", "host:x", "host:70000", "host:1x"}) {
    Status status = other->start(wrong, {}, *a.executor, {});
    ASSERT_FALSE(status.has_value()) << wrong;
    EXPECT_EQ(status.error().code, Code::invalid_argument);
  }
  Status status = other->start("n1:1", {}, *a.executor, {});
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::unavailable);
  status = other->start("n2:1", Buffer(513), *a.executor, {});
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::invalid_argument);
  ASSERT_TRUE(other->start("n1:0", {}, *a.executor, {}).has_value());
  EXPECT_NE(other->address(), "n1:0");
  EXPECT_NE(other->address(), "n1:1");
}

TEST(SimNetwork, the_first_send_connects_and_later_ones_arrive_in_order_part_by_part) {
  World world(1);
  Net net(world);
  Node a(world, net, "n1");
  Node b(world, net, "n2");
  EXPECT_FALSE(a.send(b, "to nobody"));
  a.knows(b);
  EXPECT_FALSE(a.send(b, "too early"));
  world.advance(io::milliseconds(1));
  EXPECT_TRUE(a.links.empty());  // a round trip takes two
  world.advance(io::milliseconds(1));
  EXPECT_EQ(a.links, std::vector<std::string>{"2/0 up"});
  EXPECT_EQ(b.admitted, 1);
  ASSERT_TRUE(a.network->send(PeerId{2}, Channel::control, {part("x"), part(""), part("yz")}));
  ASSERT_TRUE(a.network->send(PeerId{2}, Channel::control, {}));
  EXPECT_EQ(a.network->queued_bytes(PeerId{2}, Channel::control), 5 * 64 + 3U);
  world.advance(io::milliseconds(1));
  EXPECT_EQ(a.network->queued_bytes(PeerId{2}, Channel::control), 0U);
  EXPECT_EQ(b.received, (std::vector<std::string>{"1/0:x||yz|", "1/0:"}));
  EXPECT_EQ(b.admitted, 1);
}

TEST(SimNetwork, what_arrives_is_a_copy_unless_told_otherwise) {
  for (bool copy : {true, false}) {
    NetOptions options;
    options.copy_parts = copy;
    Pair pair(1, options);
    io::SharedBytes sent = part("same?");
    ASSERT_TRUE(pair.a.network->send(PeerId{2}, Channel::bulk, {sent}));
    pair.world.advance(io::milliseconds(1));
    ASSERT_EQ(pair.b.last.size(), 1U);
    EXPECT_EQ(*pair.b.last[0], *sent);
    EXPECT_EQ(pair.b.last[0] == sent, !copy);
  }
}

TEST(SimNetwork, a_refused_hello_is_told_to_the_sender_once_and_tried_again) {
  World world(1);
  Net net(world);
  Node a(world, net, "n1");
  Node b(world, net, "n2");
  b.refusal = "n1 is no member";
  a.knows(b);
  a.send(b, "x");
  world.advance(io::seconds(1));
  EXPECT_EQ(a.links, std::vector<std::string>{"2/0 down: refused: n1 is no member"});
  EXPECT_GT(b.admitted, 5);
  b.refusal = "n1 was removed";
  world.advance(io::seconds(1));
  b.refusal.clear();
  world.advance(io::seconds(1));
  EXPECT_EQ(a.links, (std::vector<std::string>{"2/0 down: refused: n1 is no member",
                                               "2/0 down: refused: n1 was removed", "2/0 up"}));
}

TEST(SimNetwork, nobody_listening_and_a_blocked_way_back_are_different_news) {
  World world(1);
  Net net(world);
  Node a(world, net, "n1");
  Node b(world, net, "n2");
  net.block("n2", "n1");
  a.knows(b);
  a.network->set_peer(PeerId{3}, "n3:1");
  a.send(b, "x");
  a.network->send(PeerId{3}, Channel::control, {});
  world.advance(io::seconds(3));
  EXPECT_EQ(a.links, (std::vector<std::string>{"3/0 down: nobody listens at n3:1",
                                               "2/0 down: no answer from n2:1"}));
  net.heal();
  world.advance(io::seconds(3));
  EXPECT_EQ(a.links.back(), "2/0 up");
}

TEST(SimNetwork, too_many_links_of_others_are_refused) {
  NetOptions options;
  options.limits.inbound_links_max = 2;
  Pair pair(1, options);
  EXPECT_TRUE(pair.a.send(pair.b, "x", Channel::control));
  EXPECT_TRUE(pair.a.send(pair.b, "x", Channel::entries));
  EXPECT_FALSE(pair.a.send(pair.b, "x", Channel::bulk));
  pair.a.network->remove_peer(PeerId{2});
  pair.a.knows(pair.b);
  EXPECT_FALSE(pair.a.send(pair.b, "x", Channel::bulk));
  pair.world.advance(io::milliseconds(50));
  EXPECT_TRUE(pair.a.send(pair.b, "x", Channel::bulk));
}

TEST(SimNetwork, each_message_is_delivered_doubled_or_lost_as_counted_and_a_seed_replays) {
  auto run = [](std::uint64_t seed, bool keeps_order) {
    Path path;
    path.jitter = io::milliseconds(5);
    if (!keeps_order) {
      path.loss = 0.1;
      path.duplicate = 0.1;
      path.reorder = 0.1;
    }
    NetOptions options;
    options.path = [path](const std::string&, const std::string&) { return path; };
    Pair pair(seed, options);
    for (int i = 0; i < 1000; ++i) {
      EXPECT_TRUE(pair.a.send(pair.b, fmt::format("{:04}", i)));
      pair.world.advance(io::milliseconds(1));
    }
    pair.world.advance(io::seconds(1));
    NetCounts counts = pair.net.counts("n1", "n2", Channel::control);
    EXPECT_EQ(counts.sent, 1000U);
    EXPECT_EQ(counts.sent + counts.doubled, counts.delivered + counts.lost);
    EXPECT_EQ(counts.delivered, pair.b.received.size());
    bool is_sorted = std::ranges::is_sorted(pair.b.received);
    EXPECT_EQ(is_sorted, keeps_order);
    if (!keeps_order) {
      EXPECT_NEAR(double(counts.lost), 100, 50);
      EXPECT_NEAR(double(counts.doubled), 100, 50);
    }
    EXPECT_EQ(pair.net.counts(Channel::control).delivered, counts.delivered);
    return std::pair{pair.world.trace_hash(), pair.b.received};
  };
  EXPECT_EQ(run(1, false), run(1, false));
  EXPECT_NE(run(1, false), run(2, false));
  run(3, true);
}

TEST(SimNetwork, a_block_of_one_direction_loses_only_that_silently) {
  Pair pair;
  ASSERT_TRUE(pair.a.send(pair.b, "in flight"));
  pair.world.run_until_idle();
  pair.net.block("n1", "n2");
  pair.world.advance(io::milliseconds(10));
  ASSERT_TRUE(pair.a.send(pair.b, "lost"));
  ASSERT_TRUE(pair.b.send(pair.a, "flows"));
  pair.world.advance(io::milliseconds(10));
  EXPECT_TRUE(pair.b.received.empty());
  EXPECT_EQ(pair.a.received.size(), 1U);
  pair.net.unblock("n1", "n2");
  ASSERT_TRUE(pair.a.send(pair.b, "healed"));
  pair.world.advance(io::milliseconds(10));
  EXPECT_EQ(pair.b.received, std::vector<std::string>{"1/0:healed|"});
  EXPECT_TRUE(pair.a.links.empty());
  EXPECT_EQ(pair.net.counts("n1", "n2", Channel::control).lost, 2U);
}

TEST(SimNetwork, a_partition_parts_groups_and_isolation_parts_from_all) {
  Pair pair;
  Node c(pair.world, pair.net, "n3");
  c.knows(pair.a);
  c.send(pair.a, "");
  pair.world.advance(io::milliseconds(10));
  pair.net.partition({{"n1", "n3"}, {"n2"}});
  pair.a.send(pair.b, "x");
  pair.b.send(pair.a, "x");
  c.send(pair.a, "within");
  pair.world.advance(io::milliseconds(10));
  EXPECT_EQ(pair.a.received, std::vector<std::string>{"3/0:within|"});
  EXPECT_TRUE(pair.b.received.empty());
  pair.net.heal();
  pair.net.isolate("n1");
  pair.b.send(pair.a, "x");
  c.send(pair.a, "x");
  pair.world.advance(io::milliseconds(10));
  EXPECT_EQ(pair.a.received.size(), 1U);
  pair.net.heal();
  c.send(pair.a, "healed");
  pair.world.advance(io::milliseconds(10));
  EXPECT_EQ(pair.a.received.back(), "3/0:healed|");
}

TEST(SimNetwork, a_held_channel_keeps_its_messages_up_to_the_bound_while_others_flow) {
  NetOptions options;
  options.limits.queued_bytes_max = 1000;
  Pair pair(1, options);
  pair.net.hold("n1", "n2", Channel::entries);
  std::string large(2000, 'e');
  EXPECT_TRUE(pair.a.send(pair.b, large, Channel::entries));  // one always fits
  EXPECT_FALSE(pair.a.send(pair.b, "second", Channel::entries));
  EXPECT_TRUE(pair.a.send(pair.b, "beat"));
  pair.world.advance(io::seconds(10));
  EXPECT_EQ(pair.b.received, std::vector<std::string>{"1/0:beat|"});
  EXPECT_EQ(pair.a.network->queued_bytes(PeerId{2}, Channel::entries), 2128U);
  pair.net.release("n1", "n2", Channel::entries);
  pair.world.advance(io::milliseconds(1));
  EXPECT_TRUE(pair.a.send(pair.b, "second", Channel::entries));
  pair.world.advance(io::milliseconds(1));
  EXPECT_EQ(pair.b.received.size(), 3U);
  EXPECT_EQ(pair.b.received.back(), "1/1:second|");
  EXPECT_EQ(pair.net.counts("n1", "n2", Channel::entries).lost, 0U);
}

TEST(SimNetwork, a_link_that_breaks_is_told_loses_its_queue_and_is_made_again) {
  std::size_t late = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Pair pair(seed);
    ASSERT_TRUE(pair.a.send(pair.b, "in flight"));
    pair.world.run_until_idle();
    ASSERT_TRUE(pair.a.send(pair.b, "queued"));
    pair.net.break_link("n1", "n2", Channel::control);
    EXPECT_FALSE(pair.a.send(pair.b, "down"));
    EXPECT_TRUE(pair.a.send(pair.b, "another link", Channel::entries));
    pair.world.advance(io::milliseconds(1));
    EXPECT_EQ(pair.a.links, std::vector<std::string>{"2/0 down: the link was cut"});
    late += static_cast<std::size_t>(std::ranges::count(pair.b.received, "1/0:in flight|"));
    EXPECT_EQ(std::ranges::count(pair.b.received, "1/0:queued|"), 0);
    EXPECT_EQ(pair.b.received.back(), "1/1:another link|");
    pair.world.advance(io::milliseconds(200));
    EXPECT_EQ(pair.a.links.back(), "2/0 up");
    EXPECT_TRUE(pair.a.send(pair.b, "again"));
    pair.world.advance(io::milliseconds(1));
    EXPECT_EQ(pair.b.received.back(), "1/0:again|");
  }
  EXPECT_GT(late, 0U);
  EXPECT_LT(late, 20U);
}

TEST(SimNetwork, a_large_message_delays_what_is_behind_it_on_its_channel_only) {
  Pair pair;
  Path path;
  path.bytes_per_second = 1 << 20;
  pair.net.set_path_both_ways("n1", "n2", path);
  ASSERT_TRUE(pair.a.send(pair.b, std::string(1 << 20, 'm'), Channel::entries));
  ASSERT_TRUE(pair.a.send(pair.b, "behind", Channel::entries));
  ASSERT_TRUE(pair.a.send(pair.b, "beat"));
  pair.world.advance(io::milliseconds(990));
  EXPECT_EQ(pair.b.received, std::vector<std::string>{"1/0:beat|"});
  EXPECT_GT(pair.a.network->queued_bytes(PeerId{2}, Channel::entries), 1U << 20);
  pair.world.advance(io::milliseconds(20));
  EXPECT_EQ(pair.b.received.size(), 3U);
  EXPECT_EQ(pair.b.received.back(), "1/1:behind|");
}

TEST(SimNetwork, a_crash_loses_what_is_in_flight_to_it_and_its_restart_is_found_again) {
  std::size_t from_the_dead = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Pair pair(seed);
    auto crashed = std::make_unique<Node>(pair.world, pair.net, "n3");
    pair.a.knows(*crashed);
    crashed->knows(pair.a);
    pair.a.send(*crashed, "");
    crashed->send(pair.a, "");
    pair.world.advance(io::milliseconds(10));
    pair.a.links.clear();
    ASSERT_TRUE(pair.a.send(*crashed, "to the dead"));
    ASSERT_TRUE(crashed->send(pair.a, "in flight"));
    pair.world.run_until_idle();
    ASSERT_TRUE(crashed->send(pair.a, "queued"));
    crashed.reset();
    pair.world.advance(io::milliseconds(10));
    EXPECT_EQ(pair.a.links, std::vector<std::string>{"3/0 down: the peer closed the link"});
    EXPECT_EQ(std::ranges::count(pair.a.received, "3/0:queued|"), 0);
    from_the_dead += pair.a.received.size();
    pair.world.advance(io::milliseconds(200));
    EXPECT_EQ(pair.a.links.back(), "3/0 down: nobody listens at n3:1");
    Node restarted(pair.world, pair.net, "n3");
    pair.world.advance(io::milliseconds(200));
    EXPECT_EQ(pair.a.links.back(), "3/0 up");
    EXPECT_EQ(restarted.admitted, 1);
    EXPECT_TRUE(restarted.received.empty());
    EXPECT_EQ(pair.net.counts("n1", "n3", Channel::control).lost, 1U);
    EXPECT_EQ(pair.net.counts("n3", "n1", Channel::control).lost, 2 - pair.a.received.size());
  }
  EXPECT_GT(from_the_dead, 0U);
  EXPECT_LT(from_the_dead, 20U);
}

TEST(SimNetwork, a_crash_is_told_to_those_who_send_nothing_too) {
  Pair pair;
  pair.b.network.reset();
  pair.world.advance(io::milliseconds(1));
  std::vector<std::string> links = pair.a.links;
  std::ranges::sort(links);
  EXPECT_EQ(links, (std::vector<std::string>{"2/0 down: the peer closed the link",
                                             "2/1 down: the peer closed the link",
                                             "2/2 down: the peer closed the link"}));
}

TEST(SimNetwork, a_crash_behind_a_partition_is_noticed_by_the_first_message_after_it) {
  Pair pair;
  auto crashed = std::make_unique<Node>(pair.world, pair.net, "n3");
  pair.a.knows(*crashed);
  pair.a.send(*crashed, "");
  pair.world.advance(io::milliseconds(10));
  pair.a.links.clear();
  pair.net.block_both_ways("n1", "n3");
  crashed.reset();
  Node restarted(pair.world, pair.net, "n3");
  pair.net.heal();
  pair.world.advance(io::seconds(10));
  EXPECT_TRUE(pair.a.links.empty());
  EXPECT_TRUE(pair.a.send(restarted, "to the dead"));
  pair.world.advance(io::milliseconds(10));
  EXPECT_EQ(pair.a.links, std::vector<std::string>{"3/0 down: the peer closed the link"});
  EXPECT_TRUE(restarted.received.empty());
}

TEST(SimNetwork, a_changed_address_moves_the_links_and_a_removed_peer_has_none) {
  Pair pair;
  Node c(pair.world, pair.net, "n3");
  pair.a.network->set_peer(PeerId{2}, pair.b.network->address());
  EXPECT_TRUE(pair.a.send(pair.b, "unchanged"));
  pair.a.network->set_peer(PeerId{2}, c.network->address());
  EXPECT_FALSE(pair.a.send(pair.b, "x"));
  pair.world.advance(io::milliseconds(200));
  EXPECT_EQ(std::ranges::count(pair.a.links, "2/0 down: the address of the peer changed"), 1);
  EXPECT_TRUE(pair.a.send(pair.b, "moved"));
  pair.world.advance(io::milliseconds(1));
  EXPECT_EQ(c.received, std::vector<std::string>{"1/0:moved|"});
  pair.a.links.clear();
  pair.a.network->remove_peer(PeerId{2});
  EXPECT_FALSE(pair.a.send(pair.b, "x"));
  pair.world.advance(io::seconds(1));
  EXPECT_FALSE(pair.a.send(pair.b, "x"));
  EXPECT_TRUE(pair.a.links.empty());
}

TEST(SimNetwork, no_handler_is_called_once_the_network_is_gone) {
  Pair pair;
  auto& executor = dynamic_cast<Executor&>(*pair.b.executor);
  executor.hold(true);
  ASSERT_TRUE(pair.a.send(pair.b, "x"));
  pair.world.advance(io::milliseconds(10));  // now it waits for the executor
  pair.b.network.reset();
  executor.hold(false);
  pair.world.advance(io::milliseconds(10));
  EXPECT_TRUE(pair.b.received.empty());
  EXPECT_EQ(pair.net.counts("n1", "n2", Channel::control).lost, 1U);
}

}  // namespace
}  // namespace meridian::sim
