// Links in TLS: who is let in, who is told why not, and what happens when certificates change.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "io/internal/link_security_rig.h"
#include "io/internal/network_rig.h"

namespace meridian::io::internal {
namespace {

using std::chrono::steady_clock;

struct Pair {
  Authority authority;
  std::shared_ptr<RigSecurity> of_a = std::make_shared<RigSecurity>(authority, "n1");
  std::shared_ptr<RigSecurity> of_b = std::make_shared<RigSecurity>(authority, "n2");
  Node a{"n1", secured(of_a)};
  Node b{"n2", secured(of_b)};
};

/// What a node with `security` is told when it tries to talk to `to`.
testing::AssertionResult told(const std::shared_ptr<LinkSecurity>& security, Node& to,
                              const std::string& expected, const std::string& name = "n1") {
  Node node(name, secured(security));
  node.knows(to);
  node.send(to, "x");
  if (node.told(fmt::format("{}/0 down: {}", std::uint64_t(to.id()), expected))) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << (node.links().empty() ? "nothing" : node.links().back());
}

TEST(OsNetworkTls, messages_of_any_size_arrive_whole_and_in_order_both_ways) {
  Pair pair;
  pair.a.connect(pair.b, Channel::bulk);
  pair.b.connect(pair.a, Channel::control);
  Buffer large(message_size_max);
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<Byte>(i * 7 + (i >> 11));
  Parts many;
  for (std::size_t i = 0; i < message_parts_max; ++i) many.push_back(part(std::to_string(i)));
  ASSERT_TRUE(pair.a.send(pair.b, "before", Channel::bulk));
  ASSERT_TRUE(pair.a.network().send(PeerId{2}, Channel::bulk, {std::make_shared<Buffer>(large)}));
  ASSERT_TRUE(pair.b.has_received(2));
  EXPECT_TRUE(*pair.b.last()[0] == large);
  ASSERT_TRUE(pair.a.network().send(PeerId{2}, Channel::bulk, many));
  ASSERT_TRUE(pair.b.has_received(3));
  EXPECT_EQ(text_of(pair.b.last()), text_of(many));
  // Parts of sizes around that of a record, so that none falls on a border by chance.
  std::vector<std::string> expected;
  for (std::size_t size : {1U, 16'383U, 16'384U, 16'385U, 40'000U, 131'071U, 131'073U}) {
    SharedBytes bytes = std::make_shared<Buffer>(large.begin(), large.begin() + long(size));
    ASSERT_TRUE(pair.a.network().send(PeerId{2}, Channel::bulk, {part("h"), bytes, part("t")}));
    ASSERT_TRUE(pair.b.has_received(4 + expected.size()));
    ASSERT_EQ(pair.b.last().size(), 3U);
    EXPECT_TRUE(*pair.b.last()[1] == *bytes) << size;
    expected.emplace_back();
  }
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(pair.b.send(pair.a, fmt::format("{:04}", i)));
  ASSERT_TRUE(pair.a.has_received(1000));
  EXPECT_TRUE(std::ranges::is_sorted(pair.a.received()));
  EXPECT_EQ(pair.a.links(), std::vector<std::string>{"2/2 up"});
}

TEST(OsNetworkTls, who_may_not_talk_is_told_why_over_the_link) {
  Authority authority;
  Authority foreign;
  Node node("n2", secured(std::make_shared<RigSecurity>(authority, "n2")));
  auto nobody = std::make_shared<RigSecurity>(authority, "n1");
  nobody->show_nothing();
  EXPECT_TRUE(told(nobody, node, "refused: it shows no certificate"));
  auto stranger = std::make_shared<RigSecurity>(authority, "n1", foreign);
  EXPECT_TRUE(told(stranger, node, "refused: n1 is vouched for by nobody here"));
  auto expired = std::make_shared<RigSecurity>(authority, "n1");
  expired->renew(-60, -1);
  EXPECT_TRUE(told(expired, node, "refused: the certificate of n1 has ended"));
  auto other = std::make_shared<RigSecurity>(authority, "n3");
  EXPECT_TRUE(told(other, node, "refused: the hello is not of n3"));
  EXPECT_EQ(node.admitted, 1);
  EXPECT_TRUE(node.received().empty());
}

TEST(OsNetworkTls, who_answers_must_be_the_node_that_was_meant) {
  Authority authority;
  Authority foreign;
  auto security = std::make_shared<RigSecurity>(authority, "n1");
  Node stranger("n2", secured(std::make_shared<RigSecurity>(authority, "n2", foreign)));
  std::string at = "who answers at " + stranger.network().address();
  EXPECT_TRUE(told(security, stranger, at + ": n2 is vouched for by nobody here"));
  Node wrong("n2", secured(std::make_shared<RigSecurity>(authority, "n3")));
  at = "at " + wrong.network().address();
  EXPECT_TRUE(told(security, wrong, at + " answers replica 3 (n3), not 2: correct its address"));
  EXPECT_EQ(stranger.admitted + wrong.admitted, 0);
}

TEST(OsNetworkTls, plaintext_meets_tls_with_a_clear_error_at_both_ends) {
  Authority authority;
  auto security = std::make_shared<RigSecurity>(authority, "n1");
  Node with("n1", secured(security));
  Node without("n2");
  with.knows(without);
  without.knows(with);
  with.send(without, "x");
  without.send(with, "x");
  EXPECT_TRUE(
      with.told(fmt::format("2/0 down: {}: it answers without TLS", without.network().address())));
  EXPECT_TRUE(without.told("1/0 down: refused: links to this replica are TLS"));
  EXPECT_EQ(with.admitted + without.admitted, 0);
}

TEST(OsNetworkTls, an_older_tls_is_not_spoken) {
  Authority authority;
  auto security = std::make_shared<RigSecurity>(authority, "n1");
  Node node("n1", secured(security));
  int error = 0;
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    RawPeer peer(node.network().address());
    Openssl<SSL> ssl(SSL_new(security->context()->get()));
    SSL_set_max_proto_version(ssl.get(), version);
    SSL_set_fd(ssl.get(), peer.socket());
    int result = SSL_connect(ssl.get());
    EXPECT_EQ(result == 1, version == TLS1_3_VERSION);
    if (result != 1) error = ERR_GET_REASON(ERR_peek_error());
    ERR_clear_error();
  }
  EXPECT_EQ(error, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
}

TEST(OsNetworkTls, a_node_denied_while_it_talks_is_cut_off_within_seconds_and_told) {
  for (bool by_acceptor : {true, false}) {
    Pair pair;
    pair.a.connect(pair.b);
    ASSERT_TRUE(pair.a.send(pair.b, "before"));
    ASSERT_TRUE(pair.b.has_received(1));
    auto begin = steady_clock::now();
    if (by_acceptor) {
      pair.of_b->deny("n1");
      ASSERT_TRUE(pair.a.told("2/0 down: refused: n1 is denied"));
    } else {
      pair.of_a->deny("n2");
      ASSERT_TRUE(pair.a.told("2/0 down: n2 is denied"));
    }
    EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(5));
    EXPECT_FALSE(pair.a.send(pair.b, "after"));
    EXPECT_EQ(pair.b.received().size(), 1U);
  }
}

TEST(OsNetworkTls, a_link_does_not_outlive_its_certificate) {
  Pair pair;
  pair.of_a->renew(-60, 2);
  pair.a.connect(pair.b);
  EXPECT_TRUE(pair.a.told("2/0 down: refused: the certificate of n1 has ended"));
}

TEST(OsNetworkTls, renewed_certificates_are_shown_without_losing_a_message) {
  Pair pair;
  pair.a.connect(pair.b, Channel::entries);
  pair.a.connect(pair.b, Channel::control);
  std::atomic<bool> done = false;
  std::thread renewing([&] {
    for (int i = 0; i < 100; ++i) {
      pair.of_a->renew();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    done = true;
  });
  std::size_t sent = 0;
  SharedBytes filling = std::make_shared<Buffer>(50'000);
  while (!done) {
    bool ok = pair.a.network().send(PeerId{2}, Channel::entries,
                                    {part(fmt::format("{:08}", sent)), filling});
    if (ok) ++sent;
    if (pair.a.network().queued_bytes(PeerId{2}, Channel::entries) > (1 << 20)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  renewing.join();
  ASSERT_TRUE(pair.b.has_received(sent));
  std::vector<std::string> received = pair.b.received();
  EXPECT_EQ(received.size(), sent);
  EXPECT_TRUE(std::ranges::is_sorted(received));
  EXPECT_EQ(pair.a.links(), (std::vector<std::string>{"2/1 up", "2/0 up"}));
  EXPECT_GT(pair.b.admitted, 6);  // both links, about every second
}

TEST(OsNetworkTls, a_node_whose_handler_is_stuck_keeps_its_place_in_a_renewal) {
  Authority authority;
  auto of_a = std::make_shared<RigSecurity>(authority, "n1");
  OsNetworkOptions options = secured(std::make_shared<RigSecurity>(authority, "n2"));
  options.limits.undelivered_bytes_max = 1000;  // then it reads no further, nor sees the end
  Node a("n1", secured(of_a));
  Node b("n2", options);
  a.connect(b);
  b.is_stuck = true;
  const std::string large(100'000, 'x');
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(a.send(b, large));
  of_a->renew();
  std::this_thread::sleep_for(std::chrono::milliseconds(3500));
  ASSERT_TRUE(a.send(b, "last"));
  b.is_stuck = false;
  ASSERT_TRUE(b.has_received(21));
  EXPECT_EQ(b.received().back(), "1/0:last|");
  EXPECT_EQ(b.received().size(), 21U);
  EXPECT_EQ(a.links(), std::vector<std::string>{"2/0 up"});
}

TEST(OsNetworkTls, slow_and_broken_handshakes_are_closed_in_time_and_hold_up_nobody) {
  Authority authority;
  OsNetworkOptions options = secured(std::make_shared<RigSecurity>(authority, "n2"));
  options.limits.connect_timeout = milliseconds(400);
  options.limits.inbound_links_max = 8;
  Node node("n2", options);
  Buffer half_record{22, 3, 1, 2, 0, 1};
  Buffer garbage(300, 0xA5);
  garbage[0] = 22;
  std::vector<std::unique_ptr<RawPeer>> peers;
  for (const Buffer& bytes : {Buffer{}, half_record, garbage, Buffer{22}}) {
    peers.push_back(std::make_unique<RawPeer>(node.network().address()));
    peers.back()->write(bytes);
  }
  // One that shakes hands and then says nothing.
  RigSecurity silent(authority, "n1");
  peers.push_back(std::make_unique<RawPeer>(node.network().address()));
  Openssl<SSL> ssl(SSL_new(silent.context()->get()));
  SSL_set_fd(ssl.get(), peers.back()->socket());
  EXPECT_EQ(SSL_connect(ssl.get()), 1);
  Node good("n1", secured(std::make_shared<RigSecurity>(authority, "n1")));
  good.connect(node);
  ASSERT_TRUE(good.send(node, "while they are slow"));
  EXPECT_TRUE(node.has_received(1));
  for (auto& peer : peers) {
    Buffer alert = peer->read(4096);  // an alert, or nothing
    EXPECT_LT(alert.size(), 4096U);
    EXPECT_TRUE(peer->is_closed());
  }
  ASSERT_TRUE(good.send(node, "afterwards"));
  EXPECT_TRUE(node.has_received(2));
}

TEST(OsNetworkTls, one_link_too_many_is_told_so_after_its_handshake) {
  Authority authority;
  OsNetworkOptions options = secured(std::make_shared<RigSecurity>(authority, "n2"));
  options.limits.inbound_links_max = 1;
  Node node("n2", options);
  Node first("n1", secured(std::make_shared<RigSecurity>(authority, "n1")));
  first.connect(node);
  EXPECT_TRUE(told(std::make_shared<RigSecurity>(authority, "n3"), node,
                   "refused: 1 links are open here already", "n3"));
}

}  // namespace
}  // namespace meridian::io::internal
