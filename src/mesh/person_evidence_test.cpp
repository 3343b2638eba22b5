#include "mesh/person_evidence.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include "mesh/authority.h"
#include "mesh/internal/certificate_rig.h"
#include "mesh/svid.h"
#include "sim/clock.h"
#include "sim/entropy.h"

namespace meridian::mesh {
namespace {

using internal::rig_now;
using internal::value_of;

const PersonEvidence sample{"https://login.bank.example", true, {"pwd", "otp"}, rig_now};

TEST(PersonEvidence, what_is_encoded_decodes_and_nothing_else_does) {
  for (const PersonEvidence& evidence :
       {sample, PersonEvidence{"x", false, {}, std::nullopt}, PersonEvidence{"x", false, {"a"}, 0},
        PersonEvidence{
            std::string(evidence_issuer_size_max, 'i'), true,
            std::vector(evidence_methods_max, std::string(evidence_method_size_max, 'm')), 1}})
    EXPECT_EQ(value_of(decode_person_evidence(value_of(encode_person_evidence(evidence)))),
              evidence);
  const Buffer der = value_of(encode_person_evidence(sample));
  for (std::size_t size = 0; size < der.size(); ++size)
    EXPECT_FALSE(decode_person_evidence(Bytes(der).first(size)).has_value()) << size;
  for (std::size_t bit = 0; bit < der.size() * 8; ++bit) {
    Buffer changed = der;
    changed[bit / 8] ^= static_cast<Byte>(1U << bit % 8);
    const Result<PersonEvidence> decoded = decode_person_evidence(changed);
    if (!decoded) continue;
    EXPECT_EQ(value_of(encode_person_evidence(*decoded)), changed) << bit;
  }
  Buffer longer = der;
  longer.push_back(0);
  EXPECT_FALSE(decode_person_evidence(longer).has_value());
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(PersonEvidence, what_would_read_as_something_else_is_not_encoded) {
  for (const PersonEvidence& evidence :
       {PersonEvidence{"", true, {}, 1}, PersonEvidence{"a b", true, {}, 1},
        PersonEvidence{"a\nsecond-factor yes", false, {}, 1}, PersonEvidence{"a", true, {""}, 1},
        PersonEvidence{"a", true, {"b c"}, 1}, PersonEvidence{"a", true, {"\xc3\xbc"}, 1},
        PersonEvidence{"a", true, {}, -1},
        PersonEvidence{"a", true, std::vector<std::string>(evidence_methods_max + 1, "m"), 1}})
    EXPECT_EQ(encode_person_evidence(evidence).error().code, Code::invalid_argument);
}

TEST(PersonEvidence, a_second_factor_counts_for_so_long_and_not_from_the_future) {
  EXPECT_TRUE(sample.is_mfa_within(rig_now, 600));
  EXPECT_TRUE(sample.is_mfa_within(rig_now + 600, 600));
  EXPECT_FALSE(sample.is_mfa_within(rig_now + 601, 600));
  EXPECT_TRUE(sample.is_mfa_within(rig_now - evidence_leeway_seconds, 600));
  EXPECT_FALSE(sample.is_mfa_within(rig_now - evidence_leeway_seconds - 1, 600));
  PersonEvidence other = sample;
  other.is_mfa = false;
  EXPECT_FALSE(other.is_mfa_within(rig_now, 600));
  other = sample;
  other.auth_time.reset();
  EXPECT_FALSE(other.is_mfa_within(rig_now, 600));
}

class EvidenceInCertificate : public ::testing::Test {
 protected:
  static constexpr const char* domain = "eu-west.bank.example";

  Certificate leaf_with(std::vector<internal::PrivateExtension> extensions,
                        const std::string& path = "/person/ada") {
    internal::CertificateSpec spec = internal::leaf_spec(region_.uri(path));
    spec.private_extensions = std::move(extensions);
    return internal::signed_by(region_.authority, spec).certificate;
  }
  auto check(const Certificate& leaf) {
    return check_peer(CertificateChain{leaf}, value_of(TrustBundles().with(region_.bundle)), {},
                      rig_now, {.side = WantedPeer::Side::client});
  }

  internal::Holder root_ = internal::self_signed(internal::root_spec());
  internal::Region region_ = internal::Region::make(root_, domain);
  sim::Clock clock_;
  sim::Entropy entropy_{1};
  Authority authority_ = value_of(Authority::open(region_.authority.certificate,
                                                  region_.authority.key, domain, clock_, entropy_));
  Buffer csr_ = *make_csr(crypto::P256PrivateKey::generate(), "");
};

TEST_F(EvidenceInCertificate, a_server_sees_what_the_authority_put_in) {
  const auto signed_in =
      check(value_of(authority_.issue(csr_, {domain, "/person/ada"}, 60, sample)));
  ASSERT_TRUE(signed_in.has_value()) << signed_in.error().message;
  EXPECT_EQ(signed_in->evidence, sample);
  const auto by_hand = check(value_of(authority_.issue(csr_, {domain, "/person/ada"}, 60)));
  ASSERT_TRUE(by_hand.has_value());
  EXPECT_EQ(by_hand->evidence, std::nullopt);
}

TEST_F(EvidenceInCertificate, only_a_person_signs_in) {
  EXPECT_EQ(authority_.issue(csr_, {domain, "/service/pay"}, 60, sample).error().code,
            Code::invalid_argument);
  const auto peer = check(
      leaf_with({{person_evidence_oid, value_of(encode_person_evidence(sample))}}, "/service/pay"));
  ASSERT_FALSE(peer.has_value());
  EXPECT_EQ(peer.error().reason, RefusalReason::malformed);
}

TEST_F(EvidenceInCertificate, damaged_or_doubled_it_refuses_the_certificate) {
  const Buffer good = value_of(encode_person_evidence(sample));
  EXPECT_TRUE(check(leaf_with({{person_evidence_oid, good}})).has_value());
  for (const auto& extensions :
       {std::vector<internal::PrivateExtension>{{person_evidence_oid, to_buffer(as_bytes("no"))}},
        {{person_evidence_oid, good}, {person_evidence_oid, good}}}) {
    const auto peer = check(leaf_with(extensions));
    ASSERT_FALSE(peer.has_value());
    EXPECT_EQ(peer.error().reason, RefusalReason::malformed);
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

}  // namespace
}  // namespace meridian::mesh
