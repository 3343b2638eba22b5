// Any bytes are a request that is written exactly so, or a refusal.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "door/signed_text.h"

namespace meridian::door {
namespace {

void check(std::string_view text) {
  const Result<SignedRequest> request = parse_signed_text(text);
  if (!request) {
    ASSERT(request.error().code == Code::invalid_argument);
    return;
  }
  const Result<std::string> again = format_signed_text(*request);
  ASSERT(again.has_value());
  ASSERT(*again == text);
  ASSERT(!request->commands.empty());
  ASSERT(signed_commands(to_drafts(request->commands)).has_value());
}

}  // namespace
}  // namespace meridian::door

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  meridian::door::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
