// Arbitrary bytes as a sealed file, and as frames behind a sound header: never a crash, never a
// frame that opens.
#include "base/assert.h"
#include "storage/internal/key_rig.h"

using namespace meridian;
using namespace meridian::storage;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::unique_ptr<KeyRig> made = make_key_rig();
  KeyRig& rig = *made;
  static FreshHeader fresh;
  static FrameSealer sealer = *FrameSealer::create(rig.context(), Purpose::headers, 1, fresh);
  const Buffer& header = fresh.bytes;

  Bytes input(data, size);
  ASSERT(!FrameSealer::open(rig.context(), Purpose::headers, 1, input).has_value() ||
         equal(input.first(sealed_file_header_size), header));
  ASSERT(!sealer.open_frame(sealed_file_header_size, input).has_value());

  // A sound header with the first bytes of the input laid over it.
  Buffer mixed = header;
  for (std::size_t i = 0; i < std::min(size, mixed.size()); ++i) mixed[i] ^= data[i];
  ASSERT(!FrameSealer::open(rig.context(), Purpose::headers, 1, mixed).has_value() ||
         mixed == header);

  // The input as plaintext comes back, and a change anywhere shows.
  Buffer frame;
  sealer.seal(size, 3, input, frame);
  auto opened = sealer.open_frame(size, frame);
  ASSERT(opened.has_value());
  ASSERT(equal(opened->plain, input));
  if (size > 0) {
    frame[data[0] % frame.size()] ^= static_cast<Byte>(data[size - 1] | 1);
    ASSERT(!sealer.open_frame(size, frame).has_value());
  }
  return 0;
}
