// Requests that were handed over, and answers to them: whatever decodes encodes to the same bytes.
#include "cell/sealed_request.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meridian;
  const Bytes input(data, size);
  if (const auto request = cell::decode_request(input)) {
    const auto again = cell::encode_request(**request);
    if (!again || !equal(*again, input)) std::abort();
  }
  const auto answer = cell::decode_answer(input);
  if (answer && !equal(cell::encode_answer(*answer), input)) std::abort();
  return 0;
}
