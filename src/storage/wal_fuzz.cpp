// The log's group decoder, and a whole log whose bytes were overwritten: opening it never crashes
// and never hands out an entry that was not appended.
#include <array>
#include <cstdlib>
#include <vector>

#include "sim/disk.h"
#include "sim/entropy.h"
#include "storage/internal/fixed_keys.h"
#include "storage/internal/wal_group.h"
#include "storage/wal.h"

namespace {

using namespace meridian;

void require(bool condition) {
  if (!condition) std::abort();
}

void decode(Bytes input) {
  auto entries = storage::decode_wal_group(input);
  if (!entries) return;
  Buffer again;
  storage::encode_wal_group(*entries, again);
  require(equal(again, input));
}

/// The input is a list of (block, offset in it, byte to write there).
void overwrite(Bytes input) {
  constexpr storage::WalOptions options{.file_size = 32 << 10};
  sim::Disk disk;
  sim::Entropy entropy(1);
  storage::FixedKeys keys;
  storage::SealedContext context{disk, entropy, keys, 3};
  auto ignore = [](const storage::WalEntry&) -> Status { return {}; };
  auto wal = storage::Wal::open(context, options, 1, ignore, nullptr);
  require(wal.has_value());
  std::array<Byte, 3000> bytes;
  for (std::uint64_t index = 1; index <= 10; ++index) {
    bytes.fill(static_cast<Byte>(index));
    storage::WalEntry entry{index, 1, Bytes(bytes).first(300 * index)};
    require((*wal)->append({&entry, 1}).has_value());
  }
  ByteReader reader(input);
  while (reader.remaining() >= 4) {
    std::uint8_t block = reader.u8();
    std::uint16_t offset = reader.u16();
    Byte value = reader.u8();
    auto file = disk.open(block % 2 == 0 ? "wal/0000000000000001.wal" : "wal/0000000000000002.wal",
                          io::OpenMode::read_write);
    require(file.has_value());
    std::uint64_t at = std::uint64_t{block} / 2 % 8 * 4096 + offset % 4096;
    require((*file)->write_at(at, Bytes(&value, 1)).has_value());
  }
  auto check = [](const storage::WalEntry& entry) -> Status {
    require(entry.index >= 1 && entry.index <= 10 && entry.bytes.size() == 300 * entry.index);
    for (Byte byte : entry.bytes) require(byte == static_cast<Byte>(entry.index));
    return {};
  };
  auto opened = storage::Wal::open(context, options, 1, check, nullptr);
  if (!opened) return require(!opened.error().message.empty());
  if ((*opened)->ambiguous_tail()) require((*opened)->drop_tail().has_value());
  std::uint64_t last = (*opened)->last_index();
  storage::WalEntry next{last + 1, 1, {}};
  require((*opened)->append({&next, 1}).has_value());
  auto again = storage::Wal::open(context, options, 1, ignore, nullptr);
  require(again.has_value());
  require(!(*again)->ambiguous_tail().has_value());
  require((*again)->last_index() == last + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes input(data, size);
  decode(input);
  overwrite(input);
  return 0;
}
