// A provider of tests: keys, tokens signed with them, and the questions it was asked.
#pragma once

#include <cjose/cjose.h>

#include <array>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "crypto/base64.h"
#include "oidc/https.h"
#include "oidc/id_token.h"
#include "oidc/settings.h"

namespace meridian::oidc::rig {

using nlohmann::json;

/// What sim::Clock starts at, in seconds.
inline constexpr std::int64_t rig_now = 1'700'000'000;
inline constexpr const char* rig_issuer = "https://login.bank.example/realms/staff";

class SigningKey {
 public:
  static SigningKey rsa(const std::string& id, std::size_t bits = 2'048) {
    cjose_err error{};
    return {id, cjose_jwk_create_RSA_random(bits, exponent.data(), exponent.size(), &error)};
  }
  static SigningKey p256(const std::string& id) {
    cjose_err error{};
    return {id, cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, &error)};
  }
  static SigningKey p384(const std::string& id) {
    cjose_err error{};
    return {id, cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_384, &error)};
  }
  /// A shared key that is `bytes`.
  static SigningKey shared(const std::string& id, const std::string& bytes) {
    cjose_err error{};
    return {id, cjose_jwk_create_oct_spec(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                          bytes.size(), &error)};
  }

  json published() const {
    cjose_err error{};
    char* text = cjose_jwk_to_json(key_.get(), false, &error);
    ASSERT(text != nullptr);
    json out = json::parse(text);
    cjose_get_dealloc()(text);
    if (!id_.empty()) out["kid"] = id_;
    return out;
  }
  std::string sign(const std::string& algorithm, const std::string& content,
                   const json& more_header = json::object()) const {
    cjose_err error{};
    std::unique_ptr<cjose_header_t, void (*)(cjose_header_t*)> header(cjose_header_new(&error),
                                                                      cjose_header_release);
    set(header.get(), "alg", json(algorithm));
    if (!id_.empty()) set(header.get(), "kid", json(id_));
    for (const auto& [key, value] : more_header.items()) set(header.get(), key.c_str(), value);
    std::unique_ptr<cjose_jws_t, void (*)(cjose_jws_t*)> jws(
        cjose_jws_sign(key_.get(), header.get(),
                       reinterpret_cast<const std::uint8_t*>(content.data()), content.size(),
                       &error),
        cjose_jws_release);
    ASSERT(jws != nullptr);
    const char* text = nullptr;
    const bool is_written = cjose_jws_export(jws.get(), &text, &error);
    ASSERT(is_written);
    return text;
  }

 private:
  static constexpr std::array<std::uint8_t, 3> exponent{1, 0, 1};

  SigningKey(std::string id, cjose_jwk_t* key) : id_(std::move(id)), key_(key, cjose_jwk_release) {
    ASSERT(key_ != nullptr);
  }
  static void set(cjose_header_t* header, const char* name, const json& value) {
    cjose_err error{};
    const bool is_set =
        value.is_string() ? cjose_header_set(header, name, value.get<std::string>().c_str(), &error)
                          : cjose_header_set_raw(header, name, value.dump().c_str(), &error);
    ASSERT(is_set);
  }

  std::string id_;
  std::shared_ptr<cjose_jwk_t> key_;
};

inline std::string key_set_of(const std::vector<SigningKey>& keys) {
  json set{{"keys", json::array()}};
  for (const SigningKey& key : keys) set["keys"].push_back(key.published());
  return set.dump();
}

/// Header and content as they are, and a signature of nothing.
inline std::string unsigned_token(const std::string& header, const std::string& content) {
  return crypto::to_base64url(as_bytes(header)) + "." + crypto::to_base64url(as_bytes(content)) +
         ".";
}

inline Settings rig_settings() {
  Settings settings;
  settings.issuer = rig_issuer;
  settings.client_id = "meridian";
  settings.audiences = {"meridian"};
  settings.people = {{"8f2c", "ada"}, {"ada@bank.example", "ada"}};
  settings.mfa_methods = {"mfa", "otp"};
  settings.mfa_classes = {"gold"};
  return settings;
}

inline constexpr const char* rig_nonce = "n-0S6_WzA2Mj";

inline json good_claims() {
  return {{"iss", rig_issuer},         {"aud", "meridian"},    {"sub", "8f2c"},
          {"nonce", rig_nonce},        {"exp", rig_now + 300}, {"iat", rig_now},
          {"auth_time", rig_now - 30}, {"amr", {"pwd", "otp"}}};
}

/// Answers by address; each question is counted.
struct Site {
  std::map<std::string, HttpsAnswer> pages;
  std::map<std::string, int> asked;
  bool is_down = false;

  static constexpr const char* keys_url = "https://login.bank.example/keys";
  static std::string discovery_url() {
    return std::string(rig_issuer) + "/.well-known/openid-configuration";
  }
  static json document() {
    return {{"issuer", rig_issuer},
            {"authorization_endpoint", "https://login.bank.example/authorize"},
            {"token_endpoint", "https://login.bank.example/token"},
            {"jwks_uri", keys_url},
            {"code_challenge_methods_supported", {"plain", "S256"}}};
  }
  void show(const std::vector<SigningKey>& keys) {
    pages[discovery_url()] = {200, document().dump()};
    pages[keys_url] = {200, key_set_of(keys)};
  }
  Fetch fetch() {
    return [this](const HttpsAsk& ask) -> Result<HttpsAnswer> {
      ++asked[ask.url];
      if (is_down) return fail(Code::unavailable, ask.url + ": connection refused");
      const auto page = pages.find(ask.url);
      return page == pages.end() ? HttpsAnswer{404, ""} : page->second;
    };
  }
};

}  // namespace meridian::oidc::rig
