#include "storage/wal.h"

#include <gtest/gtest.h>

#include "storage/internal/wal_group.h"
#include "storage/internal/wal_rig.h"

namespace meridian::storage {
namespace {

void flip(Machine& machine, std::string_view path, std::uint64_t offset, unsigned bit = 0) {
  auto flipped = machine.disk->flip_bit(path, offset, bit);
  ASSERT_TRUE(flipped.has_value()) << flipped.error().message;
}

const std::string first_file = "wal/0000000000000001.wal";
/// Of one of several replicas.
constexpr WalOptions of_many{.file_size = small_files.file_size, .damage_is_tail = true};

TEST(Wal, damage_before_the_tail_names_the_entries_lost) {
  Machine machine;
  auto wal = machine.open();
  for (std::uint64_t i = 1; i <= 5; ++i) ASSERT_TRUE(append(*wal, one(i, 5000)).has_value());
  flip(machine, first_file, 4096 + 2 * 8192 + 100);  // the group of entry 3
  auto opened = machine.try_open();
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::data_loss);
  EXPECT_NE(opened.error().message.find("entries 3 to 3"), std::string::npos)
      << opened.error().message;
  EXPECT_NE(opened.error().message.find("byte 20480"), std::string::npos);
}

TEST(Wal, a_torn_last_group_is_reported_as_ambiguous_and_dropped_for_good) {
  Machine machine;
  auto wal = machine.open();
  for (std::uint64_t i = 1; i <= 4; ++i) ASSERT_TRUE(append(*wal, one(i, 5000)).has_value());
  flip(machine, first_file, 4096 + 3 * 8192 + 5000);
  wal = machine.open();
  ASSERT_TRUE(wal->ambiguous_tail().has_value());
  EXPECT_EQ(wal->ambiguous_tail()->after_index, 3U);
  EXPECT_EQ(wal->ambiguous_tail()->bytes, 8192U);
  wal = machine.open();
  EXPECT_TRUE(wal->ambiguous_tail().has_value()) << "opening must not repair it";
  ASSERT_TRUE(wal->drop_tail().has_value());
  wal = machine.open();
  EXPECT_FALSE(wal->ambiguous_tail().has_value());
  EXPECT_EQ(wal->last_index(), 3U);
  ASSERT_TRUE(append(*wal, one(4, 10, 99)).has_value());
  wal = machine.open();
  EXPECT_FALSE(wal->ambiguous_tail().has_value());
  EXPECT_EQ(machine.read.at(4), one(4, 10, 99).at(4));
}

// Three groups unreadable for a while (a controller's fault): all three are dropped. When they
// could be read again, they must not follow what was appended instead.
TEST(Wal, groups_behind_a_dropped_tail_never_come_back) {
  Machine machine;
  auto wal = machine.open();
  for (std::uint64_t i = 1; i <= 6; ++i) ASSERT_TRUE(append(*wal, one(i, 3000)).has_value());
  for (std::uint64_t i = 4; i <= 6; ++i) flip(machine, first_file, i * 4096);
  wal = machine.open();
  ASSERT_TRUE(wal->ambiguous_tail().has_value());
  EXPECT_EQ(wal->ambiguous_tail()->after_index, 3U);
  ASSERT_TRUE(wal->drop_tail().has_value());
  ASSERT_TRUE(append(*wal, one(4, 3000, 50)).has_value());
  auto file = machine.disk->open(first_file, io::OpenMode::read);
  ASSERT_TRUE(file.has_value());
  Buffer rest(8 * 4096);
  ASSERT_TRUE((*file)->read_at(5 * 4096, rest).has_value());
  EXPECT_EQ(rest, Buffer(rest.size()));
  wal = machine.open();
  EXPECT_EQ(wal->last_index(), 4U);
  EXPECT_EQ(machine.read.at(4), one(4, 3000, 50).at(4));
}

TEST(Wal, a_missing_file_or_a_rotten_file_header_is_damage) {
  Machine machine;
  auto wal = machine.open();
  for (std::uint64_t i = 1; i <= 40; ++i) ASSERT_TRUE(append(*wal, one(i, 7000)).has_value());
  ASSERT_GT(wal->file_count(), 3U);
  flip(machine, "wal/0000000000000002.wal", 60);
  auto opened = machine.try_open();
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::data_loss);
  EXPECT_NE(opened.error().message.find("0000000000000002.wal"), std::string::npos);
  flip(machine, "wal/0000000000000002.wal", 60);
  ASSERT_TRUE(machine.try_open().has_value());
  ASSERT_TRUE(machine.disk->remove("wal/0000000000000002.wal").has_value());
  opened = machine.try_open();
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::data_loss);
  EXPECT_NE(opened.error().message.find("0000000000000002.wal is missing"), std::string::npos)
      << opened.error().message;
}

