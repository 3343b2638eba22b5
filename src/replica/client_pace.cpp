#include "replica/client_pace.h"

#include <algorithm>
#include <utility>

namespace meridian::replica {

namespace {

std::uint64_t ms_between(io::MonotonicTime from, io::MonotonicTime to) {
  return static_cast<std::uint64_t>(to - from) / 1'000'000;
}

}  // namespace

std::optional<std::uint64_t> ClientPace::next(const Now& now) {
  if (percent_ == 100) remember(now);
  if (!now.is_copied) {
    stepped_.reset();
    percent_ = 100;
  } else if (!stepped_) {
    stepped_ = now;
  } else if (now.at - stepped_->at >= step_period) {
    now.matched.empty() ? give_way(now) : step(now);
    stepped_ = now;
  }
  if (percent_ == 100) return std::nullopt;
  samples_.clear();
  return std::max<std::uint64_t>(std::max(before_, unlimited_) * percent_ / 100, 1);
}

void ClientPace::remember(const Now& now) {
  samples_.push_back({now.at, now.proposed_bytes});
  while (now.at - samples_.front().at > memory) samples_.pop_front();
  if (samples_.size() == 1) return;
  const auto of_late = std::ranges::find_if(
      samples_, [&](const Sample& sample) { return now.at - sample.at <= recent; });
  unlimited_ = pace_since(*of_late, now);
  if (!now.is_copied) before_ = pace_since(samples_.front(), now);
}

std::uint64_t ClientPace::pace_since(const Sample& sample, const Now& now) const {
  const std::uint64_t ms = ms_between(sample.at, now.at);
  return ms == 0 ? unlimited_ : (now.proposed_bytes - sample.proposed_bytes) * 1'000 / ms;
}

/// A state is given, and nobody has copied all of it.
void ClientPace::give_way(const Now& now) {
  const std::uint64_t ms = ms_between(stepped_->at, now.at);
  const std::uint64_t busy = (now.apply_us - stepped_->apply_us) / (ms * 10);
  const bool is_given = now.given_bytes != stepped_->given_bytes;
  if (is_given && busy > busy_enough)
    percent_ = percent_copying;
  else if (busy < idle_enough)
    percent_ = std::min<std::uint64_t>(percent_ + percent_step, 100);
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
