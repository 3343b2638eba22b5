// Certificates of erasure: whatever decodes encodes to the same bytes, and verifying it ends.
#include <cstdlib>

#include "base/bytes.h"
#include "door/erasure_certificate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meridian;
  const std::string_view text = as_text(Bytes(data, size));
  const auto certificate = door::decode_certificate(text);
  if (!certificate) return 0;
  if (door::encode_certificate(*certificate) != text) std::abort();
  if (door::verify_certificate(*certificate, {})) std::abort();  // nobody is trusted
  return 0;
}
