// Any bytes are settings or a refusal that says why; what is taken keeps its promises.
#include "base/assert.h"
#include "base/bytes.h"
#include "oidc/settings.h"

using namespace meridian;
using namespace meridian::oidc;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Result<Settings> settings = parse_settings(as_text({data, size}));
  if (!settings) {
    ASSERT(settings.error().code == Code::invalid_argument);
    ASSERT(!settings.error().message.empty());
    return 0;
  }
  ASSERT(is_https_url(settings->issuer));
  ASSERT(!settings->people.empty());
  ASSERT(!settings->audiences.empty());
  ASSERT(!settings->algorithms.empty());
  ASSERT(settings->lifetime_seconds > 0);
  return 0;
}
