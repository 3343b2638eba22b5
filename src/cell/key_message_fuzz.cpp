// Messages about keys of persons: whatever decodes encodes to the same bytes.
#include <cstdlib>

#include "cell/key_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meridian;
  const Bytes input(data, size);
  const auto message = cell::decode_key_message(input);
  if (message && !equal(cell::encode_key_message(*message), input)) std::abort();
  return 0;
}
