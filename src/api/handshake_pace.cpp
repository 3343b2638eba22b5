#include "api/handshake_pace.h"

#include <algorithm>

namespace meridian::api {
namespace {

constexpr io::Duration one = io::milliseconds(1'000 / HandshakePace::per_second);
constexpr io::Duration all =
    io::milliseconds(1'000 / HandshakePace::per_second * HandshakePace::at_once);

}  // namespace

bool HandshakePace::begin(const std::string& origin, io::MonotonicTime now) {
  auto found = free_at_.find(origin);
  if (found == free_at_.end()) {
    if (free_at_.size() >= origins_max && !make_room(now)) return false;
    found = free_at_.emplace(origin, now).first;
  }
  const io::MonotonicTime then = std::max(found->second, now) + one;
  if (then - now > all) return false;
  found->second = then;
  return true;
}

void HandshakePace::give_back(const std::string& origin) {
  const auto found = free_at_.find(origin);
  if (found == free_at_.end()) return;
  const auto ns = static_cast<std::uint64_t>(found->second), part = static_cast<std::uint64_t>(one);
  found->second = io::MonotonicTime{ns - std::min(ns, part)};
}

bool HandshakePace::make_room(io::MonotonicTime now) {
  std::erase_if(free_at_, [now](const auto& one_of) { return one_of.second <= now; });
  return free_at_.size() < origins_max;
}

}  // namespace meridian::api
