// UUIDs as text (RFC 9562): the bytes of a 128-bit id in the order in which they are stored. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/u128.h"

namespace meridian {

/// "5d8f0f5e-91ff-4a46-9c8e-5f3b6f9b1c11": the one text that format_uuid gives.
std::string format_uuid(u128 id);
/// 32 hexadecimal digits in either case, with or without the four hyphens of a UUID.
std::optional<u128> parse_uuid(std::string_view text);

}  // namespace meridian
