// Questions and answers about tree heads: whatever decodes encodes to the same bytes.
#include <cstdlib>

#include "replica/cosign_message.h"

namespace {

using namespace meridian;

template <typename Message>
void decode(Bytes input) {
  const auto message = Message::decode(input);
  if (message && !equal(message->encode(), input)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input(data, size);
  decode<replica::CosignQuestion>(input);
  decode<replica::CosignAnswer>(input);
  return 0;
}
