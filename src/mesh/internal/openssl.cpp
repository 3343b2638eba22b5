#include "mesh/internal/openssl.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include <array>

#include "base/assert.h"

namespace meridian::mesh::internal {

std::string take_openssl_error() {
  unsigned long error = ERR_peek_last_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  ERR_clear_error();
  return reason == nullptr ? "" : reason;
}

Error openssl_failure(Code code, std::string_view what) {
  std::string reason = take_openssl_error();
  return fail(code, reason.empty() ? std::string(what) : fmt::format("{} ({})", what, reason));
}

Bio reading_bio(Bytes bytes) {
  // OpenSSL takes no null pointer, not even for nothing.
  const void* data = bytes.empty() ? static_cast<const void*>("") : bytes.data();
  Bio bio(BIO_new_mem_buf(data, static_cast<int>(bytes.size())));
  ASSERT(bio != nullptr);
  return bio;
}

bool is_p256(const EVP_PKEY* key) {
  if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return false;
  std::array<char, 64> group{};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1) {
    ERR_clear_error();
    return false;
  }
  return OBJ_sn2nid(group.data()) == NID_X9_62_prime256v1;
}

std::string describe_key(const EVP_PKEY* key) {
  if (key == nullptr) return "a key that OpenSSL cannot read";
  const char* type = EVP_PKEY_get0_type_name(key);
  return fmt::format("{} of {} bits", type == nullptr ? "a key" : type, EVP_PKEY_get_bits(key));
}

}  // namespace meridian::mesh::internal
