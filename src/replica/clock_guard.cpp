#include "replica/clock_guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "replica/peer_message.h"

namespace meridian::replica {

namespace {

constexpr std::size_t request_size = 9, answer_size = 17;
constexpr std::uint64_t wall_max = std::uint64_t{1} << 62;  ///< A peer may send anything.

io::Parts message(PeerTag tag, std::uint64_t time, std::optional<std::uint64_t> wall = {}) {
  Buffer bytes(wall ? answer_size : request_size);
  bytes[0] = static_cast<Byte>(tag);
  store_le(bytes.data() + 1, time);
  if (wall) store_le(bytes.data() + request_size, *wall);
  return {std::make_shared<const Buffer>(std::move(bytes))};
}

std::int64_t ns(io::Duration duration) { return static_cast<std::int64_t>(duration); }
std::int64_t ns(io::WallTime time) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(time));
}

}  // namespace

void ClockGuard::judge(std::string why, bool is_confirmed) {
  const std::lock_guard lock(mutex_);
  why_ = std::move(why);
  is_confirmed_ = is_confirmed;
  wall_at_ = clock_.now().time;
  mono_at_ = clock_.monotonic();
}

bool ClockGuard::has_jumped() const {
  if (!wall_at_) return false;
  const std::int64_t by_wall = ns(clock_.now().time) - ns(*wall_at_);
  return std::abs(by_wall - ns(clock_.monotonic() - mono_at_)) > ns(off_max);
}

Status ClockGuard::check() const {
  const std::lock_guard lock(mutex_);
  if (!why_.empty()) return fail(Code::unavailable, why_ + ": nothing was done");
  if (has_jumped())
    return fail(Code::unavailable,
                "this replica's clock jumped, and was not compared with the others' since: nothing "
                "was done, send it again");
  return {};
}

bool ClockGuard::is_confirmed() const {
  const std::lock_guard lock(mutex_);
  return is_confirmed_ && why_.empty() && !has_jumped() && clock_.monotonic() - mono_at_ <= fresh;
}

void ClockWatch::ask(std::uint64_t peer) const {
  const io::Duration now = clock_.monotonic() - io::MonotonicTime{};
  send_(peer, message(PeerTag::clock_request, static_cast<std::uint64_t>(now)));
}

void ClockWatch::receive(std::uint64_t from, const io::Parts& parts) {
  if (parts.size() != 1 || parts[0]->size() < request_size) return;
  const Byte* bytes = parts[0]->data();
  const auto sent = load_le<std::uint64_t>(bytes + 1);
  const auto own = static_cast<std::uint64_t>(clock_.now().time);
  if (static_cast<PeerTag>(bytes[0]) == PeerTag::clock_request)
    return send_(from, message(PeerTag::clock_answer, sent, own));
  const auto since_start = static_cast<std::uint64_t>(clock_.monotonic() - io::MonotonicTime{});
  if (parts[0]->size() != answer_size || sent > since_start) return;  // none of ours
  const auto wall = load_le<std::uint64_t>(bytes + request_size);
  if (wall > wall_max) return;
  const auto half = static_cast<std::int64_t>((since_start - sent) / 2);
  heard_[from] = {static_cast<std::int64_t>(wall) + half - static_cast<std::int64_t>(own), half,
                  clock_.monotonic()};
}

ClockWatch::Verdict ClockWatch::judge(const std::set<std::uint64_t>& voters,
                                      std::uint64_t self) const {
  Verdict verdict;
  std::vector<std::int64_t> ahead;
  std::int64_t error = 0;
  for (const std::uint64_t voter : voters) {
    if (voter == self) {
      ahead.push_back(0);
      continue;
    }
    const auto found = heard_.find(voter);
    if (found == heard_.end() || !is_fresh(found->second)) continue;
    ahead.push_back(found->second.ahead_ns);
    error = std::max(error, found->second.error_ns);
  }
  verdict.is_known = 2 * ahead.size() > voters.size();
  if (!verdict.is_known) return verdict;
  std::sort(ahead.begin(), ahead.end());
  const std::int64_t low = ahead[(ahead.size() - 1) / 2], high = ahead[ahead.size() / 2];
  const std::int64_t median = std::clamp(std::int64_t{0}, low, high);
  verdict.ahead = io::Duration{-median};
  verdict.is_wrong = std::abs(median) > ns(ClockGuard::off_max) + error;
  return verdict;
}

bool ClockWatch::may_lead(std::uint64_t peer, const Verdict& verdict) const {
  if (!verdict.is_known) return true;
  const auto found = heard_.find(peer);
  if (found == heard_.end() || !is_fresh(found->second)) return false;
  return std::abs(found->second.ahead_ns + ns(verdict.ahead)) <= ns(ClockGuard::off_max);
}

}  // namespace meridian::replica
