#include "mesh/jws.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/assert.h"
#include "crypto/base64.h"
#include "mesh/internal/openssl.h"
#include "mesh/signed_text.h"

namespace meridian::mesh {
namespace {

using Json = nlohmann::ordered_json;
using Signature = std::unique_ptr<ECDSA_SIG, internal::Free<ECDSA_SIG_free>>;

constexpr int half = crypto::p256_signature_size / 2;  // r, s
constexpr std::string_view type_name = "meridian-request";
constexpr int depth_max = 2;

Error bad_jws(std::string_view why) {
  return {Code::invalid_argument, "the signature is no JWS of a caller: " + std::string(why)};
}

/// r and s of what OpenSSL writes in DER (RFC 7518 section 3.4).
Buffer to_raw(Bytes der) {
  const unsigned char* at = der.data();
  const Signature parsed(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  ASSERT(parsed != nullptr);
  Buffer raw(crypto::p256_signature_size);
  const int r_size = BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), raw.data(), half);
  const int s_size = BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), raw.data() + half, half);
  ASSERT(r_size == half);
  ASSERT(s_size == half);
  return raw;
}

/// Asserts the size.
Buffer to_der(Bytes raw) {
  ASSERT(raw.size() == crypto::p256_signature_size);
  internal::Bignum r(BN_bin2bn(raw.data(), half, nullptr));
  internal::Bignum s(BN_bin2bn(raw.data() + half, half, nullptr));
  const Signature made(ECDSA_SIG_new());
  ASSERT(r != nullptr && s != nullptr);
  ASSERT(made != nullptr);
  const int set = ECDSA_SIG_set0(made.get(), r.release(), s.release());
  ASSERT(set == 1);
  return internal::to_der(i2d_ECDSA_SIG, made.get());
}

/// One object, no name twice: readers differ in which they take.
Result<Json> parse_header(std::string_view text) {
  std::set<std::string> names;
  bool is_fine = true;
  const auto look = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > depth_max) is_fine = false;
    if (event == Json::parse_event_t::key && !names.insert(value.get<std::string>()).second)
      is_fine = false;
    return is_fine;
  };
  Json header = Json::parse(text.begin(), text.end(), look, false);
  if (!is_fine || !header.is_object()) return bad_jws("its header is not one flat JSON object");
  for (const std::string& name : names)
    if (name != "alg" && name != "typ" && name != "x5c")
      return bad_jws("its header has other members than alg, typ and x5c");
  return header;
}

}  // namespace

std::string sign_detached_jws(std::span<const Certificate> chain, const crypto::P256PrivateKey& key,
                              std::string_view payload) {
  ASSERT(!chain.empty());
  Json certificates = Json::array();
  for (const Certificate& one : chain.first(std::min(chain.size(), jws_certificates_max)))
    certificates.push_back(crypto::to_base64(one.der()));
  const Json header{{"alg", "ES256"}, {"typ", type_name}, {"x5c", std::move(certificates)}};
  const std::string head = crypto::to_base64url(as_bytes(header.dump()));
  const Buffer signature = sign(key, head + '.' + crypto::to_base64url(as_bytes(payload)));
  return head + ".." + crypto::to_base64url(to_raw(signature));
}

Result<DetachedJws> split_detached_jws(std::string_view text) {
  if (text.size() > detached_jws_size_max) return bad_jws("it is too long");
  const std::size_t first = text.find('.');
  if (first == text.npos || first == 0 || text.substr(first, 2) != "..")
    return bad_jws("it is not header..signature, with the payload left out");
  const std::string_view signature = text.substr(first + 2);
  if (signature.find('.') != signature.npos) return bad_jws("it has other than three parts");
  const Result<Buffer> raw = crypto::from_base64url(signature);
  if (!raw || raw->size() != crypto::p256_signature_size)
    return bad_jws("its third part is no signature of ES256");
  return DetachedJws{std::string(text.substr(0, first)), std::string(signature)};
}

Result<CertificateChain> read_jws_header(std::string_view encoded) {
  if (encoded.size() > detached_jws_size_max) return bad_jws("its header is too long");
  const Result<Buffer> text = crypto::from_base64url(encoded);
  if (!text) return bad_jws("its header is not base64url");
  const Json header = TRY(parse_header(as_text(*text)));
  if (!header.contains("alg") || header["alg"] != "ES256") return bad_jws("its alg is not ES256");
  if (header.contains("typ") && header["typ"] != type_name)
    return bad_jws("its typ is not meridian-request");
  if (!header.contains("x5c") || !header["x5c"].is_array())
    return bad_jws("it names no certificates (x5c)");
  const Json& listed = header["x5c"];
  if (listed.empty() || listed.size() > jws_certificates_max)
    return bad_jws("x5c has 1 to 4 certificates");
  CertificateChain chain;
  for (const Json& one : listed) {
    if (!one.is_string()) return bad_jws("x5c has something else than texts");
    const Result<Buffer> der = crypto::from_base64(one.get_ref<const std::string&>());
    if (!der) return bad_jws("a certificate in x5c is not base64");
    Result<Certificate> certificate = Certificate::from_der(*der);
    if (!certificate) return bad_jws("x5c: " + certificate.error().message);
    chain.push_back(*std::move(certificate));
  }
  return chain;
}

std::string attach_payload(const DetachedJws& jws, std::string_view payload) {
  std::string compact = jws.header;
  const std::string middle = crypto::to_base64url(as_bytes(payload));
  compact.reserve(jws.header.size() + middle.size() + jws.signature.size() + 2);
  compact.append(1, '.').append(middle).append(1, '.').append(jws.signature);
  return compact;
}

bool is_jws_signed_by(const Certificate& leaf, std::string_view compact) {
  const std::size_t last = compact.rfind('.');
  if (last == compact.npos) return false;
  const Result<Buffer> raw = crypto::from_base64url(compact.substr(last + 1));
  if (!raw || raw->size() != crypto::p256_signature_size) return false;
  return is_signed_by(leaf, compact.substr(0, last), to_der(*raw));
}

Result<SignedJws> open_jws(std::string_view compact) {
  const std::size_t first = compact.find('.');
  const std::size_t last = compact.rfind('.');
  if (first == compact.npos || first == last) return bad_jws("it has no three parts");
  SignedJws jws{TRY(read_jws_header(compact.substr(0, first))), {}};
  const Result<Buffer> payload =
      crypto::from_base64url(compact.substr(first + 1, last - first - 1));
  if (!payload) return bad_jws("its payload is not base64url");
  jws.payload = as_text(*payload);
  if (!is_jws_signed_by(jws.chain[0], compact))
    return fail(Code::permission_denied,
                "the signature is not by the key of its certificate over this text");
  return jws;
}

}  // namespace meridian::mesh
