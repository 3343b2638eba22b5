#include "storage/state_store.h"

#include <gtest/gtest.h>

#include <map>

#include "proof/merkle.h"
#include "sim/disk.h"
#include "sim/entropy.h"
#include "sim/random.h"
#include "storage/internal/fixed_keys.h"
#include "storage/internal/state_manifest.h"

namespace meridian::storage {
namespace {

constexpr u128 cell = 9;
using Chunks = std::map<ChunkId, Buffer>;

struct Machine {
  std::unique_ptr<sim::Disk> disk = std::make_unique<sim::Disk>();
  sim::Entropy entropy{1};
  FixedKeys keys;
  SealedContext context() { return {*disk, entropy, keys, cell}; }
  std::unique_ptr<StateStore> open() {
    auto store = StateStore::open(context());
    EXPECT_TRUE(store.has_value()) << store.error().message;
    return store ? std::move(*store) : nullptr;
  }
};

struct State {
  std::uint64_t record_index = 0;
  Chunks chunks;
};

/// Changes some chunks, adds and drops some; writes the rest as kept.
Status checkpoint(StateStore& store, State& state, sim::Random& random) {
  State next = state;
  next.record_index += 1 + random.below(1000);
  std::map<ChunkId, bool> changed;
  for (int i = 0; i < 6; ++i) {
    ChunkId id{static_cast<std::uint16_t>(1 + random.below(2)),
               static_cast<std::uint32_t>(random.below(12))};
    if (random.chance(0.15)) {
      next.chunks.erase(id);
      continue;
    }
    Buffer bytes(random.below(2000));
    for (Byte& byte : bytes) byte = static_cast<Byte>(random.next());
    next.chunks[id] = bytes;
    changed[id] = true;
  }
  TRY(store.begin(next.record_index));
  for (const auto& [id, bytes] : next.chunks) {
    if (changed.contains(id)) {
      TRY(store.add(id, state_chunk_digest(id, bytes), bytes));
    } else {
      TRY(store.keep(id));
    }
  }
  Status done = store.commit(next.record_index * 2, 3, {Buffer{1, 2}, Buffer{}, Buffer(100, 7)});
  // A commit that fails may be durable all the same: the caller looks after a restart.
  state = std::move(next);
  return done;
}

Result<Chunks> load(StateStore& store) {
  Chunks chunks;
  TRY(store.load([&](ChunkId id, Bytes bytes) -> Status {
    chunks[id] = to_buffer(bytes);
    return {};
  }));
  return chunks;
}

void expect_state(StateStore& store, const State& state) {
  ASSERT_NE(store.newest(), nullptr);
  EXPECT_EQ(store.newest()->record_index, state.record_index);
  EXPECT_EQ(store.newest()->entry_index, state.record_index * 2);
  EXPECT_EQ(store.newest()->term, 3U);
  EXPECT_EQ(store.newest()->parts, (std::vector<Buffer>{Buffer{1, 2}, Buffer{}, Buffer(100, 7)}));
  auto loaded = load(store);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(*loaded, state.chunks);
  proof::Hashes leaves;
  for (const auto& [id, bytes] : state.chunks) {
    leaves.push_back(proof::leaf_hash(state_chunk_digest(id, bytes)));
  }
  EXPECT_EQ(store.newest()->digest, proof::root_of(leaves));
}

TEST(StateStore, wrong_use_is_refused_and_costs_nothing) {
  Machine machine;
  auto store = machine.open();
  EXPECT_EQ(store->newest(), nullptr);
  EXPECT_EQ(load(*store).error().code, Code::not_found);
  ASSERT_TRUE(store->begin(1).has_value());
  EXPECT_EQ(store->keep({1, 1}).error().code, Code::not_found);
  EXPECT_EQ(store->add({1, 1}, crypto::Digest{}, Buffer{1}).error().code, Code::data_loss);
  State state;
  sim::Random random(1);
  ASSERT_TRUE(checkpoint(*store, state, random).has_value());
  expect_state(*machine.open(), state);
}

TEST(StateStore, checkpoints_equal_the_model_and_dead_chunks_do_not_pile_up) {
  Machine machine;
  auto store = machine.open();
  State state;
  sim::Random random(2);
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(checkpoint(*store, state, random).has_value());
    if (i % 7 == 0) store = machine.open();
    ASSERT_NO_FATAL_FAILURE(expect_state(*store, state));
    EXPECT_LE(machine.disk->list("state").value().size(), 66U);
  }
  std::uint64_t live = 0;
  std::uint64_t stored = 0;
  for (const auto& [id, bytes] : state.chunks) live += bytes.size() + 48;
  const std::vector<std::string> names = machine.disk->list("state").value();
  for (const std::string& name : names) {
    auto file = machine.disk->open("state/" + name, io::OpenMode::read);
    stored += (*file)->size().value();
  }
  EXPECT_LE(stored, 2 * live + 128 * names.size() + 8192);
}

TEST(StateStore, a_crash_leaves_the_old_or_the_new_checkpoint) {
  int survived = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    sim::Random random(seed);
    Machine machine;
    machine.disk = std::make_unique<sim::Disk>(sim::DiskOptions{.seed = seed});
    State sure;
    for (int life = 0; life < 4; ++life) {
      machine.disk->crash_at_mutation(machine.disk->mutation_count() + 1 + random.below(40));
      State tried = sure;
      if (auto store = StateStore::open(machine.context())) {
        while (true) {
          tried = sure;
          if (!checkpoint(**store, tried, random)) break;
          sure = tried;
        }
      }
      machine.disk = machine.disk->crash(random.next());
      auto store = machine.open();
      ASSERT_NE(store, nullptr);
      if (sure.record_index == 0 && store->newest() == nullptr) continue;
      ASSERT_NE(store->newest(), nullptr);
      if (store->newest()->record_index != sure.record_index) {
        sure = tried;
        ++survived;
      }
      ASSERT_NO_FATAL_FAILURE(expect_state(*store, sure));
    }
  }
  EXPECT_GT(survived, 10);
}

