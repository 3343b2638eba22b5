// The log against a vector: random appends, replacements, truncations, reads, releases, restarts
// and power failures. And truncation and reading, one by one.
#include <gtest/gtest.h>

#include "storage/internal/key_rig.h"
#include "storage/internal/wal_group.h"
#include "storage/internal/wal_rig.h"

namespace meridian::storage {
namespace {

/// The entries a read hands out, and where it says that the next one begins.
struct Answer {
  Entries entries;
  std::uint64_t next = 0;
};

Result<Answer> read(Wal& wal, std::uint64_t first, std::uint64_t bytes_max = UINT64_MAX) {
  Answer answer;
  answer.next = TRY(wal.read(first, bytes_max, [&](const WalEntry& entry) -> Status {
    EXPECT_EQ(entry.index, first + answer.entries.size());
    answer.entries[entry.index] = held(entry);
    return {};
  }));
  EXPECT_EQ(answer.next, first + answer.entries.size());
  return answer;
}

/// The golden group of two entries, with other indexes.
Buffer golden_group(std::uint64_t first) {
  Buffer bytes = golden_bytes("wal-group.hex");
  store_le(&bytes[0], first);
  store_le(&bytes[16], first);
  store_le(&bytes[16 + 24 + 3], first + 1);
  return bytes;
}

/// A few reads from anywhere with some room.
void expect_reads(Wal& wal, const Entries& expected, sim::Random& random) {
  if (expected.empty()) return;
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t first = expected.begin()->first + random.below(expected.size());
    const std::uint64_t bytes_max = random.below(30'000);
    const auto answer = read(wal, first, bytes_max);
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    std::uint64_t bytes = 0;
    std::uint64_t next = first;
    for (auto it = expected.find(first); it != expected.end(); ++it) {
      bytes += it->second.bytes.size() + it->second.head.size();
      if (it->first > first && bytes > bytes_max) break;
      ASSERT_EQ(answer->entries.at(it->first), it->second);
      next = it->first + 1;
    }
    ASSERT_EQ(answer->next, next);
  }
}

TEST(WalReplica, what_was_truncated_is_gone_also_after_a_restart) {
  Machine machine;
  auto wal = machine.open();
  for (std::uint64_t i = 1; i <= 9; ++i) ASSERT_TRUE(append(*wal, one(i, 3000)).has_value());
  ASSERT_TRUE(wal->truncate_from(5).has_value());
  EXPECT_EQ(wal->last_index(), 4U);
  EXPECT_EQ(read(*wal, 1)->entries.size(), 4U);
  machine.disk = machine.disk->crash(1);
  wal = machine.open();
  EXPECT_EQ(wal->last_index(), 4U);
  EXPECT_EQ(machine.read.size(), 4U);
  ASSERT_TRUE(append(*wal, one(5, 100, 9)).has_value());
  EXPECT_EQ(read(*wal, 5)->entries, one(5, 100, 9));
  wal = machine.open();
  EXPECT_EQ(wal->last_index(), 5U);
  EXPECT_EQ(machine.read.at(5), one(5, 100, 9).at(5));
}

TEST(WalReplica, truncating_twice_or_behind_the_end_writes_nothing_more) {
  Machine machine;
  auto wal = machine.open();
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(append(*wal, one(i, 100)).has_value());
  ASSERT_TRUE(wal->truncate_from(2).has_value());
  const std::uint64_t mutations = machine.disk->mutation_count();
  ASSERT_TRUE(wal->truncate_from(2).has_value());
  ASSERT_TRUE(wal->truncate_from(7).has_value());
  EXPECT_EQ(machine.disk->mutation_count(), mutations);
  EXPECT_EQ(wal->last_index(), 1U);
}

TEST(WalReplica, a_log_may_be_truncated_to_nothing_and_go_on) {
  Machine machine;
  auto wal = machine.open();
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(append(*wal, one(i, 100)).has_value());
  ASSERT_TRUE(wal->truncate_from(1).has_value());
  EXPECT_EQ(wal->first_index(), 0U);
  EXPECT_EQ(wal->last_index(), 0U);
  wal = machine.open();
  EXPECT_TRUE(machine.read.empty());
  EXPECT_EQ(wal->last_index(), 0U);
  ASSERT_TRUE(append(*wal, one(1, 100, 9)).has_value());
  wal = machine.open();
  EXPECT_EQ(machine.read, one(1, 100, 9));
}

TEST(WalReplica, the_newest_truncation_lost_in_a_torn_end_is_ambiguous) {
  Machine machine;
  auto wal = machine.open();
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(append(*wal, one(i, 100)).has_value());
  ASSERT_TRUE(wal->truncate_from(2).has_value());
  ASSERT_TRUE(machine.disk->flip_bit("wal/0000000000000001.wal", 4 * 4096 + 30).has_value());
  wal = machine.open();
  ASSERT_TRUE(wal->ambiguous_tail().has_value());
  EXPECT_EQ(wal->ambiguous_tail()->after_index, 3U);
  ASSERT_TRUE(wal->drop_tail().has_value());
  ASSERT_TRUE(append(*wal, one(2, 100, 9)).has_value());
  wal = machine.open();
  EXPECT_FALSE(wal->ambiguous_tail().has_value());
  EXPECT_EQ(wal->last_index(), 2U);
}

// Entries 1 and 2 would stand as they were before: indexes show no gap.
TEST(WalReplica, a_lost_replacement_at_the_end_of_a_file_is_damage) {
  Machine machine;
  auto wal = machine.open(1, {.file_size = 16 << 10});
  ASSERT_TRUE(append(*wal, one(1, 100)).has_value());
  ASSERT_TRUE(append(*wal, one(2, 100)).has_value());
  Entries both = one(1, 100, 9);
  both.merge(one(2, 100, 9));
  ASSERT_TRUE(append(*wal, both).has_value());
  ASSERT_TRUE(append(*wal, one(3, 100)).has_value());
  auto file = machine.disk->open("wal/0000000000000001.wal", io::OpenMode::read_write);
  ASSERT_TRUE(file.has_value());
  ASSERT_TRUE((*file)->write_at(3 * 4096, Buffer(4096)).has_value());
  const auto opened = machine.try_open(1, {.file_size = 16 << 10});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::data_loss);
  EXPECT_NE(opened.error().message.find("holds group 4 (from entry 3 on)"), std::string::npos)
      << opened.error().message;
}

// Its groups have no sequence; its entries no kind and no head.
TEST(WalReplica, a_log_of_before_is_read_and_gone_on_with) {
  Machine machine;
  ASSERT_TRUE(append(*machine.open(), one(1, 100)).has_value());
  const std::string path = "wal/0000000000000001.wal";
  auto file = machine.disk->open(path, io::OpenMode::read_write);
  ASSERT_TRUE(file.has_value());
  Buffer header(sealed_file_header_size);
  ASSERT_TRUE((*file)->read_at(0, header).has_value());
  auto sealer = FrameSealer::open(machine.context(), Purpose::write_ahead_log, 1, header);
  ASSERT_TRUE(sealer.has_value());
  for (std::uint64_t block = 1; block <= 2; ++block) {
    Buffer sealed;
    sealer->seal(block * 4096, wal_tag_entries, golden_group(1 + 2 * (block - 1)), sealed);
    ASSERT_TRUE((*file)->write_at(block * 4096, sealed).has_value());
  }
  auto wal = machine.open();
  Entries expected;
  for (std::uint64_t i = 1; i <= 4; ++i) {
    expected[i] = {.term = 2 - i % 2, .bytes = to_buffer(as_bytes(i % 2 == 1 ? "abc" : ""))};
  }
  EXPECT_EQ(machine.read, expected);
  ASSERT_TRUE(append(*wal, one(5, 100)).has_value());
  ASSERT_TRUE(append(*wal, one(6, 100)).has_value());
  expected.merge(one(5, 100));
  expected.merge(one(6, 100));
  wal = machine.open();
  EXPECT_EQ(machine.read, expected);
}

TEST(WalReplica, a_node_that_is_alone_refuses_a_log_with_dropped_entries) {
  Machine machine;
  auto wal = machine.open();
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(append(*wal, one(i, 100)).has_value());
  ASSERT_TRUE(wal->truncate_from(3).has_value());
  const auto ignore = [](const WalEntry&) -> Status { return {}; };
  const auto opened = Wal::open(machine.context(), small_files, 1, ignore, nullptr);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::failed_precondition);
  EXPECT_NE(opened.error().message.find("from 3 on"), std::string::npos) << opened.error().message;
}

