#include "mesh/renewal_schedule.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "base/bytes.h"
#include "mesh/authority.h"

namespace meridian::mesh {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t jitter_part = 20;  // of a life
constexpr std::int64_t tries_part = 16;   // of what is left

}  // namespace

std::int64_t RenewalSchedule::wall_ns() const {
  return static_cast<std::int64_t>(clock_->now().time);
}

std::int64_t RenewalSchedule::random_below(std::int64_t bound) {
  ASSERT(bound > 0);
  std::array<Byte, 8> bytes{};
  entropy_->fill(bytes);
  return static_cast<std::int64_t>(load_le<std::uint64_t>(bytes.data()) %
                                   static_cast<std::uint64_t>(bound));
}

void RenewalSchedule::hold(const Certificate& certificate) {
  // It was made a minute after it begins (authority.h); one of another PKI perhaps not.
  std::int64_t begin = certificate.not_before() + backdate_seconds;
  if (begin >= certificate.not_after()) begin = certificate.not_before();
  const std::int64_t life_ns =
      std::max<std::int64_t>((certificate.not_after() - begin) * second_ns, 2 * jitter_part);
  end_ns_ = certificate.not_after() * second_ns;
  due_ns_ =
      end_ns_ - life_ns / 2 - life_ns / jitter_part + random_below(2 * (life_ns / jitter_part));
  retry_at_ = io::MonotonicTime{0};
  failures_ = 0;
  is_held_ = true;
}

bool RenewalSchedule::is_due() const {
  return is_held_ && wall_ns() >= due_ns_ && clock_->monotonic() >= retry_at_;
}

void RenewalSchedule::fail() {
  const std::int64_t left = std::max<std::int64_t>(end_ns_ - wall_ns(), 0);
  const std::int64_t usual = std::clamp(left / tries_part, static_cast<std::int64_t>(pause_min),
                                        static_cast<std::int64_t>(pause_max));
  // Half of it to one and a half.
  retry_at_ = clock_->monotonic() + io::Duration{usual / 2 + random_below(usual)};
  ++failures_;
}

bool RenewalSchedule::is_over() const { return is_held_ && wall_ns() >= end_ns_; }

std::int64_t RenewalSchedule::seconds_left() const { return (end_ns_ - wall_ns()) / second_ns; }

}  // namespace meridian::mesh