TEST(Wal, a_log_that_begins_too_late_is_damage) {
  Machine machine;
  auto wal = machine.open();
  for (std::uint64_t i = 1; i <= 40; ++i) ASSERT_TRUE(append(*wal, one(i, 7000)).has_value());
  ASSERT_TRUE(wal->release_before(30).has_value());
  std::uint64_t first = wal->first_index();
  EXPECT_GT(first, 1U);
  EXPECT_LE(first, 30U);
  EXPECT_TRUE(machine.try_open(first).has_value());
  auto opened = machine.try_open(first - 1);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::data_loss);
}

/// Opens a log of 40 entries in several files after `damage` as one of several replicas does, drops
/// what is in doubt, and goes on after it. Returns the last index that was sound.
std::uint64_t sound_after(const std::function<void(Machine&)>& damage) {
  Machine machine;
  auto wal = machine.open();
  for (std::uint64_t i = 1; i <= 40; ++i) EXPECT_TRUE(append(*wal, one(i, 7000)).has_value());
  const Entries all = [&] {
    machine.open();
    return machine.read;
  }();
  damage(machine);
  EXPECT_FALSE(machine.try_open().has_value()) << "alone, it does not open";
  wal = machine.open(1, of_many);
  const std::uint64_t last = wal->ambiguous_tail()->after_index;
  wal = machine.open(1, of_many);
  EXPECT_TRUE(wal->ambiguous_tail().has_value()) << "opening must not repair it";
  EXPECT_TRUE(wal->drop_tail().has_value());
  EXPECT_TRUE(append(*wal, one(last + 1, 10, 99)).has_value());
  wal = machine.open();
  EXPECT_FALSE(wal->ambiguous_tail().has_value());
  Entries expected = all;
  expected.erase(expected.upper_bound(last), expected.end());
  expected[last + 1] = one(last + 1, 10, 99).begin()->second;
  EXPECT_EQ(machine.read, expected);
  return last;
}

TEST(Wal, of_one_of_several_ends_in_doubt_where_it_is_damaged) {
  EXPECT_EQ(sound_after([](Machine& m) { flip(m, first_file, 4096 + 2 * 8192 + 100); }), 2U);
  const std::string second_file = "wal/0000000000000002.wal";
  const auto first_of_second = sound_after([&](Machine& m) { flip(m, second_file, 60); }) + 1;
  EXPECT_GT(first_of_second, 1U);
  EXPECT_LT(first_of_second, 10U);
  EXPECT_EQ(sound_after([&](Machine& m) { EXPECT_TRUE(m.disk->remove(second_file)); }) + 1,
            first_of_second);
  EXPECT_EQ(sound_after([&](Machine& m) { flip(m, second_file, 4096 + 100); }) + 1,
            first_of_second);
  EXPECT_EQ(sound_after([](Machine& m) { flip(m, first_file, 60); }), 0U);
}

TEST(Wal, of_one_of_several_that_begins_too_late_is_all_in_doubt) {
  Machine machine;
  auto wal = machine.open();
  for (std::uint64_t i = 1; i <= 40; ++i) ASSERT_TRUE(append(*wal, one(i, 7000)).has_value());
  ASSERT_TRUE(wal->release_before(30).has_value());
  wal = machine.open(2, of_many);
  ASSERT_TRUE(wal->ambiguous_tail().has_value());
  EXPECT_EQ(wal->ambiguous_tail()->after_index, 1U);
  ASSERT_TRUE(wal->drop_tail().has_value());
  ASSERT_TRUE(append(*wal, one(2, 10)).has_value());
  machine.open(2);
  EXPECT_EQ(machine.read.size(), 1U);
}

TEST(Wal, after_a_failed_sync_nothing_is_appended_and_the_log_reopens) {
  Machine machine;
  auto wal = machine.open();
  ASSERT_TRUE(append(*wal, one(1, 100)).has_value());
  machine.disk->fail_next(sim::DiskOperation::sync);
  EXPECT_FALSE(append(*wal, one(2, 100)).has_value());
  auto again = append(*wal, one(2, 100));
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code, Code::failed_precondition);
  // The page cache shows the group though the disk may not have it: opening makes it durable.
  wal = machine.open();
  bool shown = machine.read.contains(2);
  Entries before = machine.read;
  machine.disk = machine.disk->crash(3);
  wal = machine.open();
  EXPECT_EQ(machine.read, before);
  EXPECT_EQ(machine.read.contains(2), shown);
}

