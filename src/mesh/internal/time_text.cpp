#include "mesh/internal/time_text.h"

#include <fmt/format.h>

#include <chrono>

namespace meridian::mesh::internal {

std::string utc_text(std::int64_t unix_seconds) {
  using std::chrono::floor;
  std::chrono::sys_seconds time{std::chrono::seconds(unix_seconds)};
  std::chrono::sys_days day = floor<std::chrono::days>(time);
  std::chrono::year_month_day date(day);
  std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string span_text(std::int64_t seconds) {
  if (seconds < 0) seconds = -seconds;
  if (seconds < 2 * 60) return fmt::format("{} s", seconds);
  if (seconds < 2 * 3600) return fmt::format("{} min", seconds / 60);
  if (seconds < 2 * 86400) return fmt::format("{} h", seconds / 3600);
  return fmt::format("{} days", seconds / 86400);
}

}  // namespace meridian::mesh::internal
