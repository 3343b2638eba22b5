#include "mesh/jws.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "crypto/base64.h"
#include "mesh/internal/certificate_rig.h"

namespace meridian::mesh {
namespace {

using internal::value_of;

struct JwsTest : testing::Test {
  internal::Holder root = internal::self_signed(internal::root_spec());
  internal::Region region = internal::Region::make(root, "eu.bank.example");
  internal::Holder leaf = region.leaf("/service/payments");
  CertificateChain chain{leaf.certificate, region.authority.certificate};
  std::string detached = sign_detached_jws(chain, leaf.key, "what is meant\n");

  std::string compact() const {
    return attach_payload(value_of(split_detached_jws(detached)), "what is meant\n");
  }
  /// A detached one with this header, however it was signed.
  static std::string with_header(std::string_view json) {
    return crypto::to_base64url(as_bytes(json)) + ".." + crypto::to_base64url(Buffer(64, 1));
  }
  std::string listed(int copies) const {
    std::string all;
    for (int i = 0; i < copies; ++i)
      all += (all.empty() ? "" : ",") + ('"' + crypto::to_base64(leaf.certificate.der()) + '"');
    return all;
  }
  static std::string refusal(std::string_view json) {
    const Result<DetachedJws> split = split_detached_jws(with_header(json));
    if (!split) return split.error().message;
    const Result<CertificateChain> chain = read_jws_header(split->header);
    return chain ? "read" : chain.error().message;
  }
  static bool says(const std::string& text, std::string_view words) {
    return text.find(words) != std::string::npos;
  }
};

TEST_F(JwsTest, what_was_signed_opens_with_the_certificates_it_names) {
  const SignedJws jws = value_of(open_jws(compact()));
  EXPECT_EQ(jws.payload, "what is meant\n");
  EXPECT_EQ(jws.chain, chain);
}

TEST_F(JwsTest, no_changed_character_goes_unnoticed) {
  const std::string right = compact();
  for (std::size_t i = 0; i < right.size(); i += 7) {
    std::string wrong = right;
    wrong[i] = wrong[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(open_jws(wrong).has_value()) << i;
  }
  for (std::size_t size : {std::size_t{0}, right.size() / 2, right.size() - 1})
    EXPECT_FALSE(open_jws(right.substr(0, size)).has_value()) << size;
}

TEST_F(JwsTest, another_payload_or_key_is_not_what_was_signed) {
  const DetachedJws split = value_of(split_detached_jws(detached));
  EXPECT_FALSE(open_jws(attach_payload(split, "what is meant")).has_value());
  EXPECT_TRUE(is_jws_signed_by(leaf.certificate, compact()));
  EXPECT_FALSE(is_jws_signed_by(region.leaf("/service/payments").certificate, compact()));
}

TEST_F(JwsTest, headers_of_another_form_are_refused_by_name) {
  const std::string x5c = R"("x5c":[)" + listed(1) + "]";
  EXPECT_EQ(refusal(R"({"alg":"ES256",)" + x5c + "}"), "read");
  EXPECT_EQ(refusal("{ " + x5c + R"(, "typ": "meridian-request", "alg":"ES256" })"), "read");
  EXPECT_TRUE(says(refusal(R"({"alg":"none",)" + x5c + "}"), "alg is not ES256"));
  EXPECT_TRUE(says(refusal(R"({"alg":"HS256",)" + x5c + "}"), "alg is not ES256"));
  EXPECT_TRUE(says(refusal("{" + x5c + "}"), "alg is not ES256"));
  EXPECT_TRUE(says(refusal(R"({"alg":"ES256","typ":"JWT",)" + x5c + "}"), "typ"));
  EXPECT_TRUE(
      says(refusal(R"({"alg":"ES256","crit":["b64"],"b64":false,)" + x5c + "}"), "other members"));
  EXPECT_TRUE(says(refusal(R"({"alg":"ES256","x5c":[["AAAA"]]})"), "flat"));
  EXPECT_TRUE(says(refusal(R"({"alg":"ES256","jwk":"x",)" + x5c + "}"), "other members"));
  EXPECT_TRUE(says(refusal(R"({"alg":"none","alg":"ES256",)" + x5c + "}"), "flat"));
  EXPECT_TRUE(says(refusal(R"({"alg":"ES256"})"), "no certificates"));
  EXPECT_TRUE(says(refusal(R"({"alg":"ES256","x5c":[]})"), "1 to 4"));
  EXPECT_TRUE(says(refusal(R"({"alg":"ES256","x5c":[)" + listed(5) + "]}"), "1 to 4"));
  EXPECT_TRUE(says(refusal(R"({"alg":"ES256","x5c":[7]})"), "something else"));
  EXPECT_TRUE(says(refusal(R"({"alg":"ES256","x5c":["AAAA"]})"), "x5c"));
  EXPECT_TRUE(says(refusal("[]"), "flat"));
  EXPECT_TRUE(says(refusal(""), "header..signature"));
}

TEST_F(JwsTest, what_is_not_in_two_parts_is_refused) {
  for (const std::string& wrong :
       {std::string(), std::string("."), std::string(".."), compact(), "." + detached,
        detached + ".", detached + "A", std::string(detached_jws_size_max + 1, 'A')})
    EXPECT_FALSE(split_detached_jws(wrong).has_value()) << wrong.substr(0, 40);
  EXPECT_TRUE(split_detached_jws(detached).has_value());
}

std::string golden(const std::string& name) {
  std::ifstream in(MERIDIAN_SOURCE_DIR "/docs/formats/golden/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Made with the openssl command and a few lines of Python, from the document.
TEST(JwsGolden, what_others_signed_opens) {
  const SignedJws jws = value_of(open_jws(golden("mesh/signed-request.jws")));
  EXPECT_EQ(jws.payload, golden("signed_text.txt"));
  EXPECT_EQ(format_spiffe_id(*jws.chain[0].claimed_id()),
            "spiffe://eu-west.bank.example/service/payments");
}

}  // namespace
}  // namespace meridian::mesh
