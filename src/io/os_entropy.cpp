#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include "base/assert.h"
#include "io/entropy.h"

namespace meridian::io {
namespace {

class OsEntropy final : public Entropy {
 public:
  void fill(MutableBytes out) override {
    while (!out.empty()) {
      // getrandom(2): requests of up to 256 bytes are never cut short by a signal.
      ssize_t got = ::getrandom(out.data(), std::min<std::size_t>(out.size(), 256), 0);
      if (got < 0 && errno == EINTR) continue;  // only while the pool is not ready at boot
      ASSERT(got > 0);  // a node without randomness must not make keys or nonces
      out = out.subspan(static_cast<std::size_t>(got));
    }
  }
};

}  // namespace

std::unique_ptr<Entropy> os_entropy() { return std::make_unique<OsEntropy>(); }

}  // namespace meridian::io