TEST(WalReplica, reading_only_hands_out_what_stands_and_changes_nothing) {
  Machine machine;
  auto wal = machine.open();
  for (std::uint64_t i = 1; i <= 6; ++i) ASSERT_TRUE(append(*wal, one(i, 100)).has_value());
  ASSERT_TRUE(append(*wal, one(3, 100, 9)).has_value());
  const std::uint64_t mutations = machine.disk->mutation_count();
  Entries entries;
  const auto visit = [&](const WalEntry& entry) -> Status {
    EXPECT_EQ(entry.index, 2 + entries.size());
    entries[entry.index] = held(entry);
    return {};
  };
  ASSERT_TRUE(Wal::read_only(machine.context(), 2, visit, nullptr).has_value());
  EXPECT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries.at(3), one(3, 100, 9).at(3));
  EXPECT_EQ(machine.disk->mutation_count(), mutations);
}

TEST(WalReplica, reading_what_is_not_there_is_out_of_range_and_the_end_is_not) {
  Machine machine;
  auto wal = machine.open();
  EXPECT_EQ(read(*wal, 1)->next, 1U);
  EXPECT_EQ(read(*wal, 2).error().code, Code::out_of_range);
  for (std::uint64_t i = 1; i <= 40; ++i) ASSERT_TRUE(append(*wal, one(i, 7000)).has_value());
  ASSERT_TRUE(wal->release_before(30).has_value());
  const std::uint64_t first = wal->first_index();
  ASSERT_GT(first, 1U);
  EXPECT_EQ(read(*wal, first - 1).error().code, Code::out_of_range);
  EXPECT_EQ(read(*wal, first)->next, 41U);
  EXPECT_EQ(read(*wal, 41)->next, 41U);
  EXPECT_EQ(read(*wal, 42).error().code, Code::out_of_range);
  EXPECT_EQ(read(*wal, first, 0)->next, first + 1) << "at least one";
  EXPECT_EQ(read(*wal, first, 14'000)->next, first + 2);
}

TEST(WalReplica, reading_a_group_that_rotted_names_entries_file_and_byte) {
  Machine machine;
  auto wal = machine.open();
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(append(*wal, one(i, 100)).has_value());
  ASSERT_TRUE(machine.disk->flip_bit("wal/0000000000000001.wal", 2 * 4096 + 60).has_value());
  const auto answer = read(*wal, 1);
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, Code::data_loss);
  EXPECT_NE(answer.error().message.find("entries 2 to 2"), std::string::npos);
  EXPECT_NE(answer.error().message.find("0000000000000001.wal at byte 8192"), std::string::npos)
      << answer.error().message;
}

TEST(WalReplica, the_first_error_of_a_reader_ends_the_reading) {
  Machine machine;
  auto wal = machine.open();
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(append(*wal, one(i, 100)).has_value());
  int calls = 0;
  const auto answer = wal->read(1, UINT64_MAX, [&](const WalEntry&) -> Status {
    return ++calls == 2 ? Status(fail(Code::unavailable, "enough")) : Status{};
  });
  EXPECT_EQ(answer.error().code, Code::unavailable);
  EXPECT_EQ(calls, 2);
}

TEST(WalReplica, a_full_disk_refuses_a_truncation_and_goes_on_when_there_is_room) {
  Machine machine;
  auto wal = machine.open(1, {.file_size = 16 << 10});
  machine.disk->set_capacity(24 << 10);
  std::uint64_t next = 1;
  while (append(*wal, one(next, 100)).has_value()) ++next;
  const Status refused = wal->truncate_from(2);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::resource_exhausted);
  EXPECT_EQ(wal->last_index(), next - 1);
  machine.disk->set_capacity(2 << 20);
  ASSERT_TRUE(wal->truncate_from(2).has_value());
  wal = machine.open(1, {.file_size = 16 << 10});
  EXPECT_EQ(wal->last_index(), 1U);
}

