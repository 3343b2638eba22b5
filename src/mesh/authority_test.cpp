#include "mesh/authority.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <set>

#include "mesh/internal/certificate_rig.h"
#include "mesh/internal/openssl.h"
#include "mesh/svid.h"
#include "sim/clock.h"
#include "sim/entropy.h"

namespace meridian::mesh {
namespace {

using internal::rig_now;
using internal::value_of;

const std::string domain = "eu-west.bank.example";

class AuthorityTest : public ::testing::Test {
 protected:
  sim::Clock clock_;
  sim::Entropy entropy_{1};
  CertificateAndKey root_ = value_of(make_root({.common_name = "Bank root"}, clock_, entropy_));
  crypto::P256PrivateKey ca_key_ = crypto::P256PrivateKey::generate();
  Certificate ca_ =
      value_of(make_regional(root_, *make_csr(ca_key_, "CA"),
                             {.trust_domain = domain, .common_name = "CA 1"}, clock_, entropy_));
  Authority authority_ = value_of(Authority::open(ca_, ca_key_, domain, clock_, entropy_));
  crypto::P256PrivateKey key_ = crypto::P256PrivateKey::generate();
  Buffer csr_ = *make_csr(key_, "payments");
  SpiffeId id_{domain, "/service/payments"};

  Result<Certificate> issue() { return authority_.issue(csr_, id_, svid_lifetime_default); }
};

TEST_F(AuthorityTest, its_own_name_as_a_server_is_nobody_elses) {
  const SpiffeId own = authority_id(domain);
  EXPECT_EQ(authority_.issue(csr_, own, 60).error().code, Code::permission_denied);
  EXPECT_EQ(value_of(authority_.issue_own(csr_, 60)).claimed_id(), own);
  EXPECT_EQ(authority_.issue_own(csr_, svid_lifetime_max + 1).error().code, Code::out_of_range);
}

TEST_F(AuthorityTest, what_it_issues_is_accepted_by_peers) {
  TrustBundle bundle = value_of(TrustBundle::make(domain, {ca_}, {root_.certificate}));
  TrustBundles bundles = value_of(TrustBundles().with(bundle));
  Certificate leaf = value_of(issue());
  for (WantedPeer::Side side : {WantedPeer::Side::client, WantedPeer::Side::server}) {
    auto peer = check_peer(CertificateChain{leaf}, bundles, {}, rig_now, {.side = side});
    ASSERT_TRUE(peer.has_value()) << peer.error().message;
    EXPECT_EQ(peer->id, id_);
  }
  EXPECT_EQ(leaf.spki_digest(), key_.spki_digest());
  EXPECT_EQ(leaf.not_before(), rig_now - 60);
  EXPECT_EQ(leaf.not_after(), rig_now + 3600);
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST_F(AuthorityTest, serials_are_positive_of_full_length_and_differ) {
  std::set<std::string> serials;
  for (int i = 0; i < 200; ++i) {
    Certificate leaf = value_of(issue());
    EXPECT_EQ(leaf.serial().size(), 32U);
    EXPECT_TRUE(leaf.serial()[0] >= '4' && leaf.serial()[0] <= '7') << leaf.serial();
    serials.insert(leaf.serial());
  }
  EXPECT_EQ(serials.size(), 200U);
}

TEST_F(AuthorityTest, ids_that_are_not_its_to_give_are_refused) {
  for (const SpiffeId& id :
       {SpiffeId{"eu-east.bank.example", "/service/x"}, SpiffeId{"bank.example", "/service/x"},
        SpiffeId{"x." + domain, "/service/x"}, SpiffeId{domain, ""}, SpiffeId{domain, "/ca/x"},
        SpiffeId{domain, "/ca"}}) {
    id_ = id;
    Result<Certificate> leaf = issue();
    ASSERT_FALSE(leaf.has_value()) << format_spiffe_id(id);
    EXPECT_EQ(leaf.error().code, Code::permission_denied);
  }
  for (const char* path : {"/a/", "a", "/a b", "/.."}) {
    id_ = {domain, path};
    ASSERT_FALSE(issue().has_value()) << path;
  }
  id_ = {domain + "/x", "/y"};  // would format as another id
  EXPECT_EQ(issue().error().code, Code::invalid_argument);
}

TEST_F(AuthorityTest, a_request_proves_possession_of_its_key) {
  EXPECT_EQ(value_of(check_csr(csr_)), key_.spki_digest());
  int refused = 0;
  for (std::size_t bit = 0; bit < csr_.size() * 8; ++bit) {
    Buffer changed = csr_;
    changed[bit / 8] ^= static_cast<Byte>(1U << bit % 8);
    Result<crypto::Digest> checked = check_csr(changed);
    if (!checked.has_value()) ++refused;
    EXPECT_FALSE(checked.has_value()) << bit;
  }
  EXPECT_EQ(refused, static_cast<int>(csr_.size() * 8));
  for (std::size_t size = 0; size < csr_.size(); ++size)
    EXPECT_FALSE(check_csr(Bytes(csr_).first(size)).has_value());
  csr_.push_back(0);
  EXPECT_FALSE(check_csr(csr_).has_value());
  EXPECT_EQ(issue().error().code, Code::invalid_argument);
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST_F(AuthorityTest, requests_for_other_keys_are_refused_by_name) {
  internal::PublicKey rsa(EVP_RSA_gen(2048));
  internal::Request request(X509_REQ_new());
  X509_REQ_set_pubkey(request.get(), rsa.get());
  X509_REQ_sign(request.get(), rsa.get(), EVP_sha256());
  csr_ = internal::to_der(i2d_X509_REQ, request.get());
  Result<Certificate> leaf = issue();
  ASSERT_FALSE(leaf.has_value());
  EXPECT_NE(leaf.error().message.find("RSA of 2048 bits"), std::string::npos)
      << leaf.error().message;
}

TEST_F(AuthorityTest, lifetimes_have_bounds_and_end_with_the_authority) {
  EXPECT_EQ(authority_.issue(csr_, id_, 0).error().code, Code::out_of_range);
  EXPECT_EQ(authority_.issue(csr_, id_, svid_lifetime_max + 1).error().code, Code::out_of_range);
  EXPECT_EQ(value_of(authority_.issue(csr_, id_, 5)).not_after(), rig_now + 5);
  clock_.advance(io::seconds(365LL * 86400 - 10));
  EXPECT_EQ(value_of(issue()).not_after(), ca_.not_after());
  clock_.advance(io::seconds(10));
  Result<Certificate> late = issue();
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code, Code::failed_precondition);
  EXPECT_NE(late.error().message.find("2024-11-13 22:13:20 UTC"), std::string::npos)
      << late.error().message;
}

TEST_F(AuthorityTest, an_authority_opens_only_with_its_own_certificate_and_key) {
  EXPECT_EQ(Authority::open(ca_, key_, domain, clock_, entropy_).error().code,
            Code::invalid_argument);
  EXPECT_EQ(Authority::open(ca_, ca_key_, "eu-east.bank.example", clock_, entropy_).error().code,
            Code::permission_denied);
  EXPECT_EQ(Authority::open(root_.certificate, root_.key, domain, clock_, entropy_).error().code,
            Code::permission_denied);
  Certificate leaf = value_of(issue());
  EXPECT_EQ(Authority::open(leaf, key_, domain, clock_, entropy_).error().code,
            Code::permission_denied);
}

TEST_F(AuthorityTest, a_root_makes_only_authorities_that_bundles_take) {
  Buffer csr = *make_csr(ca_key_, "CA");
  RegionalParameters good{.trust_domain = domain, .common_name = "CA 2"};
  EXPECT_TRUE(make_regional(root_, csr, good, clock_, entropy_).has_value());
  auto refused = [&](const CertificateAndKey& root, const RegionalParameters& parameters) {
    Result<Certificate> made = make_regional(root, csr, parameters, clock_, entropy_);
    return made.has_value() ? std::string("made") : std::string(name(made.error().code));
  };
  EXPECT_EQ(refused({root_.certificate, ca_key_}, good), "invalid_argument");
  EXPECT_EQ(refused({ca_, ca_key_}, good), "permission_denied");  // path length 0
  RegionalParameters parameters = good;
  parameters.trust_domain = "Bank";
  EXPECT_EQ(refused(root_, parameters), "invalid_argument");
  parameters = good;
  parameters.common_name = "";
  EXPECT_EQ(refused(root_, parameters), "invalid_argument");
  parameters = good;
  parameters.lifetime_seconds = 0;
  EXPECT_EQ(refused(root_, parameters), "invalid_argument");
  parameters.lifetime_seconds = 20LL * 365 * 86400 + 1;
  EXPECT_EQ(refused(root_, parameters), "invalid_argument");
  --parameters.lifetime_seconds;
  EXPECT_EQ(refused(root_, parameters), "made");
  EXPECT_FALSE(make_root({.common_name = ""}, clock_, entropy_).has_value());
}

}  // namespace
}  // namespace meridian::mesh
