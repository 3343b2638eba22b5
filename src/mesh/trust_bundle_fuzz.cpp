// Trust bundles: what is accepted is written again byte for byte, and makes a bundle.
#include "base/assert.h"
#include "base/bytes.h"
#include "mesh/trust_bundle.h"

using namespace meridian;
using namespace meridian::mesh;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = as_text({data, size});
  if (Result<TrustBundleDocument> document = parse_trust_bundle(text); document.has_value()) {
    ASSERT(*format_trust_bundle(*document) == text);
    ASSERT(TrustBundle::make(document->trust_domain, document->authorities, document->roots)
               .has_value());
  }
  Result<AcceptedBundle> kept = AcceptedBundle::from_kept(text);
  if (kept.has_value()) ASSERT(!kept->next(text).has_value());
  return 0;
}
