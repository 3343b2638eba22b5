#include "oidc/sign_in.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "crypto/base64.h"
#include "oidc/id_token.h"
#include "oidc/internal/json_object.h"
#include "oidc/key_set.h"

namespace meridian::oidc {
namespace {

constexpr std::size_t words_shown_max = 300;

std::string random_text(io::Entropy& entropy) {
  std::array<Byte, 32> bytes{};
  entropy.fill(bytes);
  return crypto::to_base64url(bytes);
}

/// RFC 3986 section 2: everything but the unreserved.
std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (is_plain)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string form_of(const Parameters& parameters) {
  std::string text;
  for (const auto& [key, value] : parameters)
    text += fmt::format("{}{}={}", text.empty() ? "" : "&", key, percent_encode(value));
  return text;
}

std::string joined(std::string first, const std::vector<std::string>& more) {
  for (const std::string& one : more) first += (first.empty() ? "" : " ") + one;
  return first;
}

/// A provider's words in a terminal: without what would move its cursor.
std::string shown(std::string_view text) {
  std::string out(text.substr(0, words_shown_max));
  std::ranges::replace_if(
      out, [](char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return out;
}

Error refused(std::string_view error, std::string_view description) {
  return fail(Code::permission_denied,
              fmt::format("the identity provider refused: {}{}{}", shown(error),
                          description.empty() ? "" : ": ", shown(description)));
}

std::optional<std::string> value_of(const Parameters& query, std::string_view key) {
  const auto found = std::ranges::find(query, key, &Parameters::value_type::first);
  return found == query.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

SignInAttempt make_attempt(const crypto::Digest& spki_digest, std::string redirect_uri,
                           io::Entropy& entropy) {
  SignInAttempt attempt;
  attempt.random.resize(nonce_random_size);
  entropy.fill(attempt.random);
  attempt.nonce = sign_in_nonce(spki_digest, attempt.random);
  attempt.state = random_text(entropy);
  attempt.code_verifier = random_text(entropy);
  attempt.redirect_uri = std::move(redirect_uri);
  return attempt;
}

std::string authorization_url(const Provider& provider, const SignInTerms& terms,
                              const SignInAttempt& attempt, bool is_fresh) {
  const crypto::Digest challenge = crypto::sha256(as_bytes(attempt.code_verifier));
  Parameters parameters{
      {"response_type", "code"},
      {"client_id", terms.client_id},
      {"redirect_uri", attempt.redirect_uri},
      {"scope", joined("openid", terms.scopes)},
      {"state", attempt.state},
      {"nonce", attempt.nonce},
      {"code_challenge", crypto::to_base64url(challenge)},
      {"code_challenge_method", "S256"},
      // Asked for always: a provider that is asked says when it was (Core section 3.1.2.1).
      {"max_age", std::to_string(is_fresh ? 0 : session_age_max_seconds)}};
  if (is_fresh && !terms.mfa_classes.empty())
    parameters.emplace_back("acr_values", joined("", terms.mfa_classes));
  const bool has_query = provider.authorization_endpoint.find('?') != std::string::npos;
  return provider.authorization_endpoint + (has_query ? "&" : "?") + form_of(parameters);
}

Result<std::string> read_redirect(const Parameters& query, const Provider& provider,
                                  const SignInAttempt& attempt) {
  if (value_of(query, "state") != attempt.state)
    return fail(Code::invalid_argument, "this is no answer to the sign-in under way (state)");
  const std::optional<std::string> issuer = value_of(query, "iss");
  if (issuer ? *issuer != provider.issuer : provider.says_issuer)  // RFC 9207 section 2.4
    return fail(Code::invalid_argument, "this is the answer of another identity provider (iss)");
  if (const std::optional<std::string> error = value_of(query, "error"))
    return refused(*error, value_of(query, "error_description").value_or(""));
  const std::optional<std::string> code = value_of(query, "code");
  if (!code || code->empty()) return fail(Code::invalid_argument, "this answer has no code");
  return *code;
}

HttpsAsk token_request(const Provider& provider, const SignInTerms& terms,
                       const SignInAttempt& attempt, std::string_view code,
                       std::string_view client_secret) {
  Parameters parameters{{"grant_type", "authorization_code"},
                        {"code", std::string(code)},
                        {"redirect_uri", attempt.redirect_uri},
                        {"client_id", terms.client_id},
                        {"code_verifier", attempt.code_verifier}};
  if (!client_secret.empty()) parameters.emplace_back("client_secret", client_secret);
  return {provider.token_endpoint, form_of(parameters), terms.ca_pem};
}

Result<std::string> read_token_answer(const HttpsAnswer& answer) {
  Result<nlohmann::json> document = internal::parse_object(answer.body, "its answer");
  if (answer.status != 200) {
    // RFC 6749 section 5.2.
    const auto text = [&document](const char* key) -> std::string {
      if (!document) return {};
      const Result<std::optional<std::string>> found = internal::string_in(*document, key);
      return found ? found->value_or("") : "";
    };
    const std::string error = text("error");
    if (!error.empty()) return refused(error, text("error_description"));
    return fail(Code::unavailable,
                fmt::format("the identity provider gave no token: HTTP {}", answer.status));
  }
  if (!document)
    return fail(Code::unavailable, "the identity provider: " + document.error().message);
  Result<std::optional<std::string>> token = internal::string_in(*document, "id_token");
  if (!token || !*token || (*token)->empty() || (*token)->size() > token_size_max)
    return fail(Code::unavailable,
                "the identity provider gave no ID token: is the client one for OpenID Connect?");
  return **std::move(token);
}

}  // namespace meridian::oidc
