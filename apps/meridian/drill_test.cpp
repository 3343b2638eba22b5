// A clock that is two hours wrong, at a member: what it is told, and that nothing is left of it
// when the clock is right again. The other drills are tests/cluster/rotation.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "api/authority_client.h"
#include "api/authority_server.h"
#include "api/tls13.h"
#include "ca_desk.h"
#include "deployment_rig.h"
#include "mesh/renewal_schedule.h"

namespace meridian::app {
namespace {

using testing::HasSubstr;

/// The kernel's, but for an error of the wall time.
class WrongClock final : public io::Clock {
 public:
  io::Timestamp now() override {
    io::Timestamp right = right_->now();
    right.time = io::WallTime{static_cast<std::uint64_t>(static_cast<std::int64_t>(right.time) +
                                                         error_s_ * 1'000'000'000)};
    return right;
  }
  io::MonotonicTime monotonic() override { return right_->monotonic(); }
  void be_wrong_by(std::int64_t seconds) { error_s_ = seconds; }

 private:
  std::unique_ptr<io::Clock> right_ = io::os_clock();
  std::atomic<std::int64_t> error_s_ = 0;
};

class ClockDrill : public testing::Test {
 protected:
  static constexpr std::int64_t hours = 3'600;
  static void SetUpTestSuite() { api::require_tls13(); }

  void SetUp() override {
    auto desk =
        CaDesk::open({bank_.authority_options(), 3'600, [](const std::string&) {}}, metrics_);
    ASSERT_TRUE(desk.has_value()) << desk.error().message;
    desk_ = *std::move(desk);
    auto server =
        api::AuthorityServer::start({desk_->calls(), desk_->credentials(), desk_->clock(), calls_},
                                    *api::parse_listen_address("127.0.0.1:0"));
    ASSERT_TRUE(server.has_value()) << server.error().message;
    server_ = *std::move(server);
    bank_.issue("pay", bank_.place("pay"));
    auto identity = IdentityDirectory::open(bank_.place("pay"), clock_, of_member_);
    ASSERT_TRUE(identity.has_value()) << identity.error().message;
    identity_ = *std::move(identity);
    schedule_.hold(identity_->credentials().own()->chain.front());
  }
  /// "": it was renewed.
  std::string renew() {
    api::AuthorityClient client(api::format_listen_address(server_->address()));
    const crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
    const auto chain =
        client.renew(identity_->credentials(), Deployment::domain, *mesh::make_csr(key, "pay"));
    if (!chain) return chain.error().message;
    const Status on = identity_->renew(*chain, key);
    return on ? "" : on.error().message;
  }

  Deployment bank_{"clock"};
  metrics::Registry metrics_, of_member_;
  api::CallCounts calls_{metrics_, "authority"};
  std::unique_ptr<CaDesk> desk_;
  std::unique_ptr<api::AuthorityServer> server_;
  WrongClock clock_;
  std::unique_ptr<io::Entropy> entropy_ = io::os_entropy();
  mesh::RenewalSchedule schedule_{clock_, *entropy_};
  std::unique_ptr<IdentityDirectory> identity_;
};

TEST_F(ClockDrill, two_hours_ahead_everything_looks_over_and_is_not) {
  clock_.be_wrong_by(2 * hours);
  EXPECT_THAT(renew(), HasSubstr("ended at"));
  EXPECT_TRUE(schedule_.is_over());
  metrics::Registry metrics;
  const auto restarted = IdentityDirectory::open(bank_.place("pay"), clock_, metrics);
  ASSERT_FALSE(restarted.has_value());
  EXPECT_THAT(restarted.error().message, HasSubstr("clock"));
  clock_.be_wrong_by(0);
  EXPECT_FALSE(schedule_.is_over());
  EXPECT_EQ(renew(), "");
}

TEST_F(ClockDrill, two_hours_behind_nothing_has_begun_and_then_it_has) {
  clock_.be_wrong_by(-2 * hours);
  EXPECT_THAT(renew(), HasSubstr("clock"));
  EXPECT_FALSE(schedule_.is_due());
  clock_.be_wrong_by(0);
  EXPECT_EQ(renew(), "");
}

}  // namespace
}  // namespace meridian::app
