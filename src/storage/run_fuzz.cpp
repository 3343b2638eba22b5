// A run whose frames open but hold anything, and a manifest of any bytes: an answer or data_loss,
// never a crash. And pairs made from the input come back.
#include <map>

#include "base/assert.h"
#include "sim/disk.h"
#include "sim/entropy.h"
#include "storage/internal/fixed_keys.h"
#include "storage/internal/run_file.h"

using namespace meridian;
using namespace meridian::storage;

namespace {

struct Rig {
  sim::Disk disk;
  sim::Entropy entropy{1};
  FixedKeys keys;
  SealedContext context{disk, entropy, keys, 42};
  SortedRuns::Options options;
  explicit Rig(std::size_t key_size) : options{"ids", key_size} {
    ASSERT(disk.make_directory("index/ids").has_value());
  }
};

/// frames = { tag(1) size(1) content }*; a sound trailer follows unless the last one says
/// otherwise.
void open_anything(Rig& rig, Bytes input) {
  auto writer = SealedWriter::create(rig.context, run_path("ids", 1), Purpose::sorted_run, 1);
  ASSERT(writer.has_value());
  ByteReader in(input);
  std::uint64_t filter = sealed_file_header_size;
  std::uint64_t directory = sealed_file_header_size;
  const std::uint32_t parts = in.u8();
  while (in.remaining() >= 2) {
    const std::uint32_t tag = run_pairs_tag + in.u8() % 4;
    const Bytes content = in.take(std::min<std::size_t>(in.u8(), in.remaining()));
    const std::uint64_t at = *writer->append(tag, content);
    if (tag == run_filter_tag) filter = at;
    if (tag == run_directory_tag) directory = at;
  }
  Buffer trailer;
  ByteWriter out(trailer);
  out.u64(filter);
  out.u64(directory);
  out.u32(parts % 4);
  out.u32(parts / 4 % 4);
  out.zeros(8);
  ASSERT(writer->append(8, trailer).has_value());
  ASSERT(writer->sync().has_value());
  for (std::uint64_t pairs = 0; pairs < 4; ++pairs) {
    auto run = Run::open(rig.context, rig.options, 1, pairs);
    if (!run) continue;
    for (std::size_t frame = 0; frame < (*run)->frame_count(); ++frame)
      static_cast<void>((*run)->read_frame(frame));
    for (const u128 key : {u128{0}, u128{1}, u128_max}) static_cast<void>((*run)->find({key, 0}));
  }
}

void write_and_read(Rig& rig, Bytes input) {
  std::map<RunKey, std::uint64_t> model;
  for (ByteReader in(input); in.remaining() >= 4;) {
    const std::uint16_t high = in.u16();
    model[{high, rig.options.key_size == 24 ? in.u8() : std::uint64_t{0}}] = in.u8();
  }
  auto writer = RunWriter::create(rig.context, rig.options, 2, model.size());
  ASSERT(writer.has_value());
  for (const auto& [key, value] : model) ASSERT(writer->add({key, value}).has_value());
  ASSERT(writer->finish().has_value());
  auto run = Run::open(rig.context, rig.options, 2, model.size());
  ASSERT(run.has_value());
  for (const auto& [key, value] : model) ASSERT(*(*run)->find(key) == std::optional(value));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input(data, size);
  Rig rig(size % 2 == 0 ? 16 : 24);
  open_anything(rig, input);
  write_and_read(rig, input);
  static_cast<void>(SortedRuns::open(rig.context, rig.options, input));
  return 0;
}
