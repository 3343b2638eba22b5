#include "api/read_wish.h"

#include <fmt/format.h>

#include "base/u128.h"

namespace meridian::api {

Result<ReadWish> parse_read_wish(std::string_view text) {
  constexpr std::string_view bound = "local max-staleness-ms=";
  if (text.empty()) return ReadWish{};
  if (text == read_local) return ReadWish{true, {}};
  if (text.starts_with(bound)) {
    const Result<u128> ms = parse_decimal(text.substr(bound.size()));
    if (ms && *ms <= staleness_ms_max)
      return ReadWish{true, io::milliseconds(static_cast<std::int64_t>(low64(*ms)))};
  }
  return fail(Code::invalid_argument,
              fmt::format("meridian-read: expected `local`, or `{}N` with N of 0 to {}", bound,
                          staleness_ms_max));
}

}  // namespace meridian::api
