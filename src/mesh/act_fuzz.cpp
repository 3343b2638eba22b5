// Any bytes are an act that is written exactly so, or a refusal; and no record of any bytes has a
// fold do more than refuse it.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "mesh/act_history.h"

namespace meridian::mesh {
namespace {

void check(std::string_view text) {
  const Result<ActStatement> act = parse_act(text);
  if (act)
    ASSERT(format_act(*act) == text);
  else
    ASSERT(act.error().code == Code::invalid_argument);
  ActHistory history(1);
  for (const std::string_view type : {act_proposed_type, act_approved_type, act_used_type})
    ASSERT(!history.apply(type, text, 1));
  ASSERT(history.acts(0).empty());
}

}  // namespace
}  // namespace meridian::mesh

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  meridian::mesh::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
