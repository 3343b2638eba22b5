#include <sys/random.h>

#include <cerrno>

#include "base/assert.h"
#include "io/entropy.h"

namespace meridian::io {
namespace {

class OsEntropy final : public Entropy {
 public:
  void fill(MutableBytes out) override {
    while (!out.empty()) {
      // getrandom(2): a signal may cut requests of more than 256 bytes short; then ask again.
      ssize_t got = ::getrandom(out.data(), out.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      ASSERT(got > 0);  // a node without randomness must not make keys or nonces
      out = out.subspan(static_cast<std::size_t>(got));
    }
  }
};

}  // namespace

std::unique_ptr<Entropy> os_entropy() { return std::make_unique<OsEntropy>(); }

}  // namespace meridian::io
