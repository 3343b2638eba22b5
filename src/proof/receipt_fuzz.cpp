// Receipts: whatever is accepted is written back byte for byte, and evaluation never crashes.
#include <array>

#include "base/assert.h"
#include "proof/policy.h"
#include "proof/receipt.h"

using namespace meridian;
using namespace meridian::proof;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Policy policy = [] {
    Policy made;
    // The key of the golden receipts, so that mutations get past the log's signature.
    std::array<Byte, 32> seed;
    seed.fill(1);
    Signer log("interop.example/00000000-0000-0007-0000-000000000007/1", KeyType::ed25519, seed);
    made.logs.push_back({log.verifier(), {}, TreeSize{0}, TreeSize{tree_size_max}});
    made.quorum = "none";
    return made;
  }();
  std::string_view text = as_text({data, size});
  Result<Receipt> receipt = parse_receipt(text);
  if (!receipt.has_value()) return 0;
  ASSERT(format_receipt(*receipt) == text);
  Result<Evidence> evidence = evaluate(*receipt, policy);
  if (evidence.has_value()) {
    ASSERT(verify_in_checkpoint(*receipt).has_value());
    ASSERT(!describe(*evidence).empty());
  }
  return 0;
}
