// Any bytes are a glass that is written exactly so, or a refusal; what nobody signed opens nothing.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "mesh/break_glass.h"

namespace meridian::mesh {
namespace {

void check(std::string_view text) {
  if (const Result<Glass> glass = parse_glass(text))
    ASSERT(format_glass(*glass) == text);
  else
    ASSERT(glass.error().code == Code::invalid_argument);
  if (const Result<SignedGlass> glass = read_glass(text)) {
    const GlassKeys none;
    ASSERT(!verify_glass(*glass, none));
  }
  GlassHistory history(1);
  for (const std::string_view type : {glass_used_type, glass_act_type})
    ASSERT(!history.apply(type, text, 1));
}

}  // namespace
}  // namespace meridian::mesh

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  meridian::mesh::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
