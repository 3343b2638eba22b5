// Deny lists: what is accepted is written again byte for byte.
#include "base/assert.h"
#include "base/bytes.h"
#include "mesh/signed_deny_list.h"

using namespace meridian;
using namespace meridian::mesh;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = as_text({data, size});
  if (Result<DenyList> list = parse_deny_list(text); list.has_value()) {
    ASSERT(format_deny_list(*list) == text);
    for (const DenyEntry& entry : list->entries())
      (void)list->find(entry.subject, {list->trust_domain(), "/service/x"});
  }
  ASSERT(!verify_deny_list(text, "eu-west.bank.example", {}).has_value());
  return 0;
}
