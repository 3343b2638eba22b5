#include "crypto/core_dumps.h"

#include <sys/prctl.h>
#include <sys/resource.h>

namespace meridian::crypto {

bool leave_no_core() {
  const rlimit none{0, 0};
  const bool is_limited = ::setrlimit(RLIMIT_CORE, &none) == 0;
  return ::prctl(PR_SET_DUMPABLE, 0) == 0 && is_limited;
}

}  // namespace meridian::crypto
