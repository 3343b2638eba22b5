#include "mesh/certificate.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include "mesh/internal/certificate_rig.h"

namespace meridian::mesh {
namespace {

using namespace internal;

class Certificates : public ::testing::Test {
 protected:
  Holder root_ = self_signed(root_spec());
  Region region_ = Region::make(root_, "eu-west.bank.example");
  Holder leaf_ = region_.leaf("/service/payments");
};

TEST_F(Certificates, der_and_pem_read_back_the_same) {
  Certificate again = value_of(Certificate::from_der(leaf_.certificate.der()));
  EXPECT_EQ(again, leaf_.certificate);
  EXPECT_EQ(again.fingerprint(), crypto::sha256(leaf_.certificate.der()));
  EXPECT_EQ(again.spki_digest(), leaf_.key.spki_digest());
  EXPECT_EQ(again.not_before(), rig_now - 60);
  EXPECT_EQ(again.not_after(), rig_now + 3600);
  EXPECT_EQ(again.serial().size(), 32U);
  EXPECT_EQ(again.claimed_id(), (SpiffeId{region_.domain, "/service/payments"}));
  EXPECT_EQ(root_.certificate.claimed_id(), std::nullopt);
  CertificateChain chain = {leaf_.certificate, region_.authority.certificate};
  EXPECT_EQ(value_of(parse_pem_chain(format_pem_chain(chain))), chain);
}

TEST_F(Certificates, cut_lengthened_and_foreign_bytes_are_refused) {
  Bytes der = leaf_.certificate.der();
  for (std::size_t size = 0; size < der.size(); ++size)
    EXPECT_FALSE(Certificate::from_der(der.first(size)).has_value()) << size;
  Buffer longer = to_buffer(der);
  longer.push_back(0);
  EXPECT_FALSE(Certificate::from_der(longer).has_value());
  EXPECT_FALSE(Certificate::from_der(Buffer(certificate_size_max + 1)).has_value());
  EXPECT_FALSE(Certificate::from_der({}).has_value());
  EXPECT_FALSE(parse_pem_chain(std::string_view()).has_value());
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST_F(Certificates, pem_text_around_and_between_is_skipped_and_damage_is_not) {
  std::string pem = leaf_.certificate.pem();
  std::string key(as_text(leaf_.key.pem().bytes()));
  EXPECT_EQ(value_of(parse_pem_chain("words\n" + key + pem + "more words\n")),
            CertificateChain{leaf_.certificate});
  for (const std::string& text :
       {std::string(), key, pem.substr(0, pem.size() / 2), pem + pem.substr(0, pem.size() / 2),
        pem.substr(0, 100) + "*" + pem.substr(101)}) {
    Result<CertificateChain> chain = parse_pem_chain(text);
    ASSERT_FALSE(chain.has_value());
    EXPECT_EQ(chain.error().code, Code::invalid_argument);
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST_F(Certificates, chains_have_a_bound) {
  std::string pem;
  for (std::size_t i = 0; i < chain_length_max; ++i) pem += leaf_.certificate.pem();
  EXPECT_TRUE(parse_pem_chain(pem).has_value());
  EXPECT_FALSE(parse_pem_chain(pem + leaf_.certificate.pem()).has_value());
  std::vector<Bytes> ders(chain_length_max, leaf_.certificate.der());
  EXPECT_TRUE(parse_der_chain(ders).has_value());
  ders.push_back(leaf_.certificate.der());
  EXPECT_FALSE(parse_der_chain(ders).has_value());
  EXPECT_FALSE(parse_der_chain({}).has_value());
}

TEST_F(Certificates, messages_name_them) {
  EXPECT_EQ(leaf_.certificate.describe(), "spiffe://eu-west.bank.example/service/payments");
  EXPECT_EQ(root_.certificate.describe(),
            "\"CN=Example Bank root\" (serial " + root_.certificate.serial() + ")");
  CertificateSpec spec = root_spec();
  spec.common_name = "a\nforged line";
  EXPECT_EQ(self_signed(spec).certificate.describe().find('\n'), std::string::npos);
  spec.common_name = "";
  spec.serial[0] = 0;
  EXPECT_TRUE(self_signed(spec).certificate.describe().starts_with("serial "));
}

}  // namespace
}  // namespace meridian::mesh
