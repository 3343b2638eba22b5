#include "crypto/p256.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <string>

#include "base/assert.h"

namespace meridian::crypto {
namespace {

struct FreePkcs8 {
  void operator()(PKCS8_PRIV_KEY_INFO* info) const { PKCS8_PRIV_KEY_INFO_free(info); }
};
struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }  // cleanses a memory BIO of its own
};
using Pkcs8 = std::unique_ptr<PKCS8_PRIV_KEY_INFO, FreePkcs8>;
using BioHandle = std::unique_ptr<BIO, FreeBio>;

std::shared_ptr<EVP_PKEY> own(EVP_PKEY* key) { return {key, EVP_PKEY_free}; }

bool is_p256(const EVP_PKEY* key) {
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return false;
  std::array<char, 64> group{};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1) return false;
  return OBJ_sn2nid(group.data()) == NID_X9_62_prime256v1;
}

/// Refusals leave nothing in the queue: TLS on this thread would take it for its own failure.
Error refuse(const char* what) {
  ERR_clear_error();
  return fail(Code::invalid_argument, what);
}

Pkcs8 to_pkcs8(const EVP_PKEY* key) {
  Pkcs8 info(EVP_PKEY2PKCS8(key));
  ASSERT(info != nullptr);
  return info;
}

}  // namespace

P256PrivateKey P256PrivateKey::generate() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  ASSERT(key != nullptr);  // no memory, or no randomness: neither can be waited out
  return P256PrivateKey(own(key));
}

Result<P256PrivateKey> P256PrivateKey::from_pkcs8(Bytes der) {
  const Byte* at = der.data();
  Pkcs8 info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(der.size())));
  if (info == nullptr || at != der.data() + der.size())
    return refuse("private key: not one PKCS#8 structure");
  EVP_PKEY* raw = EVP_PKCS82PKEY(info.get());
  if (raw == nullptr) return refuse("private key: PKCS#8 with a key that cannot be read");
  std::shared_ptr<EVP_PKEY> key = own(raw);
  if (!is_p256(key.get())) return refuse("private key: not on the curve P-256");
  return P256PrivateKey(std::move(key));
}

Result<P256PrivateKey> P256PrivateKey::from_pem(std::string_view pem) {
  if (pem.empty()) return refuse("private key: nothing");  // OpenSSL takes no null pointer
  BioHandle bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  ASSERT(bio != nullptr);
  Pkcs8 info(PEM_read_bio_PKCS8_PRIV_KEY_INFO(bio.get(), nullptr, nullptr, nullptr));
  if (info == nullptr) return refuse("private key: no PEM block of the type PRIVATE KEY");
  EVP_PKEY* raw = EVP_PKCS82PKEY(info.get());
  if (raw == nullptr) return refuse("private key: PKCS#8 with a key that cannot be read");
  std::shared_ptr<EVP_PKEY> key = own(raw);
  if (!is_p256(key.get())) return refuse("private key: not on the curve P-256");
  return P256PrivateKey(std::move(key));
}

Secret P256PrivateKey::pkcs8() const {
  ASSERT(!is_elsewhere_);
  Pkcs8 info = to_pkcs8(key_.get());
  Byte* der = nullptr;
  int size = i2d_PKCS8_PRIV_KEY_INFO(info.get(), &der);
  ASSERT(size > 0);
  Secret secret(Bytes(der, static_cast<std::size_t>(size)));
  OPENSSL_clear_free(der, static_cast<std::size_t>(size));
  return secret;
}

Secret P256PrivateKey::pem() const {
  ASSERT(!is_elsewhere_);
  Pkcs8 info = to_pkcs8(key_.get());
  BioHandle bio(BIO_new(BIO_s_mem()));
  ASSERT(bio != nullptr);
  int written = PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio.get(), info.get());
  ASSERT(written == 1);
  char* text = nullptr;
  long size = BIO_get_mem_data(bio.get(), &text);
  return Secret(as_bytes({text, static_cast<std::size_t>(size)}));
}

Digest P256PrivateKey::spki_digest() const {
  Byte* der = nullptr;
  int size = i2d_PUBKEY(key_.get(), &der);
  ASSERT(size > 0);
  Digest digest = sha256(Bytes(der, static_cast<std::size_t>(size)));
  OPENSSL_free(der);
  return digest;
}

bool P256PrivateKey::operator==(const P256PrivateKey& other) const {
  return spki_digest() == other.spki_digest();
}

}  // namespace meridian::crypto
