// Arbitrary bytes as rows, as a whole table and as rows that a sound seal covers: never a crash;
// rows that decode encode to the same bytes.
#include "base/assert.h"
#include "storage/internal/key_rig.h"
#include "storage/internal/key_rows.h"
#include "storage/key_table.h"

using namespace meridian;
using namespace meridian::storage;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::unique_ptr<KeyRig> made = make_key_rig();
  KeyRig& rig = *made;
  Bytes input(data, size);
  auto rows = decode_rows(rows_tag, input);
  if (rows) {
    ASSERT(equal(encode_rows(rows->rows, rows->epoch), input));
  }

  auto open_table = [&](Bytes file) {
    rig.put("keys/table", file);
    auto opened = KeyTable::open(rig.context(), *rig.keys, rig.clock);
    if (!opened) return;
    for (unsigned subject = 0; subject < 3; ++subject) {
      if ((*opened)->classes(subject).empty()) continue;
      static_cast<void>((*opened)->for_opening(subject, (*opened)->classes(subject)[0], 1));
    }
  };
  open_table(input);
  FreshHeader fresh;
  FrameSealer sealer = *FrameSealer::create(rig.context(), Purpose::key_table, 0, fresh);
  Buffer& file = fresh.bytes;
  sealer.seal(file.size(), rows_tag, encode_rows({}, 1), file);
  Buffer torn = file;
  sealer.seal(file.size(), rows_tag, input, file);
  open_table(file);
  torn.insert(torn.end(), input.begin(), input.end());
  open_table(torn);
  return 0;
}
