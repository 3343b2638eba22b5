// Join tokens: no text but a token has a digest, and a table that is accepted is written again byte
// for byte.
#include "base/assert.h"
#include "mesh/join_token.h"

using namespace meridian;
using namespace meridian::mesh;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = as_text({data, size});
  if (join_token_digest(text).has_value()) {
    ASSERT(text.size() == 70);
    ASSERT(text.substr(6).find_first_not_of("0123456789abcdef") == std::string_view::npos);
  }
  if (Result<std::vector<JoinToken>> tokens = parse_join_tokens(text); tokens.has_value())
    ASSERT(format_join_tokens(*tokens) == text);
  return 0;
}
