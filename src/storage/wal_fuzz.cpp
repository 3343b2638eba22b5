// The log's group decoder, and a whole log whose bytes were overwritten: opening it never crashes,
// and either refuses or hands out what the log held at some time, less only if it says so.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
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
  auto group = storage::decode_wal_group(input);
  if (!group) return;
  Buffer again;
  if (group->entries.empty()) {
    storage::encode_wal_truncation(group->sequence, group->first_index, again);
  } else {
    storage::encode_wal_group(group->sequence, group->entries, again);
  }
  require(equal(again, input));
}

/// What a log holds, by index: of each entry its version (a number that no other has).
using State = std::map<std::uint64_t, std::uint64_t>;

/// Entry `version` at `index`, of a size, kind and head that follow from the version.
storage::WalEntry entry_of(std::uint64_t index, std::uint64_t version, Buffer& room) {
  room.assign(300 * version, static_cast<Byte>(version));
  const Bytes bytes(room);
  return {index, version, bytes, static_cast<std::uint8_t>(version % 3), bytes.first(version)};
}

void require_entry(const storage::WalEntry& entry) {
  Buffer room;
  const storage::WalEntry expected = entry_of(entry.index, entry.term, room);
  require(entry.kind == expected.kind);
  require(equal(entry.bytes, expected.bytes) && equal(entry.head, expected.head));
}

/// Changes of every sort; returns what the log held after each.
std::vector<State> play(storage::Wal& wal) {
  std::vector<State> states(1);
  State state;
  Buffer room;
  constexpr std::array<std::uint64_t, 12> firsts{1, 2, 3, 3, 3, 4, 2, 2, 2, 2, 3, 4};
  for (std::uint64_t version = 1; version <= firsts.size(); ++version) {
    const std::uint64_t index = firsts[version - 1];
    state.erase(state.lower_bound(index), state.end());
    if (version % 5 == 4 || version == 7) {
      require(wal.truncate_from(index).has_value());
    } else {
      const storage::WalEntry entry = entry_of(index, version, room);
      require(wal.append({&entry, 1}).has_value());
      state[index] = version;
    }
    states.push_back(state);
  }
  return states;
}

Result<std::unique_ptr<storage::Wal>> open(const storage::SealedContext& context, State& state) {
  state.clear();
  const auto visit = [&](const storage::WalEntry& entry) -> Status {
    require_entry(entry);
    require(entry.index == state.size() + 1);
    state[entry.index] = entry.term;
    return {};
  };
  const auto truncated = [&](std::uint64_t index) -> Status {
    state.erase(state.lower_bound(index), state.end());
    return {};
  };
  return storage::Wal::open(context, {.file_size = 32 << 10}, 1, visit, nullptr, truncated);
}

/// What is opened and what is read is the same.
void require_reads(storage::Wal& wal, const State& state) {
  State read;
  const auto next = wal.read(1, UINT64_MAX, [&](const storage::WalEntry& entry) -> Status {
    require_entry(entry);
    read[entry.index] = entry.term;
    return {};
  });
  require(next.has_value() && *next == wal.last_index() + 1);
  require(read == state);
}

/// The input is a list of (block, offset in it, byte to write there).
void overwrite(Bytes input) {
  sim::Disk disk;
  sim::Entropy entropy(1);
  storage::FixedKeys keys;
  const storage::SealedContext context{disk, entropy, keys, 3};
  State state;
  auto wal = open(context, state);
  require(wal.has_value());
  const std::vector<State> states = play(**wal);
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
  auto opened = open(context, state);
  if (!opened) return require(!opened.error().message.empty());
  // What it held at some time: everything, or less if the end does not open.
  require(std::ranges::find(states, state) != states.end());
  require((*opened)->ambiguous_tail().has_value() || state == states.back());
  if ((*opened)->ambiguous_tail()) require((*opened)->drop_tail().has_value());
  require_reads(**opened, state);
  const std::uint64_t next = (*opened)->last_index() + 1;
  Buffer room;
  const storage::WalEntry entry = entry_of(next, 13, room);
  require((*opened)->append({&entry, 1}).has_value());
  state[next] = 13;
  require_reads(**opened, state);
  State reopened;
  auto again = open(context, reopened);
  require(again.has_value());
  require(!(*again)->ambiguous_tail().has_value());
  require(reopened == state);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes input(data, size);
  decode(input);
  overwrite(input);
  return 0;
}
