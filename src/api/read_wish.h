// How new the state must be that a read is answered from, as its caller asked for it in
// `meridian-read` (docs/api.md). Pure.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "io/clock.h"

namespace meridian::api {

struct ReadWish {
  bool local = false;  ///< The replica's own state will do.
  /// If it is not older than that; else the leader is asked, as of a read that is not local.
  std::optional<io::Duration> staleness_max{};
};

inline constexpr std::string_view read_local = "local";
inline constexpr std::int64_t staleness_ms_max = 3'600'000;

/// "" (linearizable), "local" or "local max-staleness-ms=N". Errors: invalid_argument saying what
/// is right.
Result<ReadWish> parse_read_wish(std::string_view text);

}  // namespace meridian::api
