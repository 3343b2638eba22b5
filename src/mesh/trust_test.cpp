#include "mesh/trust.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <functional>

#include "mesh/internal/certificate_rig.h"
#include "mesh/internal/openssl.h"

namespace meridian::mesh {
namespace {

using namespace internal;
using Type = GeneralName::Type;

const std::string domain = "eu-west.bank.example";

class Trust : public ::testing::Test {
 protected:
  Holder root_ = self_signed(root_spec());

  void expect_refused(const Certificate& authority, std::string_view words) {
    Result<TrustBundle> made = TrustBundle::make(domain, {authority}, {root_.certificate});
    ASSERT_FALSE(made.has_value()) << words;
    EXPECT_EQ(made.error().code, Code::permission_denied);
    EXPECT_NE(made.error().message.find(words), std::string::npos) << made.error().message;
    EXPECT_EQ(ERR_peek_error(), 0UL);
  }
  void expect_refused(std::string_view words, const std::function<void(CertificateSpec&)>& change) {
    CertificateSpec spec = authority_spec(domain);
    change(spec);
    expect_refused(signed_by(root_, spec).certificate, words);
  }
};

TEST_F(Trust, an_authority_constrained_to_its_domain_is_taken) {
  Certificate a = signed_by(root_, authority_spec(domain)).certificate;
  Certificate b = signed_by(root_, authority_spec(domain)).certificate;
  TrustBundle bundle = value_of(TrustBundle::make(domain, {a, b}, {root_.certificate}));
  EXPECT_TRUE(bundle.has_authority(a.fingerprint()));
  EXPECT_TRUE(bundle.has_authority(b.fingerprint()));
  EXPECT_FALSE(bundle.has_authority(root_.certificate.fingerprint()));
  EXPECT_EQ(bundle.trust_domain(), domain);
}

TEST_F(Trust, an_authority_that_lacks_a_constraint_is_refused_by_its_name) {
  expect_refused("not a CA", [](auto& spec) { spec.basic_constraints = "critical,CA:FALSE"; });
  expect_refused("not a CA", [](auto& spec) { spec.basic_constraints = ""; });
  expect_refused("path length", [](auto& spec) { spec.basic_constraints = "critical,CA:TRUE"; });
  expect_refused("path length",
                 [](auto& spec) { spec.basic_constraints = "critical,CA:TRUE,pathlen:1"; });
  expect_refused("critical", [](auto& spec) { spec.basic_constraints = "CA:TRUE,pathlen:0"; });
  expect_refused("key usage",
                 [](auto& spec) { spec.key_usage = "critical,keyCertSign,digitalSignature"; });
  expect_refused("key usage", [](auto& spec) { spec.key_usage = "critical,cRLSign"; });
  expect_refused("key usage", [](auto& spec) { spec.key_usage = "keyCertSign,cRLSign"; });
  expect_refused("key usage", [](auto& spec) { spec.key_usage = ""; });
  expect_refused("subject key identifier", [](auto& spec) { spec.key_identifiers = false; });
  expect_refused("name constraints", [](auto& spec) { spec.name_constraints.reset(); });
}

TEST_F(Trust, name_constraints_are_exactly_the_domains) {
  expect_refused("exactly the URIs",
                 [](auto& spec) { spec.name_constraints->permitted[0].value = "bank.example"; });
  expect_refused("exactly the URIs",
                 [](auto& spec) { spec.name_constraints->permitted[0].value = "." + domain; });
  expect_refused("exactly the URIs",
                 [](auto& spec) { spec.name_constraints->permitted[0].type = Type::dns; });
  expect_refused("exactly the URIs", [](auto& spec) { spec.name_constraints->permitted = {}; });
  expect_refused("exactly the URIs", [](auto& spec) {
    spec.name_constraints->permitted.push_back({Type::uri, "eu-east.bank.example"});
  });
  expect_refused("DNS", [](auto& spec) { spec.name_constraints->excluded[0].value = "a.example"; });
  constexpr std::string_view words[] = {"DNS", "IP", "IP", "e-mail"};
  for (std::size_t i = 0; i < std::size(words); ++i) {
    expect_refused(words[i], [i](auto& spec) {
      auto& list = spec.name_constraints->excluded;
      list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
    });
  }
}

TEST_F(Trust, other_keys_are_refused) {
  PublicKey key(EVP_EC_gen("P-384"));
  expect_refused(value_of(build_certificate(authority_spec(domain), key.get(), &root_.certificate,
                                            root_.key.handle())),
                 "P-256");
}

TEST_F(Trust, who_is_not_below_a_named_root_is_refused) {
  expect_refused(self_signed(authority_spec(domain)).certificate, "does not chain");
  Holder other = self_signed(root_spec());
  expect_refused(signed_by(other, authority_spec(domain)).certificate, "does not chain");
  // A stolen regional key below its own certificate, with everything else as it should be.
  Holder stolen = signed_by(root_, authority_spec(domain));
  expect_refused(signed_by(stolen, authority_spec(domain)).certificate, "does not chain");
  // The same, where somebody took a regional CA for a root.
  Result<TrustBundle> below = TrustBundle::make(
      domain, {signed_by(stolen, authority_spec(domain)).certificate}, {stolen.certificate});
  ASSERT_FALSE(below.has_value());
  EXPECT_NE(below.error().message.find("path length 0"), std::string::npos);
  // The root re-issued by whoever has that key: the same name, another key.
  Certificate reissued =
      value_of(build_certificate(root_spec(), stolen.key.handle(), nullptr, stolen.key.handle()));
  expect_refused(signed_by({reissued, stolen.key}, authority_spec(domain)).certificate,
                 "does not chain");
  // A root that is an authority itself.
  Certificate both = self_signed(authority_spec(domain)).certificate;
  Result<TrustBundle> made = TrustBundle::make(domain, {both}, {both});
  ASSERT_FALSE(made.has_value());
  EXPECT_NE(made.error().message.find("directly below"), std::string::npos);
}

TEST_F(Trust, bundles_have_bounds_and_no_doubles) {
  Certificate a = signed_by(root_, authority_spec(domain)).certificate;
  std::vector<Certificate> many;
  for (std::size_t i = 0; i <= bundle_authorities_max; ++i)
    many.push_back(signed_by(root_, authority_spec(domain)).certificate);
  const std::vector<Certificate> roots = {root_.certificate};
  for (const Result<TrustBundle>& made :
       {TrustBundle::make(domain, {}, roots), TrustBundle::make(domain, {a}, {}),
        TrustBundle::make(domain, {a, a}, roots), TrustBundle::make(domain, many, roots),
        TrustBundle::make(domain, {a},
                          std::vector<Certificate>(bundle_roots_max + 1, root_.certificate)),
        TrustBundle::make("Not a domain", {a}, roots)}) {
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().code, Code::invalid_argument);
  }
}

TEST_F(Trust, bundles_are_found_by_domain_and_replaced) {
  TrustBundles none;
  EXPECT_EQ(none.find(domain), nullptr);
  Certificate a = signed_by(root_, authority_spec(domain)).certificate;
  Certificate b = signed_by(root_, authority_spec(domain)).certificate;
  TrustBundles one =
      value_of(none.with(value_of(TrustBundle::make(domain, {a}, {root_.certificate}))));
  TrustBundles two =
      value_of(one.with(value_of(TrustBundle::make(domain, {b}, {root_.certificate}))));
  EXPECT_EQ(none.find(domain), nullptr);
  EXPECT_TRUE(one.find(domain)->has_authority(a.fingerprint()));
  EXPECT_FALSE(two.find(domain)->has_authority(a.fingerprint()));
  EXPECT_TRUE(two.find(domain)->has_authority(b.fingerprint()));
  EXPECT_EQ(two.trust_domains(), std::vector<std::string>{domain});
}

TEST_F(Trust, an_outside_pki_may_name_a_root_that_others_signed) {
  CertificateSpec spec = root_spec();
  spec.common_name = "Outside issuing CA";
  Holder issuing = signed_by(root_, spec);
  Certificate a = signed_by(issuing, authority_spec(domain)).certificate;
  EXPECT_TRUE(TrustBundle::make(domain, {a}, {issuing.certificate}).has_value());
  EXPECT_FALSE(TrustBundle::make(domain, {a}, {root_.certificate}).has_value());
}

}  // namespace
}  // namespace meridian::mesh
