// What sealing a payload of 200 bytes costs one core, commitment and key derivation included: of a
// person whose keys are warm, of one after the other of many persons, and of nobody.
#include <benchmark/benchmark.h>

#include <array>
#include <memory>

#include "base/assert.h"
#include "door/payload_sealer.h"
#include "io/entropy.h"
#include "sim/disk.h"
#include "sim/world.h"
#include "storage/key_store.h"
#include "storage/key_table.h"

namespace meridian::door {
namespace {

constexpr std::size_t content_size = 200;
constexpr u128 cell = 7;

/// On a disk in memory, with randomness of the kernel, as a door has it.
struct Sealing {
  sim::World world{1};
  sim::Disk disk{sim::DiskOptions{}};
  std::unique_ptr<io::Entropy> entropy = io::os_entropy();
  std::unique_ptr<storage::KeyStore> keys;
  std::unique_ptr<storage::KeyTable> table;
  std::optional<PayloadSealer> sealer;

  Sealing() {
    constexpr std::array<Byte, 4> passphrase = {1, 2, 3, 4};
    auto made = storage::KeyStore::create({disk, world.clock(), *entropy}, passphrase, {10, 8, 1});
    ASSERT(made.has_value());
    keys = *std::move(made);
    auto opened = storage::KeyTable::open({disk, *entropy, *keys, cell}, *keys, world.clock());
    ASSERT(opened.has_value());
    table = *std::move(opened);
    auto created = PayloadSealer::create(cell, *entropy, *keys, *table);
    ASSERT(created.has_value());
    sealer.emplace(*std::move(created));
  }
};

/// Of persons 1 to `persons`, in turn; of nobody if there are none.
void seal(benchmark::State& state) {
  Sealing sealing;
  const auto persons = static_cast<std::uint64_t>(state.range(0));
  EventDraft draft;
  draft.stream = "payments-2026";
  draft.type = "paid";
  draft.data.assign(
      content_size - draft.stream.size() - draft.type.size() - draft.content_type.size() - 20,
      Byte{'x'});
  Buffer out;
  const auto seal_one = [&](std::uint64_t number) {
    const u128 subject = persons == 0 ? 0 : 1 + number % persons;
    draft.event_id = number + 1;
    out.clear();
    const Result<crypto::Digest> commitment = sealing.sealer->seal(draft, {&subject, 1}, out);
    ASSERT(commitment.has_value());
  };
  for (std::uint64_t i = 0; i < persons; ++i) seal_one(i);
  std::uint64_t number = 0;
  for (auto _ : state) seal_one(number++);
  state.counters["payloads/s"] =
      benchmark::Counter(static_cast<double>(number), benchmark::Counter::kIsRate);
}
BENCHMARK(seal)->ArgName("persons")->Arg(0)->Arg(1)->Arg(10'000);

}  // namespace
}  // namespace meridian::door
