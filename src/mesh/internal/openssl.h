// Owners of OpenSSL's handles, and its error queue, for this module's .cpp files.
#pragma once

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace meridian::mesh::internal {

template <auto free>
struct Free {
  template <typename Handle>
  void operator()(Handle* handle) const {
    free(handle);
  }
};
inline void free_extensions(STACK_OF(X509_EXTENSION) * list) {
  sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
}
/// The stack, not what it points to.
inline void free_certificate_stack(STACK_OF(X509) * list) { sk_X509_free(list); }

using Bio = std::unique_ptr<BIO, Free<BIO_free>>;
using Bignum = std::unique_ptr<BIGNUM, Free<BN_free>>;
using CertificateStack = std::unique_ptr<STACK_OF(X509), Free<free_certificate_stack>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;
using Extensions = std::unique_ptr<STACK_OF(X509_EXTENSION), Free<free_extensions>>;
using Names = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;
using PublicKey = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Request = std::unique_ptr<X509_REQ, Free<X509_REQ_free>>;
using Store = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, Free<X509_STORE_CTX_free>>;
using X509Handle = std::unique_ptr<X509, Free<X509_free>>;

/// OpenSSL's words for its newest failure on this thread; empties the queue, which TLS on this
/// thread would take for a failure of its own.
std::string take_openssl_error();

/// An Error whose message is `what`, and OpenSSL's reason if it has one.
Error openssl_failure(Code code, std::string_view what);

/// What `encode` (an i2d function) gives. Asserts that it gives something: these are encodings of
/// what OpenSSL parsed or made itself.
template <typename Encode, typename Value>
Buffer to_der(Encode encode, const Value* value) {
  Byte* out = nullptr;
  int size = encode(value, &out);
  Buffer der = size > 0 ? to_buffer({out, static_cast<std::size_t>(size)}) : Buffer{};
  OPENSSL_free(out);
  return der;
}

/// A memory BIO that reads `bytes`, which outlive it.
Bio reading_bio(Bytes bytes);

/// True for a key on P-256 and nothing else.
bool is_p256(const EVP_PKEY* key);
/// "EC P-384", "RSA 1024 bits": for messages.
std::string describe_key(const EVP_PKEY* key);

}  // namespace meridian::mesh::internal
