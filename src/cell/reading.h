// What is said of somebody who read personal data, and how records and files have it
// (docs/formats/readings.md). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/u128.h"

namespace meridian::cell {

inline constexpr std::string_view readings_stream = "$readings";
inline constexpr std::string_view readings_type = "readings.counted";
inline constexpr std::size_t readings_rows_max = 256;  ///< Of one event.

/// Of one actor for one purpose. Ids are opaque; 0: several, or none.
struct Reading {
  u128 actor = 0;
  std::string purpose{};  ///< Empty: none was given.
  u128 stream = 0;
  u128 subject = 0;           ///< Of an export.
  std::uint64_t count = 0;    ///< Of events.
  std::uint64_t first = 0;    ///< Record index of one, the least.
  std::uint64_t last = 0;     ///< The greatest.
  std::uint64_t from_s = 0;   ///< Seconds since 1970.
  std::uint64_t until_s = 0;  ///< Of the newest.
  bool operator==(const Reading&) const = default;
};
/// As the records have them, and the file. Errors: invalid_argument.
std::string readings_json(const std::vector<Reading>& readings);
Result<std::vector<Reading>> parse_readings(std::string_view json);
/// Of one event that another replica made: what it says can be, and is said as above. Errors:
/// invalid_argument.
Status check_readings(std::string_view json);

/// 3 to 200 printable ASCII characters in which no personal data is found. Errors:
/// invalid_argument.
Status check_purpose(std::string_view purpose);

}  // namespace meridian::cell
