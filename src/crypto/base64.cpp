#include "crypto/base64.h"

#include <openssl/evp.h>

#include <algorithm>
#include <limits>

#include "base/assert.h"

namespace meridian::crypto {

std::string to_base64(Bytes bytes) {
  ASSERT(bytes.size() < std::numeric_limits<int>::max() / 2);
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends with a NUL
  int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                             static_cast<int>(bytes.size()));
  ASSERT(static_cast<std::size_t>(size) + 1 == text.size());
  text.pop_back();
  return text;
}

Result<Buffer> from_base64(std::string_view text) {
  if (text.empty()) return Buffer{};
  if (text.size() % 4 != 0 || text.size() > std::numeric_limits<int>::max() / 2) {
    return fail(Code::invalid_argument, "base64: the length must be a multiple of 4");
  }
  Buffer bytes(text.size() / 4 * 3);
  int size = EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
                             static_cast<int>(text.size()));
  std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  if (size < 0 || static_cast<std::size_t>(size) != bytes.size()) {
    return fail(Code::invalid_argument, "base64: a character outside of A-Z a-z 0-9 + /");
  }
  bytes.resize(bytes.size() - padding);
  // The block decoder trims white space and ignores trailing bits; only one text is right.
  if (to_base64(bytes) != text) {
    return fail(Code::invalid_argument, "base64: not the canonical text of its bytes");
  }
  return bytes;
}

std::string to_base64url(Bytes bytes) {
  std::string text = to_base64(bytes);
  while (text.ends_with('=')) text.pop_back();
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

Result<Buffer> from_base64url(std::string_view text) {
  if (text.find_first_of("+/=") != text.npos || text.size() % 4 == 1)
    return fail(Code::invalid_argument, "not base64url without padding");
  std::string standard(text);
  std::ranges::replace(standard, '-', '+');
  std::ranges::replace(standard, '_', '/');
  standard.append((4 - standard.size() % 4) % 4, '=');
  return from_base64(standard);
}

}  // namespace meridian::crypto
