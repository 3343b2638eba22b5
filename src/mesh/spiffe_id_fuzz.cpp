// SPIFFE ids: what is accepted is written again byte for byte, and only one text names a member.
#include "base/assert.h"
#include "base/bytes.h"
#include "mesh/spiffe_id.h"

using namespace meridian;
using namespace meridian::mesh;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = as_text({data, size});
  Result<SpiffeId> id = parse_spiffe_id(text);
  if (!id.has_value()) {
    ASSERT(id.error().message.starts_with("SPIFFE id: "));
    return 0;
  }
  ASSERT(format_spiffe_id(*id) == text);
  ASSERT(is_trust_domain(id->trust_domain));
  ASSERT(text.find("//", 9) == std::string_view::npos);
  ASSERT(text.find("/../") == std::string_view::npos);
  if (std::optional<NodeName> node = node_of(*id)) {
    ASSERT(kind_of(*id) == IdKind::node);
    ASSERT(node_id(id->trust_domain, *node) == *id);
  }
  return 0;
}
