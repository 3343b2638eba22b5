#include "oidc/key_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>

#include "oidc/token_rig.h"

namespace meridian::oidc {
namespace {

using nlohmann::json;
using rig::key_set_of;
using rig::SigningKey;
using testing::HasSubstr;

const std::vector<Algorithm> all{Algorithm::rs256, Algorithm::ps256, Algorithm::es256};

/// Made once: RSA keys take their time.
const SigningKey& rsa() {
  static const SigningKey key = SigningKey::rsa("r1");
  return key;
}
const SigningKey& ec() {
  static const SigningKey key = SigningKey::p256("e1");
  return key;
}

Result<std::string> verify(const std::string& token, const std::string& keys,
                           const std::vector<Algorithm>& algorithms = all) {
  const TokenHead head = TRY(read_token_head(token, algorithms));
  return TRY(KeySet::parse(keys)).verify(token, head);
}

TEST(KeySet, each_algorithm_verifies_with_its_own_key) {
  const std::string keys = key_set_of({rsa(), ec()});
  const std::vector<std::string> tokens{rsa().sign("RS256", "{}"), rsa().sign("PS256", "{}"),
                                        ec().sign("ES256", "{}")};
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const Result<std::string> content = verify(tokens[i], keys);
    ASSERT_TRUE(content.has_value()) << content.error().message;
    EXPECT_EQ(*content, "{}");
    std::vector<Algorithm> others = all;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_THAT(verify(tokens[i], keys, others).error().message, HasSubstr("its algorithm"));
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(KeySet, a_token_is_not_its_own_witness) {
  const std::string keys = key_set_of({rsa()});
  for (const char* none : {"none", "None", "NONE", ""})
    EXPECT_EQ(verify(rig::unsigned_token(json{{"alg", none}}.dump(), "{}"), keys).error().code,
              Code::permission_denied)
        << none;
  // The classic: the provider's public key as a shared secret.
  for (const std::string& secret : {rsa().published().dump(), rsa().published()["n"].dump()})
    EXPECT_THAT(verify(SigningKey::shared("r1", secret).sign("HS256", "{}"), keys).error().message,
                HasSubstr("its algorithm"));
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(KeySet, a_shared_key_in_the_set_is_left_out) {
  const SigningKey shared = SigningKey::shared("s", std::string(32, 'k'));
  const Result<KeySet> set = KeySet::parse(key_set_of({shared, ec()}));
  ASSERT_TRUE(set.has_value());
  EXPECT_EQ(set->size(), 1U);
}

TEST(KeySet, a_key_is_used_for_its_own_kind_and_use_alone) {
  const std::string token = rsa().sign("RS256", "{}");
  const auto with = [&](const char* name, const char* value) {
    json key = rsa().published();
    key[name] = value;
    return verify(token, json{{"keys", {key}}}.dump());
  };
  EXPECT_TRUE(with("use", "sig").has_value());
  EXPECT_EQ(with("use", "enc").error().code, Code::not_found);
  EXPECT_TRUE(with("alg", "RS256").has_value());
  EXPECT_EQ(with("alg", "PS256").error().code, Code::not_found);
  json posing = ec().published();
  posing["kid"] = "r1";
  EXPECT_EQ(verify(token, json{{"keys", {posing}}}.dump()).error().code, Code::not_found);
  for (const SigningKey& weak : {SigningKey::rsa("w", 1'024), SigningKey::p384("w")})
    EXPECT_EQ(KeySet::parse(key_set_of({weak}))->size(), 0U);
}

TEST(KeySet, another_key_or_another_byte_is_a_wrong_signature) {
  const std::string keys = key_set_of({rsa(), ec()});
  EXPECT_THAT(verify(SigningKey::p256("e1").sign("ES256", "{}"), keys).error().message,
              HasSubstr("signature is wrong"));
  const std::string token = ec().sign("ES256", R"({"sub":"8f2c"})");
  int accepted = 0;
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    accepted += verify(changed, keys).has_value() ? 1 : 0;
  }
  // Base64 has bits that mean nothing at the end of each of the three parts.
  EXPECT_LE(accepted, 3);
  for (std::size_t size = 0; size < token.size(); ++size)
    EXPECT_FALSE(verify(token.substr(0, size), keys).has_value()) << size;
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(KeySet, an_unknown_key_is_told_from_a_wrong_signature) {
  const std::string token = SigningKey::p256("e2").sign("ES256", "{}");
  EXPECT_EQ(verify(token, key_set_of({ec()})).error().code, Code::not_found);
  const SigningKey nameless = SigningKey::p256("");
  EXPECT_TRUE(verify(nameless.sign("ES256", "{}"), key_set_of({nameless, rsa()})).has_value());
  EXPECT_EQ(verify(nameless.sign("ES256", "{}"), key_set_of({nameless, ec()})).error().code,
            Code::not_found);
}

TEST(KeySet, headers_that_ask_for_more_are_refused) {
  const std::string keys = key_set_of({ec()});
  const auto with = [&](const json& header) {
    return verify(ec().sign("ES256", "{}", header), keys);
  };
  EXPECT_TRUE(with({{"typ", "JWT"}}).has_value());
  EXPECT_THAT(with({{"typ", "at+jwt"}}).error().message, HasSubstr("another type"));
  EXPECT_THAT(with({{"crit", json::array({"exp"})}}).error().message, HasSubstr("extensions"));
  EXPECT_THAT(with({{"kid", json::array({"e1"})}}).error().message, HasSubstr("no text"));
  EXPECT_THAT(with({{"typ", json::array({"JWT"})}}).error().message, HasSubstr("no text"));
}

TEST(KeySet, what_cannot_be_decoded_is_refused_before_it_is_decoded) {
  const std::string keys = key_set_of({ec()});
  const std::string token = ec().sign("ES256", "{}");
  for (const std::string& text :
       {std::string("."), std::string(".."), std::string("a.a.a"), std::string("e30.e30"),
        token + ".", token + "=", token + "A", token + "AAA", "A" + token, token.substr(1),
        "====" + token, token.substr(0, token.find('.')) + ".A" + token.substr(token.find('.', 5)),
        std::string("e30.e30.\xff\xff")})
    EXPECT_EQ(verify(text, keys).error().code, Code::permission_denied) << text;
  for (const char* part : {"x", "y"}) {
    for (const char* value : {"", "A", "AAAAA", "AA=", "A A", "\xc3\xbc"}) {
      json key = ec().published();
      key[part] = value;
      EXPECT_EQ(KeySet::parse(json{{"keys", {key}}}.dump())->size(), 0U) << part << value;
    }
  }
}

TEST(KeySet, what_is_no_set_of_keys_is_refused) {
  for (const char* text : {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[],"keys":[]})"})
    EXPECT_EQ(KeySet::parse(text).error().code, Code::invalid_argument) << text;
  EXPECT_EQ(KeySet::parse(R"({"keys":[1,{},{"kty":"RSA"},{"kty":"EC","crv":"P-256"}]})")->size(),
            0U);
  json many{{"keys", json::array()}};
  for (std::size_t i = 0; i <= keys_max; ++i) many["keys"].push_back(ec().published());
  EXPECT_THAT(KeySet::parse(many.dump()).error().message, HasSubstr("more than"));
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

}  // namespace
}  // namespace meridian::oidc
