#include "crypto/core_dumps.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstdlib>

namespace meridian::crypto {
namespace {

// In a process of its own: the others want their cores.
TEST(CoreDumpsDeathTest, a_process_that_asks_for_it_leaves_none) {
  EXPECT_NE(::prctl(PR_GET_DUMPABLE), 0);
  EXPECT_EXIT(
      {
        const bool done = leave_no_core();
        rlimit limit{};
        ::getrlimit(RLIMIT_CORE, &limit);
        std::exit(done && ::prctl(PR_GET_DUMPABLE) == 0 && limit.rlim_max == 0 ? 7 : 1);
      },
      testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace meridian::crypto
