#include "system.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace meridian::client {

Time now() { return std::chrono::steady_clock::now(); }

std::uint64_t wall_ms() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(since).count());
}

void fill_from_system(std::span<std::byte> out) {
  constexpr std::size_t at_once_max = 256;  // getentropy(3)
  while (!out.empty()) {
    const std::size_t size = std::min(out.size(), at_once_max);
    if (getentropy(out.data(), size) != 0) std::abort();
    out = out.subspan(size);
  }
}

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace meridian::client
