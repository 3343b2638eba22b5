// A machine on whose simulated disk logs are opened again and again, and what they should hold. For
// tests only.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <vector>

#include "sim/disk.h"
#include "sim/entropy.h"
#include "sim/random.h"
#include "storage/internal/fixed_keys.h"
#include "storage/wal.h"

namespace meridian::storage {

inline constexpr u128 wal_rig_cell = 77;
inline constexpr WalOptions small_files{.file_size = 64 << 10};

struct Entry {
  std::uint64_t term = 1;
  Buffer bytes{};
  std::uint8_t kind = wal_kind_commands;
  Buffer head{};
  bool operator==(const Entry&) const = default;
};
using Entries = std::map<std::uint64_t, Entry>;

inline Entry held(const WalEntry& entry) {
  return {entry.term, to_buffer(entry.bytes), entry.kind, to_buffer(entry.head)};
}
inline WalEntry given(std::uint64_t index, const Entry& entry) {
  return {index, entry.term, entry.bytes, entry.kind, entry.head};
}

/// A machine on which logs are opened again and again.
struct Machine {
  std::unique_ptr<sim::Disk> disk = std::make_unique<sim::Disk>();
  sim::Entropy entropy{1};
  FixedKeys keys;
  Entries read;  // by the last open

  SealedContext context() { return {*disk, entropy, keys, wal_rig_cell}; }
  Result<std::unique_ptr<Wal>> try_open(std::uint64_t from = 1, WalOptions options = small_files) {
    read.clear();
    auto visit = [&](const WalEntry& entry) -> Status {
      EXPECT_EQ(entry.index, read.empty() ? from : read.rbegin()->first + 1) << "a gap";
      read[entry.index] = held(entry);
      return {};
    };
    auto truncated = [&](std::uint64_t index) -> Status {
      EXPECT_TRUE(read.contains(index)) << "nothing is dropped at " << index;
      read.erase(read.lower_bound(index), read.end());
      return {};
    };
    return Wal::open(context(), options, from, visit, nullptr, truncated);
  }
  std::unique_ptr<Wal> open(std::uint64_t from = 1, WalOptions options = small_files) {
    auto wal = try_open(from, options);
    EXPECT_TRUE(wal.has_value()) << wal.error().message;
    return wal ? std::move(*wal) : nullptr;
  }
};

inline Buffer filled(sim::Random& random, std::size_t size) {
  Buffer bytes(size);
  for (Byte& byte : bytes) byte = static_cast<Byte>(random.next());
  return bytes;
}

inline Status append(Wal& wal, const Entries& entries) {
  std::vector<WalEntry> all;
  for (const auto& [index, entry] : entries) all.push_back(given(index, entry));
  return wal.append(all);
}

inline Entries batch(sim::Random& random, std::uint64_t first, std::size_t size_max = 9000) {
  Entries entries;
  for (std::uint64_t count = 1 + random.below(3); count > 0; --count) {
    Entry& entry = entries[first++];
    entry.term = 1 + random.below(3);
    if (random.chance(0.2)) {
      entry.kind = static_cast<std::uint8_t>(1 + random.below(2));
      entry.head = filled(random, random.below(200));
    }
    if (entry.kind != 1) entry.bytes = filled(random, random.below(size_max));
  }
  return entries;
}

inline Entries one(std::uint64_t index, std::size_t size, std::uint64_t seed = 1) {
  sim::Random random(seed + index);
  return {{index, {.bytes = filled(random, size)}}};
}

}  // namespace meridian::storage
