// The decoders of a segment's frames, and a whole segment whose bytes were overwritten: whatever
// can still be read is what was appended.
#include <array>
#include <cstdlib>
#include <vector>

#include "sim/disk.h"
#include "sim/entropy.h"
#include "storage/internal/fixed_keys.h"
#include "storage/internal/segment_frames.h"

namespace {

using namespace meridian;

constexpr std::uint64_t records = 600;

void require(bool condition) {
  if (!condition) std::abort();
}

void decode(Bytes input) {
  auto headers = storage::HeaderFrame::decode(to_buffer(input), 0);
  if (headers) {
    Buffer all;
    Buffer again;
    std::vector<std::uint16_t> sizes;
    for (std::uint64_t i = headers->first(); i < headers->end(); ++i) {
      Bytes header = headers->header(i);
      all.insert(all.end(), header.begin(), header.end());
      sizes.push_back(static_cast<std::uint16_t>(header.size()));
    }
    storage::encode_header_frame(headers->first(), sizes, all, again);
    require(equal(again, input));
    require(equal(headers->first_part(headers->end()), input));
  }
  auto directory = storage::decode_directory(input, 0);
  if (directory) {
    Buffer again;
    storage::encode_directory(*directory, again);
    require(equal(again, input));
  }
  static_cast<void>(storage::decode_payload_frame(input, 0));
  static_cast<void>(storage::decode_trailer(input, 0));
  static_cast<void>(storage::decode_sync_mark(input));
}

Byte fill_of(std::uint64_t record) { return static_cast<Byte>(record * 7 + 1); }

/// The input is a list of (file, position, byte to write there).
void overwrite(Bytes input) {
  sim::Disk disk;
  sim::Entropy entropy(1);
  storage::FixedKeys keys;
  storage::SealedContext context{disk, entropy, keys, 3};
  {
    auto store = storage::RecordStore::open(context, 0);
    require(store.has_value());
    for (std::uint64_t first = 0; first < records; first += 150) {
      Buffer headers;
      for (std::uint64_t i = first; i < first + 150; ++i) headers.push_back(fill_of(i));
      std::vector<std::uint16_t> sizes(150, 1);
      std::array<storage::RecordStore::Appended::PayloadOf, 1> payload{{{first + 7, headers}}};
      require(
          (*store)->append({.headers = headers, .sizes = sizes, .payloads = payload}).has_value());
      require((*store)->sync().has_value());
    }
  }
  ByteReader reader(input);
  while (reader.remaining() >= 4) {
    bool in_headers = reader.u8() % 2 == 0;
    std::uint16_t position = reader.u16();
    Byte value = reader.u8();
    auto file =
        disk.open(in_headers ? "headers/0000000000000000.seg" : "payloads/0000000000000000.seg",
                  io::OpenMode::read_write);
    require(file.has_value());
    require((*file)->write_at(position % 2800, Bytes(&value, 1)).has_value());
  }
  auto visit = [](std::uint64_t record, Bytes header) {
    require(header.size() == 1 && header[0] == fill_of(record));
    return true;
  };
  auto damaged = [](std::uint64_t first, std::uint64_t count, const Error& error) {
    require(first + count <= records && !error.message.empty());
  };
  auto store = storage::RecordStore::open_read_only(context);
  require(store.has_value());
  require((*store)->count() <= records);
  require((*store)->scan_all(0, (*store)->count(), visit, damaged).has_value());
  for (std::uint64_t i = 0; i < (*store)->count(); i += 5) static_cast<void>((*store)->payload(i));
  auto opened = storage::RecordStore::open(context, 500);
  if (!opened) return require(!opened.error().message.empty());
  require((*opened)->count() == 500);
  static_cast<void>((*opened)->scan(0, 500, visit));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes input(data, size);
  decode(input);
  overwrite(input);
  return 0;
}
