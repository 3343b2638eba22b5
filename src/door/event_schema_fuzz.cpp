// Any schema and any event: both are refused with words, or the event is taken apart and comes back
// as the same JSON; and any rest and part, which come back or are said to be damaged.
#include <nlohmann/json.hpp>

#include "base/assert.h"
#include "door/event_schema.h"

using namespace meridian;
using namespace meridian::door;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = as_text(Bytes(data, size));
  const std::size_t end = std::min(input.find('\0'), input.size());
  const std::string_view first = input.substr(0, end);
  const std::string_view second = input.substr(std::min(end + 1, input.size()));
  static_cast<void>(join_split(as_bytes(first), {as_bytes(second)}));
  const auto schema = EventSchema::parse(first);
  if (!schema) {
    ASSERT(schema.error().code == Code::invalid_argument && !schema.error().message.empty());
    return 0;
  }
  const auto split = (*schema)->split(as_bytes(second));
  if (!split) return 0;
  std::vector<Bytes> parts;
  for (const EventSchema::Part& part : split->parts) parts.emplace_back(part.content);
  const Result<Buffer> whole =
      split->parts.empty() ? Result<Buffer>(split->rest) : join_split(split->rest, parts);
  ASSERT(whole.has_value());
  ASSERT(nlohmann::json::parse(as_text(*whole), nullptr, false) ==
         nlohmann::json::parse(second, nullptr, false));
  return 0;
}
