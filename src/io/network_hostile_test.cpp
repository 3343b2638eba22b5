// What a socket may say that is no node, or no sane one.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "io/internal/network_rig.h"
#include "io/internal/peer_frame.h"

namespace meridian::io::internal {
namespace {

Buffer words(std::initializer_list<std::uint32_t> values) {
  Buffer out;
  ByteWriter writer(out);
  for (std::uint32_t value : values) writer.u32(value);
  return out;
}

TEST(OsNetworkHostile, bytes_of_something_else_are_told_what_this_is_and_closed) {
  Node node("n1");
  struct Case {
    Buffer bytes;
    std::string_view reply;
  };
  Buffer other_version = encode_greeting(Channel::bulk, as_bytes("n2"));
  other_version[8] = 9;
  Buffer other_channel = encode_greeting(Channel{7}, as_bytes("n2"));
  Buffer long_hello = encode_greeting(Channel::bulk, Buffer(513));
  Buffer endless_hello = encode_greeting(Channel::bulk, {});
  store_le<std::uint32_t>(endless_hello.data() + 12, 0xFFFFFFFF);
  for (const Case& c : {Case{to_buffer(as_bytes("GET / HTTP/1.1\r\n\r\n")), "these are not"},
                        Case{Buffer(100'000), "these are not"},
                        Case{other_version, "version 9 of the link; version 1 is spoken here"},
                        Case{other_channel, "channel 7 is not one of"},
                        Case{long_hello, "a hello of 513 bytes is longer than 512"},
                        Case{endless_hello, "a hello of 4294967295 bytes"},
                        Case{encode_greeting(Channel::bulk, {}), "an empty hello"}}) {
    RawPeer peer(node.network().address());
    peer.write(c.bytes);
    std::string reply = peer.reply();
    EXPECT_TRUE(reply.starts_with(c.reply)) << reply;
    EXPECT_TRUE(peer.is_closed());
  }
  EXPECT_EQ(node.admitted, 1);
}

TEST(OsNetworkHostile, a_frame_beyond_the_limits_closes_the_link_and_says_why) {
  Node node("n1");
  struct Case {
    Buffer bytes;
    std::string_view reply;
  };
  for (const Case& c :
       {Case{words({65'537}), "a message of 65537 parts; 65536 are allowed"},
        Case{words({0xFFFFFFFF}), "a message of 4294967295 parts"},
        Case{words({1, (16 << 20) + 1}), "a message of 16777217 bytes"},
        Case{words({2, 0xFFFFFFFF, 0xFFFFFFFF}), "a message of 8589934590 bytes"}}) {
    RawPeer peer(node.network().address());
    peer.greet("n2");
    EXPECT_EQ(peer.reply(), "admitted");
    node.forget();
    peer.write(words({1, 4, 0x64636261}));  // what was right before still arrives
    peer.write(c.bytes);
    std::string reply = peer.reply();
    EXPECT_TRUE(reply.starts_with(c.reply)) << reply;
    EXPECT_TRUE(peer.is_closed());
    ASSERT_TRUE(node.has_received(1));
    EXPECT_EQ(node.received(), std::vector<std::string>{"2/1:abcd|"});
  }
}

TEST(OsNetworkHostile, a_torn_message_is_never_delivered) {
  Node node("n1");
  {
    RawPeer peer(node.network().address());
    peer.greet("n2");
    EXPECT_EQ(peer.reply(), "admitted");
    peer.write(words({1, 8, 0x64636261}));
  }
  RawPeer peer(node.network().address());
  peer.greet("n2");
  EXPECT_EQ(peer.reply(), "admitted");
  peer.write(words({1, 4, 0x64636261}));
  ASSERT_TRUE(node.has_received(1));
  EXPECT_EQ(node.received(), std::vector<std::string>{"2/1:abcd|"});
}

TEST(OsNetworkHostile, a_newer_link_of_a_peer_replaces_the_older) {
  Node node("n1");
  RawPeer older(node.network().address());
  older.greet("n2");
  EXPECT_EQ(older.reply(), "admitted");
  RawPeer other(node.network().address());
  other.greet("n3");
  EXPECT_EQ(other.reply(), "admitted");
  RawPeer newer(node.network().address());
  newer.greet("n2");
  EXPECT_EQ(newer.reply(), "admitted");
  EXPECT_TRUE(older.is_closed());
  other.write(words({0}));
  newer.write(words({0}));
  EXPECT_TRUE(node.has_received(2));
}

TEST(OsNetworkHostile, too_many_links_are_refused_and_the_silent_ones_among_them_closed_in_time) {
  OsNetworkOptions options = quick();
  options.limits.inbound_links_max = 3;
  options.limits.connect_timeout = milliseconds(300);
  Node node("n1", options);
  std::vector<std::unique_ptr<RawPeer>> silent;
  for (int i = 0; i < 3; ++i) {
    silent.push_back(std::make_unique<RawPeer>(node.network().address()));
  }
  // Accepted in order, so these are the fourth to the twentieth: three are told, the others not.
  std::vector<std::string> replies;
  std::vector<std::unique_ptr<RawPeer>> flood;
  for (int i = 0; i < 17; ++i) {
    flood.push_back(std::make_unique<RawPeer>(node.network().address()));
    replies.push_back(flood.back()->reply());
  }
  EXPECT_TRUE(replies[0].ends_with("links are open here already")) << replies[0];
  EXPECT_GT(std::ranges::count(replies, "closed"), 0);
  for (auto& peer : silent) EXPECT_TRUE(peer->is_closed());
  flood.clear();
  Node late("n2", quick());
  late.connect(node);
  EXPECT_TRUE(late.send(node, "let in"));
  EXPECT_TRUE(node.has_received(1));
}

TEST(OsNetworkHostile, a_listener_that_answers_nonsense_or_nothing_is_told) {
  // A bare listener: the kernel accepts, nobody reads.
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  ASSERT_EQ(::listen(listener, 16), 0);
  socklen_t size = sizeof at;
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size), 0);
  OsNetworkOptions options = quick();
  options.limits.connect_timeout = milliseconds(100);
  Node node("n1", options);
  node.network().set_peer(PeerId{2}, fmt::format("127.0.0.1:{}", ntohs(at.sin_port)));
  node.network().send(PeerId{2}, Channel::control, {});
  ASSERT_TRUE(node.told("2/0 down: no answer from 127.0.0.1"));
  std::atomic<bool> done = false;
  std::thread nonsense([&] {
    while (!done) {
      int socket = ::accept(listener, nullptr, nullptr);
      ::send(socket, "SSH-2.0-OpenSSH_9.2\r\n", 21, MSG_NOSIGNAL);
      ::close(socket);
    }
  });
  EXPECT_TRUE(node.told("2/0 down: answer of 127.0.0.1"));
  done = true;
  { RawPeer last(fmt::format("127.0.0.1:{}", ntohs(at.sin_port))); }
  nonsense.join();
  ::close(listener);
}

}  // namespace
}  // namespace meridian::io::internal
