#include "mesh/credentials.h"

#include <gtest/gtest.h>

#include "mesh/internal/certificate_rig.h"
#include "sim/clock.h"

namespace meridian::mesh {
namespace {

using namespace internal;

class CredentialsTest : public ::testing::Test {
 protected:
  sim::Clock clock_;
  metrics::Registry metrics_;
  Credentials credentials_{clock_, metrics_};
  Holder root_ = self_signed(root_spec());
  Region region_ = Region::make(root_, "eu-west.bank.example");
  Holder own_ = region_.leaf("/node/a");
  Holder peer_ = region_.leaf("/service/b");

  void hold_bundle() {
    credentials_.replace_bundles(value_of(TrustBundles().with(region_.bundle)));
  }
  Result<PeerIdentity> verify(const Holder& holder) {
    std::vector<Bytes> chain = {holder.certificate.der()};
    return credentials_.verify(chain, {});
  }
  bool counted(std::string_view reason, int count) {
    return metrics_.text().find("meridian_mesh_refusals_total{reason=\"" + std::string(reason) +
                                "\"} " + std::to_string(count) + "\n") != std::string::npos;
  }
};

TEST_F(CredentialsTest, nobody_is_trusted_at_first) {
  EXPECT_EQ(credentials_.own(), nullptr);
  Result<PeerIdentity> peer = verify(peer_);
  ASSERT_FALSE(peer.has_value());
  EXPECT_EQ(peer.error().code, Code::permission_denied);
  EXPECT_TRUE(counted("unknown_trust_domain", 1));
  EXPECT_TRUE(counted("expired", 0));
}

TEST_F(CredentialsTest, a_certificate_that_peers_would_refuse_is_not_put_on) {
  EXPECT_EQ(credentials_.replace_own({own_.certificate}, own_.key).error().code,
            Code::permission_denied);
  hold_bundle();
  EXPECT_EQ(credentials_.replace_own({own_.certificate}, peer_.key).error().code,
            Code::invalid_argument);
  EXPECT_EQ(credentials_.replace_own({}, own_.key).error().code, Code::invalid_argument);
  CertificateSpec server_only = leaf_spec(region_.uri("/node/a"));
  server_only.extended_key_usage = "serverAuth";
  Holder half = signed_by(region_.authority, server_only);
  EXPECT_FALSE(credentials_.replace_own({half.certificate}, half.key).has_value());
  EXPECT_EQ(credentials_.own(), nullptr);
  EXPECT_TRUE(credentials_.replace_own({own_.certificate}, own_.key).has_value());
  clock_.advance(io::seconds(3600));
  Status late = credentials_.replace_own({own_.certificate}, own_.key);
  ASSERT_FALSE(late.has_value());
  EXPECT_NE(late.error().message.find("peers would refuse it"), std::string::npos);
  EXPECT_EQ(credentials_.own()->version, 1U);
}

TEST_F(CredentialsTest, versions_count_up_and_old_snapshots_stay) {
  hold_bundle();
  ASSERT_TRUE(credentials_.replace_own({own_.certificate}, own_.key).has_value());
  std::shared_ptr<const OwnIdentity> first = credentials_.own();
  Holder renewed = region_.leaf("/node/a");
  ASSERT_TRUE(
      credentials_.replace_own({renewed.certificate, region_.authority.certificate}, renewed.key)
          .has_value());
  std::shared_ptr<const OwnIdentity> second = credentials_.own();
  EXPECT_EQ(first->version, 1U);
  EXPECT_EQ(second->version, 2U);
  EXPECT_EQ(first->chain, CertificateChain{own_.certificate});
  EXPECT_EQ(format_spiffe_id(second->id), region_.uri("/node/a"));
  EXPECT_EQ(value_of(parse_pem_chain(second->chain_pem)), second->chain);
  EXPECT_EQ(value_of(crypto::P256PrivateKey::from_pem(as_text(second->key_pem.bytes()))),
            renewed.key);
  EXPECT_NE(metrics_.text().find("meridian_mesh_certificate_not_after_seconds 1700003600\n"),
            std::string::npos);
}

TEST_F(CredentialsTest, open_connections_end_by_time_denial_and_bundle) {
  hold_bundle();
  PeerIdentity peer = value_of(verify(peer_));
  EXPECT_TRUE(credentials_.check(peer).has_value());
  ASSERT_TRUE(credentials_
                  .replace_deny_list(
                      value_of(DenyList::make(region_.domain, 3, {{peer.serial, "stolen", 0}})))
                  .has_value());
  EXPECT_FALSE(credentials_.check(peer).has_value());
  EXPECT_TRUE(counted("denied", 1));
  EXPECT_EQ(
      credentials_.replace_deny_list(value_of(DenyList::make(region_.domain, 2, {}))).error().code,
      Code::failed_precondition);
  EXPECT_FALSE(verify(peer_).has_value());
  ASSERT_TRUE(
      credentials_.replace_deny_list(value_of(DenyList::make(region_.domain, 4, {}))).has_value());
  EXPECT_TRUE(credentials_.check(peer).has_value());
  clock_.advance(io::seconds(3600));
  EXPECT_FALSE(credentials_.check(peer).has_value());
  EXPECT_TRUE(counted("expired", 1));
  credentials_.replace_bundles(TrustBundles());
  clock_.set_wall(io::WallTime{1'700'000'000'000'000'000});
  EXPECT_FALSE(credentials_.check(peer).has_value());
  EXPECT_TRUE(counted("untrusted_chain", 1));
}

TEST_F(CredentialsTest, bytes_that_are_no_certificates_are_counted_as_malformed) {
  Buffer noise(100, 7);
  std::vector<Bytes> chain = {noise};
  Result<PeerIdentity> peer = credentials_.verify(chain, {});
  EXPECT_FALSE(peer.has_value());
  EXPECT_TRUE(counted("malformed", 1));
  EXPECT_FALSE(credentials_.verify({}, {}).has_value());
  EXPECT_TRUE(counted("no_certificate", 1));
}

}  // namespace
}  // namespace meridian::mesh
