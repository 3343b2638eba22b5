// Everything that travels in a copy: whatever decodes encodes to the same bytes.
#include <cstdlib>

#include "replica/state_copy.h"

namespace {

using namespace meridian;

void require(bool condition) {
  if (!condition) std::abort();
}

template <typename Message>
void decode(Bytes input) {
  const auto message = Message::decode(input);
  if (message) require(equal(message->encode(), input));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input(data, size);
  decode<replica::StateOffer>(input);
  decode<replica::PieceRequest>(input);
  decode<replica::RecordsPiece>(input);
  decode<replica::ChunkListPiece>(input);
  decode<replica::ChunkPiece>(input);
  const auto request = replica::PieceRequest::decode(input);
  if (request) require(!request->describe().empty());
  return 0;
}