/// One random change of a log, of what is in it, and of what it would be.
struct Change {
  enum class Kind : std::uint8_t { append, replace, truncate, release } kind;
  std::uint64_t index;  ///< Of the first entry, or of the cut.
  Entries entries;

  Status apply(Wal& wal) const {
    if (kind == Kind::truncate) return wal.truncate_from(index);
    if (kind == Kind::release) return wal.release_before(index);
    return append(wal, entries);
  }
  void apply(Entries& model) const {
    if (kind == Kind::release) {
      model.erase(model.begin(), model.lower_bound(index));
    } else {
      model.erase(model.lower_bound(index), model.end());
      model.insert(entries.begin(), entries.end());
    }
  }
};

class LogModel {
 public:
  explicit LogModel(std::uint64_t seed) : random_(seed) {
    machine_.disk = std::make_unique<sim::Disk>(sim::DiskOptions{.seed = seed});
  }

  /// A life of the process that ends in a power failure, a kill or a restart.
  void live() {
    const bool crashes = random_.chance(0.8);
    if (crashes) {
      machine_.disk->crash_at_mutation(machine_.disk->mutation_count() + 1 + random_.below(60));
    }
    auto wal = machine_.try_open(released_);
    std::optional<Change> in_flight;
    for (int i = 0; wal && i < 60; ++i) {
      if ((*wal)->ambiguous_tail()) {
        ASSERT_EQ((*wal)->ambiguous_tail()->after_index, (*wal)->last_index());
        if (!(*wal)->drop_tail()) break;
      }
      in_flight = next_change((*wal)->last_index() + 1);
      if (in_flight->kind == Change::Kind::release) released_ = in_flight->index;
      if (!in_flight->apply(**wal)) break;
      in_flight->apply(entries_);
      in_flight.reset();
      ASSERT_EQ((*wal)->last_index() + 1, end());
      ASSERT_NO_FATAL_FAILURE(expect_reads(**wal, entries_, random_));
    }
    wal = Result<std::unique_ptr<Wal>>(Code::internal, "closed");
    if (crashes && random_.chance(0.8)) {
      machine_.disk = machine_.disk->crash(random_.next());
    } else {
      machine_.disk = machine_.disk->kill_process();
    }
    ASSERT_NO_FATAL_FAILURE(reopen(in_flight));
  }

