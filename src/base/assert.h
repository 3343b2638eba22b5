// Assertions that stay on in production: stopping is cheaper than a wrong balance.
//
// ASSERT checks our own logic only. Bytes from outside (peers, disk, clients, proofs) never reach
// it: they are checked into a Result. One condition per ASSERT, without side effects.
// ASSERT_SLOW is for full invariant scans; it is compiled in when MERIDIAN_ASSERT_SLOW is defined
// (presets dev, asan, tsan, sim) and vanishes otherwise.
#pragma once

namespace meridian::base {

/// Prints `condition`, place and a stack trace to stderr, then aborts. Never returns, never throws.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace meridian::base

#define ASSERT(condition)                                                 \
  do {                                                                    \
    if (!(condition)) [[unlikely]]                                        \
      ::meridian::base::assertion_failed(#condition, __FILE__, __LINE__); \
  } while (false)

#ifdef MERIDIAN_ASSERT_SLOW
#define ASSERT_SLOW(condition) ASSERT(condition)
#else
#define ASSERT_SLOW(condition) \
  do {                         \
  } while (false)
#endif
