#include "replica/client_pace.h"

#include <algorithm>
#include <utility>

namespace meridian::replica {

std::optional<std::uint64_t> ClientPace::next(const Now& now) {
  if (percent_ == 100) remember(now);
  if (now.matched.empty()) {
    stepped_.reset();
    percent_ = 100;
  } else if (!stepped_) {
    stepped_ = now;
  } else if (now.at - stepped_->at >= step_period) {
    step(now);
    stepped_ = now;
  }
  if (percent_ == 100) return std::nullopt;
  samples_.clear();
  return std::max<std::uint64_t>(std::max(before_, unlimited_) * percent_ / 100, 1);
}

void ClientPace::remember(const Now& now) {
  samples_.push_back({now.at, now.proposed_bytes});
  while (now.at - samples_.front().at > memory) samples_.pop_front();
  const Sample& first = samples_.front();
  const auto ms = static_cast<std::uint64_t>(now.at - first.at) / 1'000'000;
  if (ms == 0) return;
  unlimited_ = (now.proposed_bytes - first.proposed_bytes) * 1'000 / ms;
  if (!now.is_copied) before_ = unlimited_;
}

void ClientPace::step(const Now& now) {
  const std::optional<std::uint64_t> gain = least_gain(now);
  if (!gain) return;
  if (*gain < gain_enough)
    percent_ = std::max(percent_ - percent_step, percent_min);
  else if (*gain > gain_ample)
    percent_ = std::min<std::uint64_t>(percent_ + percent_step, 100);
}

/// Entries that came to the slowest of them while a hundred were written; none: nothing to go by.
std::optional<std::uint64_t> ClientPace::least_gain(const Now& now) const {
  const std::uint64_t written = now.last_index - std::min(now.last_index, stepped_->last_index);
  if (written == 0) return std::nullopt;
  std::optional<std::uint64_t> least;
  for (const auto& [id, matched] : now.matched) {
    const auto before = stepped_->matched.find(id);
    if (before == stepped_->matched.end()) continue;
    const std::uint64_t got = matched - std::min(matched, before->second);
    const std::uint64_t gain = got * 100 / written;
    least = std::min(least.value_or(gain), gain);
  }
  return least;
}

}  // namespace meridian::replica