 private:
  std::uint64_t end() const { return entries_.empty() ? released_ : entries_.rbegin()->first + 1; }

  Change next_change(std::uint64_t next) {
    const std::uint64_t held = next - released_;
    const double dice = static_cast<double>(random_.below(100)) / 100;
    if (held > 4 && dice < 0.1) {
      return {Change::Kind::release, next - 1 - random_.below(4), {}};
    }
    if (held > 0 && dice < 0.25) {
      return {
          Change::Kind::truncate, next - 1 - random_.below(std::min<std::uint64_t>(held, 6)), {}};
    }
    if (held > 0 && dice < 0.4) {
      next -= 1 + random_.below(std::min<std::uint64_t>(held, 6));
      return {Change::Kind::replace, next, batch(random_, next)};
    }
    return {Change::Kind::append, next, batch(random_, next)};
  }

  /// All that was acknowledged is there, and of the change power failed in all or nothing.
  void reopen(const std::optional<Change>& in_flight) {
    auto wal = machine_.try_open(released_);
    ASSERT_TRUE(wal.has_value()) << wal.error().message;
    if (in_flight) {
      if (in_flight->kind == Change::Kind::release) in_flight->apply(entries_);
      Entries with_last = entries_;
      in_flight->apply(with_last);
      if (machine_.read != entries_) entries_ = with_last;
    }
    ASSERT_EQ(machine_.read, entries_);
    ASSERT_EQ((*wal)->last_index() + 1, end());
    ASSERT_NO_FATAL_FAILURE(expect_reads(**wal, entries_, random_));
    Entries stands;
    const auto visit = [&](const WalEntry& entry) -> Status {
      stands[entry.index] = held(entry);
      return {};
    };
    const auto tail = Wal::read_only(machine_.context(), released_, visit, nullptr);
    ASSERT_TRUE(tail.has_value()) << tail.error().message;
    ASSERT_EQ(stands, entries_);
  }

