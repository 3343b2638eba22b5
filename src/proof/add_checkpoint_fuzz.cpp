// Bodies of add-checkpoint and of its answers: whatever is accepted is written back byte for byte.
#include "base/assert.h"
#include "proof/add_checkpoint.h"

using namespace meridian;
using namespace meridian::proof;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  const Result<AddCheckpoint> request = parse_add_checkpoint(text);
  if (request) {
    ASSERT(format_add_checkpoint(*request) == text);
    ASSERT(request->path.size() <= add_checkpoint_hashes_max);
  }
  const auto signatures = parse_signature_lines(text);
  if (signatures) ASSERT(format_signature_lines(*signatures) == text);
  const Result<TreeSize> old_size = parse_size_line(text);
  if (old_size) ASSERT(format_size_line(*old_size) == text);
  return 0;
}
