// When to renew a certificate: at half of its life, give or take a twentieth, so that those that
// were issued together do not come back together; and after a failure again and again for as long
// as it lives.
//
// Pure but for the clock and the dice. What ends does so by wall time, as certificates do; pauses
// between tries are monotonic, so that a clock that is set does not stretch them. One thread.
#pragma once

#include <cstdint>

#include "io/clock.h"
#include "io/entropy.h"
#include "mesh/certificate.h"

namespace meridian::mesh {

class RenewalSchedule {
 public:
  static constexpr io::Duration pause_min = io::milliseconds(250);
  static constexpr io::Duration pause_max = io::seconds(60);

  /// Both outlive it.
  RenewalSchedule(io::Clock& clock, io::Entropy& entropy) : clock_(&clock), entropy_(&entropy) {}

  /// A new certificate, by this authority or another: what failed before is forgotten.
  void hold(const Certificate& certificate);
  /// True once half of the life is over, unless a try failed a moment ago. False before hold().
  bool is_due() const;
  /// A try failed: the next comes after about a sixteenth of what is left, within the bounds above.
  void fail();

  /// True if the certificate is over: nobody renews for it any more.
  bool is_over() const;
  /// Seconds that are left, negative when it is over.
  std::int64_t seconds_left() const;
  std::uint64_t failures() const { return failures_; }  ///< Since hold().

 private:
  /// In [0, bound).
  std::int64_t random_below(std::int64_t bound);
  std::int64_t wall_ns() const;

  io::Clock* clock_;
  io::Entropy* entropy_;
  bool is_held_ = false;
  std::int64_t due_ns_ = 0, end_ns_ = 0;  ///< Since 1970.
  io::MonotonicTime retry_at_{0};
  std::uint64_t failures_ = 0;
};

}  // namespace meridian::mesh
