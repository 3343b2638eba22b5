// Policies: whatever is accepted means the same after writing it out, and evaluation is bounded.
#include <array>

#include "base/assert.h"
#include "proof/policy.h"

using namespace meridian;
using namespace meridian::proof;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Signed by the key of the policy in the corpus.
  static const Note note = [] {
    std::array<Byte, 32> seed;
    seed.fill(1);
    Signer log("interop.example/00000000-0000-0007-0000-000000000007/1", KeyType::ed25519, seed);
    return *sign_checkpoint({TreeSize{5}, {}}, log);
  }();
  Result<Policy> policy = parse_policy(as_text({data, size}));
  if (!policy.has_value()) {
    ASSERT(policy.error().message.starts_with("policy"));
    return 0;
  }
  Result<Policy> again = parse_policy(format_policy(*policy));
  ASSERT(again.has_value());
  ASSERT(*again == *policy);
  (void)evaluate(note, *policy);
  return 0;
}
