#include <sys/timex.h>
#include <time.h>  // NOLINT(modernize-deprecated-headers): POSIX clocks

#include <algorithm>
#include <atomic>
#include <limits>

#include "base/assert.h"
#include "io/clock.h"

namespace meridian::io {
namespace {

constexpr std::uint64_t ns_per_second = 1'000'000'000;

/// What the kernel itself calls unsynchronised (NTP_PHASE_LIMIT): 16 s.
constexpr std::uint64_t uncertainty_us_unsynchronised = 16'000'000;

/// The kernel lets its own bound grow by 500 ppm between updates (MAXFREQ), once a second. Between
/// two questions we add the same, so a cached answer is never tighter than a fresh one.
constexpr std::uint64_t refresh_interval_ns = ns_per_second;
constexpr std::uint64_t drift_ns_per_us = 2'000;  // 500 ppm: 1 us of doubt for every 2 ms

std::uint64_t read_clock(clockid_t id) {
  timespec value{};
  int result = ::clock_gettime(id, &value);
  ASSERT(result == 0);
  return static_cast<std::uint64_t>(value.tv_sec) * ns_per_second +
         static_cast<std::uint64_t>(value.tv_nsec);
}

std::uint64_t kernel_uncertainty_us() {
  timex state{};  // modes = 0: read only, needs no privilege
  int result = ::adjtimex(&state);
  if (result < 0) return uncertainty_us_unsynchronised;  // a sandbox may forbid the question
  std::uint64_t error_us = state.maxerror < 0 ? 0 : static_cast<std::uint64_t>(state.maxerror);
  bool unsynchronised = result == TIME_ERROR || (state.status & STA_UNSYNC) != 0;
  return unsynchronised ? std::max(error_us, uncertainty_us_unsynchronised) : error_us;
}

class OsClock final : public Clock {
 public:
  OsClock() {
    uncertainty_us_ = kernel_uncertainty_us();
    asked_at_ns_ = read_clock(CLOCK_MONOTONIC);
  }

  Timestamp now() override {
    std::uint64_t monotonic_ns = read_clock(CLOCK_MONOTONIC);
    std::uint64_t asked_at_ns = asked_at_ns_.load(std::memory_order_acquire);
    // One thread wins the exchange and asks; the others go on with the grown old answer.
    if (monotonic_ns > asked_at_ns + refresh_interval_ns &&
        asked_at_ns_.compare_exchange_strong(asked_at_ns, monotonic_ns)) {
      uncertainty_us_.store(kernel_uncertainty_us(), std::memory_order_release);
      asked_at_ns = monotonic_ns;
    }
    std::uint64_t age_ns = monotonic_ns > asked_at_ns ? monotonic_ns - asked_at_ns : 0;
    std::uint64_t uncertainty_us =
        uncertainty_us_.load(std::memory_order_acquire) + age_ns / drift_ns_per_us + 1;
    uncertainty_us =
        std::min<std::uint64_t>(uncertainty_us, std::numeric_limits<std::uint32_t>::max());
    return {WallTime{read_clock(CLOCK_REALTIME)}, static_cast<std::uint32_t>(uncertainty_us)};
  }

  MonotonicTime monotonic() override { return MonotonicTime{read_clock(CLOCK_MONOTONIC)}; }

 private:
  std::atomic<std::uint64_t> asked_at_ns_{0};
  std::atomic<std::uint64_t> uncertainty_us_{0};
};

}  // namespace

std::unique_ptr<Clock> os_clock() { return std::make_unique<OsClock>(); }

}  // namespace meridian::io
