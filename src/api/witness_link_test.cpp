// A log's way to its witness over real sockets: to a real one, to none, and to a silent one.
#include <gtest/gtest.h>

#include <future>

#include "api/internal/witness_http_rig.h"
#include "api/witness_link_http.h"

namespace meridian::api {
namespace {

using Reply = witness::WitnessLink::Reply;

Result<Reply> call(witness::WitnessLink& link, std::string body) {
  std::promise<Result<Reply>> promise;
  auto future = promise.get_future();
  link.add_checkpoint(std::move(body),
                      [&](Result<Reply> reply) { promise.set_value(std::move(reply)); });
  return future.get();
}

struct WitnessLinkTest : testing::Test {
  proof::Signer log{"test/log/1", proof::KeyType::ed25519, std::array<Byte, 32>{1}};
  WitnessHttpRig rig{{log.verifier()}};
  std::string body = proof::format_add_checkpoint(
      {proof::TreeSize{0}, {}, *proof::sign_checkpoint({proof::TreeSize{3}, proof::Hash{1}}, log)});

  std::unique_ptr<witness::WitnessLink> link(const std::string& prefix = "",
                                             io::Duration timeout = io::seconds(5)) {
    auto made =
        make_witness_link("http://" + format_listen_address(rig.http->address()) + prefix, timeout);
    EXPECT_TRUE(made.has_value());
    return std::move(*made);
  }
};

TEST_F(WitnessLinkTest, a_witness_answers_each_request) {
  rig.start();
  const auto way = link("/");
  for (int i = 0; i < 2; ++i) {
    const Result<Reply> reply = call(*way, body);
    ASSERT_TRUE(reply.has_value()) << reply.error().message;
    EXPECT_EQ(reply->status, i == 0 ? 200U : 409U);
  }
  EXPECT_EQ(call(*link("/elsewhere"), body)->status, 404U);
}

TEST_F(WitnessLinkTest, nobody_there_is_unavailable_and_may_be_asked_again) {
  rig.start();
  const auto way = link();
  const ListenAddress address = rig.http->address();
  rig.stop();
  const Result<Reply> reply = call(*way, body);
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().code, Code::unavailable);
  EXPECT_NE(reply.error().message.find("refused"), std::string::npos) << reply.error().message;
  rig.start(address);
  EXPECT_EQ(call(*way, body)->status, 200U);
}

TEST_F(WitnessLinkTest, a_silent_witness_is_given_up_in_time_and_never_holds_up_the_end) {
  rig.start();
  std::promise<void> release;
  rig.executor->post([future = release.get_future().share()] { future.wait(); });
  {
    const auto way = link("", io::milliseconds(200));
    const Result<Reply> reply = call(*way, body);
    ASSERT_FALSE(reply.has_value());
    EXPECT_EQ(reply.error().message, "no answer in time");
  }
  const io::MonotonicTime began = rig.clock->monotonic();
  bool called = false;
  {
    const auto way = link("", io::seconds(60));
    way->add_checkpoint(body, [&](const Result<Reply>&) { called = true; });
  }
  EXPECT_LT(rig.clock->monotonic() - began, io::seconds(10));
  EXPECT_FALSE(called) << "nothing is called back once the link is gone";
  release.set_value();
}

TEST(WitnessLinkUrl, is_plain_http_with_a_host) {
  for (const char* good :
       {"http://127.0.0.1:1", "http://localhost", "http://[::1]:80/a/b", "http://witness.example/"})
    EXPECT_TRUE(make_witness_link(good).has_value()) << good;
  for (const char* bad : {"", "https://a", "ftp://a", "http://", "http://:80",
                          "http://a:", "http://a:b", "http://[::1", "http://[::1]x", "http://a/?b",
                          "http://a b/", "http://u@a/", "http://a:123456"}) {
    const auto link = make_witness_link(bad);
    ASSERT_FALSE(link.has_value()) << bad;
    EXPECT_EQ(link.error().code, Code::invalid_argument);
  }
}

}  // namespace
}  // namespace meridian::api
