// Arbitrary bytes as a key store, and as the differences to a sound one: never a crash.
#include <algorithm>

#include "base/assert.h"
#include "crypto/sha256.h"
#include "storage/internal/key_rig.h"

using namespace meridian;
using namespace meridian::storage;

namespace {

void open_store(KeyRig& rig, Bytes bytes) {
  rig.put("keys/store", bytes);
  auto opened = rig.open();
  if (opened) {
    ASSERT((*opened)->list().size() <= KeyStore::keys_max);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::unique_ptr<KeyRig> made = make_key_rig();
  KeyRig& rig = *made;
  static const Buffer sound = rig.read("keys/store");

  open_store(rig, Bytes(data, size));
  // Differences (place, value) to the sound store, under a check made right again. The cost fields
  // stay: a large one is not an error, only slow.
  Buffer mixed = sound;
  std::size_t checked = mixed.size() - 32;
  for (std::size_t i = 0; i + 1 < size; i += 2) {
    std::size_t at = (data[i] * std::size_t{3} + i) % checked;
    if (at < 10 || at > 12) mixed[at] ^= data[i + 1];
  }
  crypto::Digest check = crypto::sha256(Bytes(mixed).first(checked));
  std::ranges::copy(check, mixed.begin() + static_cast<std::ptrdiff_t>(checked));
  open_store(rig, mixed);
  return 0;
}
