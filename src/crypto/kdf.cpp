#include "crypto/kdf.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <array>

namespace meridian::crypto {
namespace {

constexpr std::uint64_t memory_max = std::uint64_t{1} << 30;
constexpr unsigned p_max = 16;  // bounds the time: p passes over the memory

}  // namespace

Result<Secret> scrypt(Bytes passphrase, Bytes salt, ScryptCost cost) {
  std::uint64_t memory =
      cost.log2_n < 32 ? std::uint64_t{128} * cost.r << cost.log2_n : memory_max + 1;
  if (cost.log2_n == 0 || cost.r == 0 || cost.p == 0 || cost.p > p_max || memory > memory_max ||
      cost.log2_n >= 16 * cost.r)  // RFC 7914 section 2: N < 2^(128 * r / 8)
    return fail(Code::invalid_argument,
                fmt::format("scrypt cost log2(N)={} r={} p={} is refused: each must be at least 1, "
                            "p at most {}, N below 2^(16*r), and 128*r*N at most 1 GiB",
                            cost.log2_n, cost.r, cost.p, p_max));
  // A null passphrase means "only check the parameters" to OpenSSL, and an empty span may be null.
  const char* text = passphrase.empty() ? "" : reinterpret_cast<const char*>(passphrase.data());
  std::array<Byte, 32> key;
  int made = EVP_PBE_scrypt(text, passphrase.size(), salt.data(), salt.size(),
                            std::uint64_t{1} << cost.log2_n, cost.r, cost.p, memory_max + (1 << 20),
                            key.data(), key.size());
  if (made != 1) {
    ERR_clear_error();
    return fail(Code::resource_exhausted,
                fmt::format("scrypt could not get its {} MiB of memory: free some, or choose a "
                            "lower cost",
                            memory >> 20));
  }
  Secret secret{Bytes(key)};
  cleanse(key);
  return secret;
}

}  // namespace meridian::crypto
