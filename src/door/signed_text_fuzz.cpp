// Any bytes are a request that is written exactly so, or a refusal; and any bytes have one
// canonical JSON, or none.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>

#include "base/assert.h"
#include "door/canonical_json.h"
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
  const bool has_events = std::ranges::any_of(request->commands, [](const SignedCommand& command) {
    return std::holds_alternative<SignedEvent>(command);
  });
  ASSERT(text.starts_with(has_events ? "meridian-request 2\n" : "meridian-request 1\n"));
  if (!has_events) ASSERT(signed_commands(to_drafts(request->commands)).has_value());
}

void check_json(std::string_view text) {
  const Result<std::string> once = canonical_json(text);
  if (!once) return;
  const Result<std::string> twice = canonical_json(*once);
  ASSERT(twice.has_value());
  ASSERT(*twice == *once);
}

}  // namespace
}  // namespace meridian::door

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  meridian::door::check({reinterpret_cast<const char*>(data), size});
  meridian::door::check_json({reinterpret_cast<const char*>(data), size});
  return 0;
}
