#include "oidc/key_set.h"

#include <cjose/cjose.h>
#include <fmt/format.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "oidc/internal/json_object.h"

namespace meridian::oidc {
namespace {

struct ReleaseJws {
  void operator()(cjose_jws_t* jws) const { cjose_jws_release(jws); }
};
using Jws = std::unique_ptr<cjose_jws_t, ReleaseJws>;

Error refuse(std::string_view what) {
  ERR_clear_error();
  return fail(Code::permission_denied, fmt::format("ID token: {}", what));
}

/// base64url without padding (RFC 7515 section 2), of a length that there is: cjose 0.6.2 stops the
/// process at others.
bool is_base64url(std::string_view text) {
  return text.size() % 4 != 1 && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

/// Three parts, each of which can be decoded (RFC 7515 section 3.1).
bool is_compact(std::string_view token) {
  const std::size_t first = token.find('.');
  const std::size_t second = first == token.npos ? token.npos : token.find('.', first + 1);
  if (second == token.npos) return false;
  return first > 0 && is_base64url(token.substr(0, first)) &&
         is_base64url(token.substr(first + 1, second - first - 1)) &&
         is_base64url(token.substr(second + 1));
}

/// The public half of a key, and nothing that cjose could not decode; nothing for other kinds.
std::optional<std::string> public_half(const nlohmann::json& key) {
  const auto kind = internal::string_in(key, "kty");
  if (!kind) return std::nullopt;
  std::vector<const char*> parts;
  nlohmann::json half{{"kty", kind->value_or("")}};
  if (*kind == "RSA") {
    parts = {"n", "e"};
  } else if (*kind == "EC") {
    parts = {"x", "y"};
    const auto curve = internal::string_in(key, "crv");
    if (!curve || *curve != "P-256") return std::nullopt;
    half["crv"] = **curve;
  } else {
    return std::nullopt;  // a shared key is nobody's signature
  }
  for (const char* part : parts) {
    const auto text = internal::string_in(key, part);
    if (!text || !*text || (*text)->empty() || !is_base64url(**text)) return std::nullopt;
    half[part] = **text;
  }
  return half.dump();
}

Jws import_jws(std::string_view token) {
  cjose_err error{};
  return Jws(cjose_jws_import(token.data(), token.size(), &error));
}

/// Decoded by cjose, and read strictly: cjose takes the last of two values of one name.
Result<nlohmann::json> read_header(std::string_view token) {
  const std::string_view part = token.substr(0, token.find('.'));
  cjose_err error{};
  std::uint8_t* decoded = nullptr;
  std::size_t size = 0;
  if (!cjose_base64url_decode(part.data(), part.size(), &decoded, &size, &error))
    return refuse("its header is not base64url");
  const std::string text(reinterpret_cast<const char*>(decoded), size);
  cjose_get_dealloc()(decoded);
  Result<nlohmann::json> header = internal::parse_object(text, "its header");
  if (!header) return refuse(header.error().message);
  return header;
}

/// RFC 8725 section 3.11: an access token or another of the provider's is no ID token.
bool is_of_id_token(std::string type) {
  std::ranges::transform(type, type.begin(), [](unsigned char c) { return std::tolower(c); });
  return type == "jwt";
}

std::vector<Algorithm> algorithms_of(const cjose_jwk_t* key) {
  cjose_err error{};
  switch (cjose_jwk_get_kty(key, &error)) {
    case CJOSE_JWK_KTY_RSA: {
      const std::size_t bits = cjose_jwk_get_keysize(key, &error);
      if (bits < rsa_bits_min || bits > rsa_bits_max) return {};
      return {Algorithm::rs256, Algorithm::ps256};
    }
    case CJOSE_JWK_KTY_EC:
      if (cjose_jwk_EC_get_curve(key, &error) != CJOSE_JWK_EC_P_256) return {};
      return {Algorithm::es256};
    case CJOSE_JWK_KTY_OCT: return {};  // a shared key is nobody's signature
  }
  return {};
}

}  // namespace

Result<TokenHead> read_token_head(std::string_view token, std::span<const Algorithm> algorithms) {
  if (token.size() > token_size_max) return refuse("more than 16 KiB");
  if (!is_compact(token)) return refuse("not three parts of base64url");
  const Jws jws = import_jws(token);
  if (jws == nullptr) return refuse("not a signed token (JWS) in an algorithm that is known here");
  const nlohmann::json header = TRY(read_header(token));
  const auto algorithm = internal::string_in(header, "alg");
  const auto type = internal::string_in(header, "typ");
  const auto key_id = internal::string_in(header, "kid");
  if (!algorithm || !type || !key_id) return refuse("a field of its header is no text");
  const auto found = std::ranges::find(algorithms, algorithm->value_or(""),
                                       [](Algorithm one) { return name(one); });
  if (found == algorithms.end())
    return refuse("its algorithm is not one of those that the authority's settings take");
  // RFC 7515 section 4.1.11: what must be understood is not.
  if (header.contains("crit")) return refuse("its header asks for extensions");
  if (*type && !is_of_id_token(**type)) return refuse("it is a token of another type");
  return TokenHead{*found, *key_id};
}

std::optional<KeySet::Key> KeySet::read_key(const std::string& json, const std::string& use,
                                            const std::string& algorithm, const std::string& id) {
  if (!use.empty() && use != "sig") return std::nullopt;
  cjose_err error{};
  cjose_jwk_t* read = cjose_jwk_import(json.data(), json.size(), &error);
  ERR_clear_error();
  if (read == nullptr) return std::nullopt;
  const std::shared_ptr<const cjose_jwk_t> key(
      read, [](const cjose_jwk_t* one) { cjose_jwk_release(const_cast<cjose_jwk_t*>(one)); });
  Key made{key, id, algorithms_of(read)};
  if (!algorithm.empty())
    std::erase_if(made.algorithms, [&](Algorithm one) { return name(one) != algorithm; });
  if (made.algorithms.empty()) return std::nullopt;
  return made;
}

crypto::Digest token_digest(std::string_view token) {
  return crypto::sha256(as_bytes(token.substr(0, token.rfind('.'))));
}

Result<KeySet> KeySet::parse(std::string_view json) {
  const nlohmann::json document = TRY(internal::parse_object(json, "key set"));
  const auto keys = document.find("keys");
  if (keys == document.end() || !keys->is_array())
    return fail(Code::invalid_argument, "key set: it has no list `keys`");
  if (keys->size() > keys_max)
    return fail(Code::invalid_argument, fmt::format("key set: more than {} keys", keys_max));
  KeySet set;
  for (const nlohmann::json& one : *keys) {
    if (!one.is_object()) continue;
    const auto use = internal::string_in(one, "use");
    const auto algorithm = internal::string_in(one, "alg");
    const auto id = internal::string_in(one, "kid");
    if (!use || !algorithm || !id) continue;
    const std::optional<std::string> half = public_half(one);
    if (!half) continue;
    std::optional<Key> key =
        read_key(*half, use->value_or(""), algorithm->value_or(""), id->value_or(""));
    if (key) set.keys_.push_back(*std::move(key));
  }
  return set;
}

Result<std::string> KeySet::verify(std::string_view token, const TokenHead& head) const {
  std::vector<const Key*> fitting;
  for (const Key& key : keys_)
    if (std::ranges::find(key.algorithms, head.algorithm) != key.algorithms.end() &&
        (!head.key_id || key.id == *head.key_id))
      fitting.push_back(&key);
  if (fitting.size() != 1)
    return fail(Code::not_found,
                head.key_id
                    ? fmt::format("ID token: the provider has {} that it names and that "
                                  "signs in {}",
                                  fitting.empty() ? "no key" : "several keys", name(head.algorithm))
                    : "ID token: it names no key, and the provider has several");
  // RFC 7518 section 3.4: 64 bytes, which cjose takes for at least as many.
  constexpr std::size_t es256_digits = 86;
  if (head.algorithm == Algorithm::es256 && token.size() - token.rfind('.') - 1 != es256_digits)
    return refuse("its signature is wrong");
  const Jws jws = import_jws(token);
  cjose_err error{};
  if (jws == nullptr || !cjose_jws_verify(jws.get(), fitting[0]->key.get(), &error))
    return refuse("its signature is wrong");
  std::uint8_t* content = nullptr;
  std::size_t size = 0;
  if (!cjose_jws_get_plaintext(jws.get(), &content, &size, &error))
    return refuse("it has no content");
  ERR_clear_error();
  return std::string(reinterpret_cast<const char*>(content), size);  // the token's own memory
}

}  // namespace meridian::oidc
