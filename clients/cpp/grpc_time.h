// From our clock to gRPC's.
#pragma once

#include <grpc/support/time.h>

#include "system.h"

namespace meridian::client {

inline gpr_timespec to_grpc(Time time) {
  const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(time - now()).count();
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(left, GPR_TIMESPAN));
}

}  // namespace meridian::client
