#include "base/assert.h"

#include <execinfo.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/assertion_note.h"

namespace meridian::base {

void assertion_failed(const char* condition, const char* file, int line) {
  constexpr int frames_max = 64;
  void* frames[frames_max];
  std::fprintf(stderr, "meridian: ASSERT(%s) failed at %s:%d\n", condition, file, line);
  AssertionNote::print_all();
  backtrace_symbols_fd(frames, backtrace(frames, frames_max), STDERR_FILENO);
  std::abort();
}

}  // namespace meridian::base