TEST(Wal, a_full_disk_refuses_and_goes_on_when_there_is_room) {
  Machine machine;
  auto wal = machine.open();
  std::uint64_t next = 1;
  machine.disk->set_capacity(200 << 10);
  Status done;
  while ((done = append(*wal, one(next, 7000))).has_value()) ++next;
  EXPECT_EQ(done.error().code, Code::resource_exhausted);
  EXPECT_GT(next, 7U);
  EXPECT_EQ(append(*wal, one(next, 7000)).error().code, Code::resource_exhausted);
  machine.disk->set_capacity(2 << 20);
  EXPECT_TRUE(append(*wal, one(next, 7000)).has_value());
  wal = machine.open();
  EXPECT_EQ(wal->last_index(), next);
}

TEST(Wal, an_entry_of_the_largest_size_fits_files_that_are_smaller) {
  Machine machine;
  auto wal = machine.open();
  Entries entries;
  for (std::uint64_t i = 1; i <= 5; ++i) entries.merge(one(i, wal_entry_size_max));
  ASSERT_TRUE(append(*wal, entries).has_value());
  wal = machine.open();
  EXPECT_EQ(machine.read, entries);
}

TEST(Wal, a_lower_index_replaces_the_suffix) {
  Machine machine;
  auto wal = machine.open();
  for (std::uint64_t i = 1; i <= 6; ++i) ASSERT_TRUE(append(*wal, one(i, 100)).has_value());
  ASSERT_TRUE(append(*wal, one(4, 100, 9)).has_value());
  EXPECT_EQ(wal->last_index(), 4U);
  wal = machine.open();
  EXPECT_EQ(wal->last_index(), 4U);
  EXPECT_EQ(machine.read.size(), 4U);
  EXPECT_EQ(machine.read.at(4), one(4, 100, 9).at(4));
}

TEST(Wal, a_state_ahead_of_the_log_begins_it_anew) {
  Machine machine;
  auto wal = machine.open();
  for (std::uint64_t i = 1; i <= 20; ++i) ASSERT_TRUE(append(*wal, one(i, 7000)).has_value());
  wal = machine.open(31);
  EXPECT_EQ(wal->last_index(), 30U);
  EXPECT_EQ(wal->first_index(), 0U);
  ASSERT_TRUE(append(*wal, one(31, 100)).has_value());
  wal = machine.open(31);
  EXPECT_EQ(machine.read, one(31, 100));
  EXPECT_EQ(wal->first_index(), 31U);
}

TEST(Wal, released_files_are_recycled_and_never_more_than_a_few_kept) {
  Machine machine;
  auto wal = machine.open();
  sim::Random random(5);
  Entries model;
  std::uint64_t next = 1;
  for (int round = 0; round < 400; ++round) {
    Entries more = batch(random, next);
    ASSERT_TRUE(append(*wal, more).has_value());
    next = more.rbegin()->first + 1;
    model.merge(more);
    if (round % 10 == 9) {
      ASSERT_TRUE(wal->release_before(next - 5).has_value());
      EXPECT_LE(wal->file_count(), 5U);
      model.erase(model.begin(), model.find(next - 5));
    }
    if (round % 37 == 0) {
      wal = machine.open(model.begin()->first);
      ASSERT_FALSE(wal->ambiguous_tail().has_value());
      ASSERT_EQ(machine.read, model);
    }
  }
  EXPECT_LE(machine.disk->list("wal").value().size(), 11U);
}

// The model: what was acknowledged is read back; of the append that power failed in, all or
// nothing; and if the end is ambiguous, nothing acknowledged is behind it.
void crash_again_and_again(std::uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  sim::Random random(seed);
  Machine machine;
  machine.disk = std::make_unique<sim::Disk>(sim::DiskOptions{.seed = seed});
  Entries acknowledged;
  std::uint64_t released = 1;
  for (int life = 0; life < 6; ++life) {
    Entries in_flight;
    machine.disk->crash_at_mutation(machine.disk->mutation_count() + 1 + random.below(60));
    auto wal = machine.try_open(released);
    while (wal && !machine.disk->has_crashed()) {
      if ((*wal)->ambiguous_tail()) {
        ASSERT_GE((*wal)->ambiguous_tail()->after_index + 1, released);
        if (!(*wal)->drop_tail()) break;
        continue;
      }
      std::uint64_t next = (*wal)->last_index() + 1;
      if (next > released + 4 && random.chance(0.1)) {
        released = next - 1 - random.below(3);
        acknowledged.erase(acknowledged.begin(), acknowledged.lower_bound(released));
        if (!(*wal)->release_before(released)) break;
      }
      in_flight = batch(random, next);
      if (!append(**wal, in_flight)) break;
      acknowledged.merge(in_flight);
      in_flight.clear();
    }
    ASSERT_TRUE(machine.disk->has_crashed()) << (wal ? "?" : wal.error().message);
    wal = Result<std::unique_ptr<Wal>>(Code::internal, "closed");
    machine.disk =
        random.chance(0.2) ? machine.disk->kill_process() : machine.disk->crash(random.next());
    wal = machine.try_open(released);
    ASSERT_TRUE(wal.has_value()) << wal.error().message;
    if (machine.read != acknowledged) {
      Entries with_last = acknowledged;
      with_last.merge(in_flight);
      ASSERT_EQ(machine.read, with_last);
      acknowledged = with_last;
    }
    if ((*wal)->ambiguous_tail()) {
      ASSERT_EQ((*wal)->ambiguous_tail()->after_index, (*wal)->last_index());
    }
  }
}