  sim::Random random_;
  Machine machine_;
  Entries entries_;
  std::uint64_t released_ = 1;
};

TEST(WalReplica, is_a_vector_through_truncations_reads_releases_and_crashes) {
  for (std::uint64_t seed = 1; seed <= 400 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    LogModel model(seed);
    for (int life = 0; life < 6 && !HasFatalFailure(); ++life) model.live();
  }
}

/// A short history with every kind of change, crashed at each mutation.
void play(Wal& wal, std::vector<Entries>& states) {
  Entries model;
  const std::vector<Change> history{
      {Change::Kind::append, 1, one(1, 3000)},    {Change::Kind::append, 2, one(2, 9000)},
      {Change::Kind::append, 3, one(3, 5000)},    {Change::Kind::truncate, 2, {}},
      {Change::Kind::append, 2, one(2, 100, 7)},  {Change::Kind::append, 3, one(3, 12'000, 7)},
      {Change::Kind::replace, 3, one(3, 300, 8)}, {Change::Kind::truncate, 1, {}},
      {Change::Kind::append, 1, one(1, 4000, 9)}, {Change::Kind::append, 2, one(2, 4000, 9)},
      {Change::Kind::append, 3, one(3, 9000, 9)}, {Change::Kind::truncate, 3, {}},
  };
  states = {model};
  for (const Change& change : history) {
    change.apply(model);
    states.push_back(model);
    if (!change.apply(wal)) return;
  }
  states.emplace_back();  // so that the last acknowledged one is the last but one, as above
}

TEST(WalReplica, power_may_fail_at_every_change_of_the_disk) {
  constexpr WalOptions options{.file_size = 16 << 10};
  std::uint64_t total = 0;
  {
    Machine machine;
    std::vector<Entries> states;
    play(*machine.open(1, options), states);
    total = machine.disk->mutation_count();
  }
  ASSERT_GT(total, 40U);
  for (std::uint64_t at = 1; at <= total; ++at) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      SCOPED_TRACE("mutation " + std::to_string(at) + ", seed " + std::to_string(seed));
      Machine machine;
      machine.disk = std::make_unique<sim::Disk>(sim::DiskOptions{.seed = seed});
      machine.disk->crash_at_mutation(at);
      std::vector<Entries> states{{}, {}};
      if (auto wal = machine.try_open(1, options)) play(**wal, states);
      machine.disk = machine.disk->crash(seed);
      auto wal = machine.open(1, options);
      ASSERT_NE(wal, nullptr);
      if (machine.read != states.back()) {
        ASSERT_EQ(machine.read, states[states.size() - 2]);
      }
      ASSERT_TRUE(wal->drop_tail().has_value());
      const std::uint64_t next = wal->last_index() + 1;
      ASSERT_TRUE(append(*wal, one(next, 100, 20)).has_value());
      Entries expected = machine.read;
      expected.merge(one(next, 100, 20));
      wal = machine.open(1, options);
      ASSERT_EQ(machine.read, expected);
    }
  }
}

}  // namespace
}  // namespace meridian::storage
