#include "mesh/signed_text.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>

#include "base/assert.h"
#include "base/u128.h"
#include "mesh/internal/openssl.h"
#include "mesh/spiffe_id.h"

namespace meridian::mesh {
namespace {

using Context = std::unique_ptr<EVP_MD_CTX, internal::Free<EVP_MD_CTX_free>>;

}  // namespace

Buffer sign(const crypto::P256PrivateKey& key, std::string_view text) {
  const Context context(EVP_MD_CTX_new());
  ASSERT(context != nullptr);
  const Bytes bytes = as_bytes(text);
  std::size_t size = 0;
  const int begun = EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.handle());
  ASSERT(begun == 1);
  const int measured = EVP_DigestSign(context.get(), nullptr, &size, bytes.data(), bytes.size());
  ASSERT(measured == 1);
  Buffer signature(size);
  const int done =
      EVP_DigestSign(context.get(), signature.data(), &size, bytes.data(), bytes.size());
  ASSERT(done == 1);
  signature.resize(size);
  return signature;
}

bool is_signed_by(const Certificate& certificate, std::string_view text, Bytes signature) {
  EVP_PKEY* key = X509_get0_pubkey(certificate.handle());
  const Context context(EVP_MD_CTX_new());
  ASSERT(context != nullptr);
  const Bytes bytes = as_bytes(text);
  const bool good = key != nullptr && internal::is_p256(key) &&
                    EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
                    EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                                     bytes.data(), bytes.size()) == 1;
  if (!good) internal::take_openssl_error();
  return good;
}

Result<std::string> claimed_signer(const SignedText& given) {
  const CertificateChain chain = TRY(parse_pem_chain(given.certificate));
  const std::optional<SpiffeId>& claimed = chain[0].claimed_id();
  if (!claimed) return fail(Code::permission_denied, "the certificate names nobody");
  return format_spiffe_id(*claimed);
}

Status check_signature(const SignedText& given, const std::string& id) {
  const CertificateChain chain = TRY(parse_pem_chain(given.certificate));
  const std::optional<SpiffeId>& claimed = chain[0].claimed_id();
  if (!claimed || format_spiffe_id(*claimed) != id)
    return fail(Code::permission_denied, fmt::format("the certificate is not that of {}", id));
  if (!is_signed_by(chain[0], given.text, given.signature))
    return fail(Code::permission_denied, fmt::format("the signature is not by the key of {}", id));
  return {};
}

bool is_one_person(const std::string& id, const std::string& other) {
  const Result<SpiffeId> one = parse_spiffe_id(id);
  const Result<SpiffeId> two = parse_spiffe_id(other);
  return !one || !two || one->path == two->path;
}

Result<std::string_view> take_line(std::string_view& text, std::string_view key) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  if (end == std::string_view::npos || !line.starts_with(key) || line.substr(key.size(), 1) != " ")
    return fail(Code::invalid_argument, fmt::format("there is no line `{}`", key));
  text.remove_prefix(end + 1);
  return line.substr(key.size() + 1);
}

Result<crypto::Digest> parse_digest(std::string_view hex) {
  Buffer bytes;
  crypto::Digest digest{};
  if (!from_hex(hex, bytes) || bytes.size() != digest.size())
    return fail(Code::invalid_argument, "a hash is 64 hexadecimal digits");
  std::ranges::copy(bytes, digest.begin());
  return digest;
}

Result<std::int64_t> parse_seconds(std::string_view text) {
  const Result<u128> seconds = parse_decimal(text);
  if (!seconds || high64(*seconds) != 0 || low64(*seconds) >> 40 != 0)
    return fail(Code::invalid_argument, "a time is seconds since 1970");
  return static_cast<std::int64_t>(low64(*seconds));
}

}  // namespace meridian::mesh