TEST(Wal, acknowledged_entries_survive_every_crash) {
  for (std::uint64_t seed = 1; seed <= 400 && !testing::Test::HasFatalFailure(); ++seed) {
    crash_again_and_again(seed);
  }
}

// Rot of any bit is found, or it is in bytes that say nothing.
TEST(Wal, every_flipped_bit_is_found_or_harmless) {
  Machine machine;
  {
    auto wal = machine.open(1, {.file_size = 16 << 10});
    for (std::uint64_t i = 1; i <= 5; ++i) {
      ASSERT_TRUE(append(*wal, one(i, i == 2 ? 4000 : 900)).has_value());
    }
  }
  machine.open(1, {.file_size = 16 << 10});
  const Entries sound = machine.read;
  ASSERT_EQ(sound.size(), 5U);
  std::map<std::string, int> outcomes;
  const std::vector<std::string> names = machine.disk->list("wal").value();
  for (const std::string& name : names) {
    std::string path = "wal/" + name;
    if (!name.ends_with(".wal")) continue;
    std::uint64_t size = machine.disk->open(path, io::OpenMode::read).value()->size().value();
    for (std::uint64_t at = 0; at < size; at += at % 4096 < 1100 ? 1 : 61) {
      auto bit = static_cast<unsigned>(at * 7 % 8);
      flip(machine, path, at, bit);
      auto wal = machine.try_open(1, {.file_size = 16 << 10});
      if (!wal) {
        bool named = wal.error().code == Code::data_loss || at < 128;
        EXPECT_TRUE(named) << path << " " << at << ": " << wal.error().message;
        ++outcomes["refused"];
      } else if ((*wal)->ambiguous_tail()) {
        Entries expected = sound;
        expected.erase(expected.upper_bound((*wal)->ambiguous_tail()->after_index), expected.end());
        EXPECT_GE(expected.size(), 4U) << path << " " << at;
        EXPECT_EQ(machine.read, expected) << path << " " << at;
        ++outcomes["ambiguous"];
      } else {
        EXPECT_EQ(machine.read, sound) << path << " " << at;
        ++outcomes["harmless"];
      }
      // An unused file with a rotten header is removed: made anew when it is needed.
      if (!machine.disk->exists(path).value()) break;
      flip(machine, path, at, bit);
    }
  }
  EXPECT_GT(outcomes["refused"], 3000);
  EXPECT_GT(outcomes["ambiguous"], 900);
}

TEST(Wal, groups_decode_to_what_was_encoded_and_to_nothing_else) {
  sim::Random random(8);
  for (int round = 0; round < 200; ++round) {
    const Entries entries = batch(random, 1 + random.below(1000), 50);
    std::vector<WalEntry> all;
    for (const auto& [index, entry] : entries) all.push_back(given(index, entry));
    Buffer plain;
    encode_wal_group(7, all, plain);
    auto decoded = decode_wal_group(plain);
    ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
    EXPECT_EQ(decoded->first_index, entries.begin()->first);
    EXPECT_EQ(decoded->sequence, 7U);
    Entries again;
    for (const WalEntry& entry : decoded->entries) again[entry.index] = held(entry);
    EXPECT_EQ(again, entries);
    for (std::size_t size = 0; size < plain.size(); ++size) {
      EXPECT_FALSE(decode_wal_group(Bytes(plain).first(size)).has_value());
    }
  }
}

TEST(Wal, a_group_with_a_foreign_byte_or_too_long_a_head_does_not_decode) {
  const WalEntry entry{3, 1, as_bytes("abc"), 2, as_bytes("head")};
  Buffer plain;
  encode_wal_group(1, {&entry, 1}, plain);
  ASSERT_TRUE(decode_wal_group(plain).has_value());
  plain[16 + 21] = 1;  // the byte behind the kind
  EXPECT_FALSE(decode_wal_group(plain).has_value());
  const Buffer head(wal_entry_head_size_max + 1);
  const WalEntry long_head{3, 1, {}, 2, head};
  encode_wal_group(1, {&long_head, 1}, plain);
  EXPECT_FALSE(decode_wal_group(plain).has_value());
}

}  // namespace
}  // namespace meridian::storage
