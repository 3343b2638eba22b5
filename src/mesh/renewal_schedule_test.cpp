#include "mesh/renewal_schedule.h"

#include <gtest/gtest.h>

#include <set>

#include "mesh/internal/certificate_rig.h"
#include "mesh/issuance_journal.h"
#include "mesh/svid.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/entropy.h"

namespace meridian::mesh {
namespace {

using internal::rig_now;
using internal::value_of;

const std::string domain = "eu-west.bank.example";

class RenewalScheduleTest : public ::testing::Test {
 protected:
  sim::Clock clock_;
  sim::Entropy entropy_{7};
  sim::Disk disk_;
  CertificateAndKey root_ = value_of(make_root({.common_name = "Bank root"}, clock_, entropy_));
  crypto::P256PrivateKey ca_key_ = crypto::P256PrivateKey::generate();
  Certificate ca_ =
      value_of(make_regional(root_, *make_csr(ca_key_, "CA"),
                             {.trust_domain = domain, .common_name = "CA 1"}, clock_, entropy_));
  Authority authority_ = value_of(Authority::open(ca_, ca_key_, domain, clock_, entropy_));
  std::unique_ptr<IssuanceJournal> journal_ =
      value_of(IssuanceJournal::open(disk_, "journal", domain));
  RenewalSchedule schedule_{clock_, entropy_};

  Certificate issue(std::int64_t lifetime) {
    crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
    return value_of(issue_on_record(authority_, *journal_, *make_csr(key, "a"),
                                    {domain, "/service/a"}, lifetime,
                                    {IssuanceGrounds::Kind::officer, "erika"}, clock_));
  }
  /// Seconds until it is due, looked at every 100 ms.
  double due_after(double limit) {
    for (double waited = 0; waited < limit; waited += 0.1, clock_.advance(io::milliseconds(100)))
      if (schedule_.is_due()) return waited;
    return limit;
  }
};

TEST_F(RenewalScheduleTest, nothing_is_due_before_a_certificate_is_held) {
  EXPECT_FALSE(schedule_.is_due());
  EXPECT_FALSE(schedule_.is_over());
}

TEST_F(RenewalScheduleTest, it_is_due_at_half_of_the_life_and_not_for_all_at_once) {
  std::set<std::int64_t> seen;
  for (int i = 0; i < 20; ++i) {
    schedule_.hold(issue(3600));
    const double due = due_after(3600);
    EXPECT_GE(due, 1'619);  // 1,800 less a twentieth of the life
    EXPECT_LE(due, 1'981);
    seen.insert(static_cast<std::int64_t>(due));
  }
  EXPECT_GT(seen.size(), 10U);
}

TEST_F(RenewalScheduleTest, one_of_seconds_is_due_at_half_of_them) {
  schedule_.hold(issue(10));
  const double due = due_after(10);
  EXPECT_GE(due, 4.4);
  EXPECT_LE(due, 5.6);
}

TEST_F(RenewalScheduleTest, tries_come_again_until_the_life_is_over) {
  schedule_.hold(issue(3600));
  int tries = 0;
  std::vector<std::int64_t> left;
  for (int tick = 0; tick < 36'100; ++tick, clock_.advance(io::milliseconds(100))) {
    if (!schedule_.is_due() || schedule_.is_over()) continue;
    schedule_.fail();
    left.push_back(schedule_.seconds_left());
    ++tries;
  }
  EXPECT_TRUE(schedule_.is_over());
  EXPECT_GE(tries, 30);   // a minute apart, then closer
  EXPECT_LE(tries, 300);  // and never in a rush
  EXPECT_LE(left.back(), 1);
  EXPECT_EQ(schedule_.failures(), static_cast<std::uint64_t>(tries));
  schedule_.hold(issue(3600));
  EXPECT_FALSE(schedule_.is_due());
  EXPECT_EQ(schedule_.failures(), 0U);
}

TEST_F(RenewalScheduleTest, a_clock_that_is_set_back_does_not_stretch_a_pause) {
  schedule_.hold(issue(3600));
  clock_.advance(io::seconds(2'000));
  ASSERT_TRUE(schedule_.is_due());
  schedule_.fail();
  clock_.set_wall(io::WallTime{(rig_now + 1'990) * 1'000'000'000ULL});
  clock_.advance(io::seconds(91));
  EXPECT_TRUE(schedule_.is_due());
}

/// Who issues needs nothing but its own directory: no ledger, no operator, no other region.
TEST_F(RenewalScheduleTest, an_identity_lives_through_a_day_in_which_only_its_authority_works) {
  const TrustBundles bundles = value_of(
      TrustBundles().with(value_of(TrustBundle::make(domain, {ca_}, {root_.certificate}))));
  Certificate held = issue(svid_lifetime_default);
  schedule_.hold(held);
  for (int second = 0; second < 24 * 3600; ++second, clock_.advance(io::seconds(1))) {
    const auto peer = check_peer(CertificateChain{held}, bundles, {}, rig_now + second, {});
    ASSERT_TRUE(peer.has_value()) << "after " << second << " s: " << peer.error().message;
    if (!schedule_.is_due()) continue;
    // The authority itself is away for a quarter of an hour of each six.
    if (second % (6 * 3600) < 900) {
      schedule_.fail();
      continue;
    }
    held = issue(svid_lifetime_default);
    schedule_.hold(held);
  }
  EXPECT_GE(journal_->head().count, 40U);
  EXPECT_LE(journal_->head().count, 60U);
}

}  // namespace
}  // namespace meridian::mesh
