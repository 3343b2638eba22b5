// Standard base64 (RFC 4648 section 4, with padding) and base64url (section 5, without), through
// OpenSSL's block coder.
//
// Decoding is strict: exactly one text stands for given bytes, so a flipped character never goes
// unnoticed. Spaces, line ends, missing padding and non-zero trailing bits are refused.
// Pure functions. Cost: about 1 ns per byte.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace meridian::crypto {

std::string to_base64(Bytes bytes);

/// Errors: invalid_argument unless `text` is exactly what to_base64 gives for some bytes.
Result<Buffer> from_base64(std::string_view text);

std::string to_base64url(Bytes bytes);
/// Errors: invalid_argument unless `text` is exactly what to_base64url gives for some bytes.
Result<Buffer> from_base64url(std::string_view text);

}  // namespace meridian::crypto
