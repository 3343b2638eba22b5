// More connections than there is room for, by real sockets.
#include "api/internal/grpc_listener.h"

#include <utility>  // Boost 1.74 forgets it

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <future>
#include <mutex>
#include <vector>

#include "api/grpc_server.h"
#include "api/internal/listen_socket.h"
#include "metrics/registry.h"

namespace meridian::api::internal {
namespace {

namespace net = boost::asio;

/// Hears who calls, and knows no method.
class Hearing final : public grpc::CallbackGenericService {
 public:
  std::string heard() const {
    const std::lock_guard lock(mutex_);
    return heard_;
  }

 private:
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    const std::lock_guard lock(mutex_);
    heard_ = context->peer();
    return CallbackGenericService::CreateReactor(context);
  }
  mutable std::mutex mutex_;
  std::string heard_;
};

class GrpcListenerTest : public ::testing::Test {
 protected:
  void start(const GrpcListenerLimits& limits) {
    auto opened = GrpcListener::open(*parse_listen_address("127.0.0.1:0"), limits, watch_, calls_);
    ASSERT_TRUE(opened.has_value());
    listener_ = std::move(*opened);
    grpc::ServerBuilder builder;
    builder.RegisterCallbackGenericService(&service_);
    listener_->add_to(builder, grpc::InsecureServerCredentials());
    server_ = builder.BuildAndStart();
    listener_->start();
  }
  void TearDown() override {
    listener_->stop();
    server_->Shutdown(gpr_now(GPR_CLOCK_MONOTONIC));  // silent ones would be waited for
  }
  std::shared_ptr<grpc::Channel> channel() const {
    grpc::ChannelArguments own;
    own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(format_listen_address(listener_->address()),
                                     grpc::InsecureChannelCredentials(), own);
  }
  static bool is_connected(grpc::Channel& channel, std::int64_t patience_ms) {
    return channel.WaitForConnected(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                                 gpr_time_from_millis(patience_ms, GPR_TIMESPAN)));
  }
  /// How the server names who calls by `channel`.
  std::string peer_of_call(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::GenericStub stub(channel);
    const grpc::Slice nothing;
    grpc::ByteBuffer request(&nothing, 1);
    grpc::ByteBuffer reply;
    grpc::ClientContext context;
    std::promise<grpc::Status> ended;
    stub.UnaryCall(&context, "/no/method", {}, &request, &reply,
                   [&](grpc::Status status) { ended.set_value(std::move(status)); });
    EXPECT_EQ(ended.get_future().get().error_code(), grpc::StatusCode::UNIMPLEMENTED);
    return service_.heard();
  }
  void come(int count) {
    const ListenAddress& to = listener_->address();
    for (int i = 0; i < count; ++i)
      silent_.emplace_back(context_).connect({net::ip::make_address(to.ip), to.port});
  }
  /// As far as the first byte of what would be a record of TLS of 512.
  void dribble(int count) {
    come(count);
    for (auto& one : silent_) net::write(one, net::buffer(std::string_view("\x16\x03\x01\x02", 4)));
  }
  void speak(int count) {
    const std::string record = std::string("\x16\x03\x01\x00\x20", 5) + std::string(32, 'x');
    const auto before = static_cast<std::ptrdiff_t>(silent_.size());
    come(count);
    for (auto one = silent_.begin() + before; one != silent_.end(); ++one) {
      boost::system::error_code closed;
      net::write(*one, net::buffer(record), closed);
    }
  }
  static bool is_closed(net::ip::tcp::socket& socket) {
    pollfd one{socket.native_handle(), POLLIN, 0};
    return ::poll(&one, 1, 10'000) == 1;  // nobody sends anything
  }
  std::uint64_t dropped(const std::string& reason) const {
    const std::string name = R"({interface="grpc",reason=")" + reason + R"("} )", text = counted();
    return std::stoull(text.substr(text.find(name) + name.size()));
  }
  std::string counted() const { return metrics_.text(); }

  metrics::Registry metrics_;
  CallCounts calls_{metrics_, "grpc"};
  PortWatch watch_;
  net::io_context context_;
  std::vector<net::ip::tcp::socket> silent_;

 private:
  Hearing service_;
  std::unique_ptr<GrpcListener> listener_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(GrpcListenerTest, silent_strangers_keep_nobody_out) {
  start({.handshake_timeout = io::seconds(60), .strangers_max = 8});
  come(50);
  const auto good = channel();
  EXPECT_TRUE(is_connected(*good, 10'000));
  // Eight of fifty-one may stay.
  EXPECT_NE(counted().find(R"({interface="grpc",reason="stranger"} 43)"), std::string::npos)
      << counted();
}

TEST_F(GrpcListenerTest, whose_call_was_heard_is_no_stranger) {
  start({.handshake_timeout = io::seconds(60), .strangers_max = 2});
  const auto good = channel();
  ASSERT_TRUE(is_connected(*good, 10'000));
  EXPECT_EQ(watch_.size(), 1U);
  watch_.met(peer_of_call(good));
  EXPECT_EQ(watch_.size(), 0U);
  come(20);
  const auto another = channel();
  EXPECT_TRUE(is_connected(*another, 10'000));
  EXPECT_EQ(good->GetState(false), GRPC_CHANNEL_READY);
}

TEST_F(GrpcListenerTest, who_is_known_stays_and_room_that_was_left_is_found) {
  start({.handshake_timeout = io::seconds(60), .strangers_max = 2, .connections_max = 4});
  std::vector<std::shared_ptr<grpc::Channel>> known;
  for (int i = 0; i < 4; ++i) {
    known.push_back(channel());
    ASSERT_TRUE(is_connected(*known.back(), 10'000));
    watch_.met(peer_of_call(known.back()));
  }
  EXPECT_FALSE(is_connected(*channel(), 500));
  EXPECT_NE(counted().find(R"({interface="grpc",reason="stranger"} 0)"), std::string::npos)
      << counted();
  for (const auto& one : known) EXPECT_EQ(one->GetState(false), GRPC_CHANNEL_READY);
  known.pop_back();
  EXPECT_TRUE(is_connected(*channel(), 20'000));
}

TEST_F(GrpcListenerTest, who_says_nothing_whole_is_closed_in_time_and_costs_no_handshake) {
  start({.handshake_timeout = io::seconds(1)});
  dribble(2 * HandshakePace::at_once);
  for (auto& one : silent_) ASSERT_TRUE(is_closed(one));
  EXPECT_EQ(watch_.size(), 0U);
  EXPECT_TRUE(is_connected(*channel(), 10'000));
  EXPECT_EQ(dropped("too_often"), 0U);
}

TEST_F(GrpcListenerTest, strangers_that_come_too_often_are_turned_away_and_the_known_are_not) {
  start({.handshake_timeout = io::seconds(60)});
  for (int i = 0; i < HandshakePace::at_once + 40; ++i) {
    const auto good = channel();
    ASSERT_TRUE(is_connected(*good, 10'000)) << i;
    watch_.met(peer_of_call(good));
  }
  EXPECT_EQ(dropped("too_often"), 0U);
  speak(3 * HandshakePace::at_once);
  for (auto& one : silent_) ASSERT_TRUE(is_closed(one));  // some by gRPC, that is no protocol
  EXPECT_GT(dropped("too_often"), HandshakePace::at_once);
}

TEST_F(GrpcListenerTest, it_stops_while_strangers_wait) {
  start({.handshake_timeout = io::seconds(60)});
  dribble(5);
}

TEST(OriginOf, a_network_of_v6_is_one) {
  const auto of = [](const char* text) { return origin_of(net::ip::make_address(text)); };
  EXPECT_EQ(of("10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(of("::ffff:10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_EQ(of("2001:db8:1:2::9"), of("2001:db8:1:2:ffff::"));
  EXPECT_NE(of("2001:db8:1:3::9"), of("2001:db8:1:2::9"));
}

}  // namespace
}  // namespace meridian::api::internal