TEST(StateStore, every_flipped_bit_is_found) {
  Machine machine;
  State state;
  {
    auto store = machine.open();
    sim::Random random(4);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(checkpoint(*store, state, random).has_value());
  }
  int found = 0;
  int dead = 0;
  const std::vector<std::string> names = machine.disk->list("state").value();
  for (const std::string& name : names) {
    std::string path = "state/" + name;
    auto file = machine.disk->open(path, io::OpenMode::read);
    std::uint64_t size = (*file)->size().value();
    for (std::uint64_t at = 0; at < size; at += at < 200 ? 1 : 13) {
      ASSERT_TRUE(machine.disk->flip_bit(path, at, 5).has_value());
      auto store = StateStore::open(machine.context());
      auto loaded = store ? load(**store) : Result<Chunks>(store.error());
      if (loaded) {
        EXPECT_EQ(*loaded, state.chunks) << path << " " << at;
        EXPECT_NE(name, "MANIFEST") << at;
        ++dead;  // a chunk that no checkpoint names
      } else {
        bool named = loaded.error().code == Code::data_loss || at < 128;
        EXPECT_TRUE(named) << loaded.error().message;
        EXPECT_NE(loaded.error().message.find("state"), std::string::npos);
        ++found;
      }
      ASSERT_TRUE(machine.disk->flip_bit(path, at, 5).has_value());
    }
  }
  EXPECT_GT(found, 5 * dead);
}

TEST(StateStore, a_pinned_checkpoint_stays_readable_until_it_is_let_go_of) {
  Machine machine;
  auto store = machine.open();
  EXPECT_EQ(store->pin(), nullptr);
  State state;
  sim::Random random(5);
  ASSERT_TRUE(checkpoint(*store, state, random).has_value());
  const State old = state;
  std::shared_ptr<PinnedState> pin = store->pin();
  ASSERT_NE(pin, nullptr);
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(checkpoint(*store, state, random).has_value());

  EXPECT_EQ(pin->manifest().record_index, old.record_index);
  ASSERT_EQ(pin->chunks().size(), old.chunks.size());
  for (const StateChunkInfo& chunk : pin->chunks()) {
    const Result<Buffer> bytes = pin->read(chunk.id);
    ASSERT_TRUE(bytes.has_value()) << bytes.error().message;
    EXPECT_EQ(*bytes, old.chunks.at(chunk.id));
    EXPECT_EQ(state_chunk_digest(chunk.id, *bytes), chunk.digest);
  }
  EXPECT_EQ(pin->read({99, 0}).error().code, Code::not_found);

  const std::size_t pinned = machine.disk->list("state").value().size();
  pin.reset();
  ASSERT_TRUE(checkpoint(*store, state, random).has_value());
  EXPECT_LT(machine.disk->list("state").value().size(), pinned);
  expect_state(*machine.open(), state);
}

TEST(StateStore, a_full_disk_keeps_the_newest_and_later_room_serves_the_next) {
  Machine machine;
  auto store = machine.open();
  State state;
  sim::Random random(6);
  ASSERT_TRUE(checkpoint(*store, state, random).has_value());
  State sure = state;
  machine.disk->set_capacity(1000);
  Status refused = checkpoint(*store, state, random);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::resource_exhausted);
  expect_state(*store, sure);
  expect_state(*machine.open(), sure);
  machine.disk->set_capacity(1 << 30);
  store = machine.open();
  ASSERT_TRUE(checkpoint(*store, sure, random).has_value());
  expect_state(*machine.open(), sure);
}

TEST(StateStore, a_missing_chunk_file_is_named) {
  Machine machine;
  auto store = machine.open();
  State state;
  sim::Random random(7);
  ASSERT_TRUE(checkpoint(*store, state, random).has_value());
  ASSERT_TRUE(machine.disk->remove("state/0000000000000001.chunks").has_value());
  auto opened = StateStore::open(machine.context());
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::data_loss);
  EXPECT_NE(opened.error().message.find("0000000000000001.chunks"), std::string::npos);
}

}  // namespace
}  // namespace meridian::storage
