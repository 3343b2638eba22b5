// Text that anybody can print, send and read back as it is. Pure.
#pragma once

#include <algorithm>
#include <string_view>

namespace meridian {

/// ASCII from space to tilde, and nothing else.
constexpr bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace meridian
