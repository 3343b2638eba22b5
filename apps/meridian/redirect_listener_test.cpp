#include "redirect_listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/entropy.h"
#include "oidc/token_rig.h"

namespace meridian::app {
namespace {

using testing::HasSubstr;

class RedirectListenerTest : public testing::Test {
 protected:
  RedirectListenerTest() {
    auto started = RedirectListener::start(0);
    EXPECT_TRUE(started.has_value());
    listener_ = *std::move(started);
    attempt_ = oidc::make_attempt(crypto::sha256(as_bytes("key")), listener_->uri(), *entropy_);
  }

  std::unique_ptr<io::Entropy> entropy_ = io::os_entropy();
  std::unique_ptr<RedirectListener> listener_;
  oidc::Provider provider_ =
      *oidc::parse_provider(oidc::rig::Site::document().dump(), oidc::rig::rig_issuer);
  oidc::SignInAttempt attempt_;
};

TEST_F(RedirectListenerTest, it_is_on_loopback_and_says_where) {
  EXPECT_THAT(listener_->uri(), testing::MatchesRegex("http://127\\.0\\.0\\.1:[0-9]+/callback"));
}

TEST_F(RedirectListenerTest, nobody_comes_back_and_it_says_so) {
  listener_->expect(provider_, attempt_);
  const Result<std::string> code = listener_->wait(io::milliseconds(20));
  EXPECT_EQ(code.error().code, Code::unavailable);
  EXPECT_THAT(code.error().message, HasSubstr("begin again"));
}

TEST_F(RedirectListenerTest, a_port_is_one_commands_alone) {
  const std::string uri = listener_->uri();
  const std::size_t begin = uri.rfind(':') + 1;
  const auto port = static_cast<std::uint16_t>(std::stoul(uri.substr(begin)));
  EXPECT_EQ(RedirectListener::start(port).error().code, Code::unavailable);
}

}  // namespace
}  // namespace meridian::app
