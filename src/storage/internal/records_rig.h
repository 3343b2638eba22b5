// A record store on a simulated disk, and what it must hold. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/disk.h"
#include "sim/entropy.h"
#include "sim/random.h"
#include "storage/internal/fixed_keys.h"
#include "storage/record_store.h"

namespace meridian::storage {

/// Headers and payloads as functions of the record (and of a salt, to tell rewritten ones apart).
inline Buffer header_of(std::uint64_t record, std::uint64_t salt) {
  sim::Random random(record * 31 + salt);
  Buffer bytes(1 + random.below(40));
  for (Byte& byte : bytes) byte = static_cast<Byte>(random.next());
  return bytes;
}
inline bool has_payload(std::uint64_t record) { return sim::Random(record).chance(0.02); }
inline Buffer payload_of(std::uint64_t record, std::uint64_t salt) {
  Buffer bytes = header_of(record, salt + 1000);
  bytes.resize(bytes.size() * 7);
  return bytes;
}

/// What the store should hold: the salt of each record.
using RecordModel = std::vector<std::uint64_t>;

struct RecordMachine {
  std::unique_ptr<sim::Disk> disk = std::make_unique<sim::Disk>();
  sim::Entropy entropy{1};
  FixedKeys keys;
  SealedContext context() { return {*disk, entropy, keys, 5}; }

  std::unique_ptr<RecordStore> open(std::uint64_t count) {
    auto store = RecordStore::open(context(), count);
    EXPECT_TRUE(store.has_value()) << store.error().message;
    return store ? std::move(*store) : nullptr;
  }
};

/// Gives `count` records from `first` on to `store.append`.
template <typename Store>
Status append_records(Store& store, std::uint64_t first, std::uint64_t count,
                      std::uint64_t salt = 0) {
  Buffer headers;
  std::vector<std::uint16_t> sizes;
  std::vector<Buffer> kept;
  std::vector<RecordStore::Appended::PayloadOf> payloads;
  kept.reserve(count);
  for (std::uint64_t record = first; record < first + count; ++record) {
    Buffer header = header_of(record, salt);
    sizes.push_back(static_cast<std::uint16_t>(header.size()));
    headers.insert(headers.end(), header.begin(), header.end());
    if (has_payload(record)) {
      kept.push_back(payload_of(record, salt));
      payloads.push_back({record, kept.back()});
    }
  }
  return store.append({.headers = headers, .sizes = sizes, .payloads = payloads});
}

inline Status append(RecordStore& store, RecordModel& model, std::uint64_t count,
                     std::uint64_t salt = 0) {
  TRY(append_records(store, model.size(), count, salt));
  model.insert(model.end(), count, salt);
  return {};
}

inline void expect_record(RecordStore& store, const RecordModel& model, std::uint64_t record) {
  auto header = store.header(record);
  ASSERT_TRUE(header.has_value()) << header.error().message;
  EXPECT_EQ(*header, header_of(record, model[record])) << record;
  auto payload = store.payload(record);
  if (has_payload(record)) {
    ASSERT_TRUE(payload.has_value()) << payload.error().message;
    EXPECT_EQ(*payload, payload_of(record, model[record])) << record;
  } else {
    ASSERT_FALSE(payload.has_value());
    EXPECT_EQ(payload.error().code, Code::not_found);
  }
}

inline void expect_all(RecordStore& store, const RecordModel& model) {
  ASSERT_EQ(store.count(), model.size());
  std::uint64_t next = 0;
  bool right = true;
  auto visit = [&](std::uint64_t record, Bytes header) {
    right = right && record == next++ && equal(header, header_of(record, model[record]));
    return right;
  };
  Status scanned = store.scan(0, model.size(), visit);
  ASSERT_TRUE(scanned.has_value()) << scanned.error().message;
  EXPECT_TRUE(right) << "at record " << next;
  EXPECT_EQ(next, model.size());
  std::map<std::uint64_t, Buffer> payloads;
  const std::uint64_t first = model.size() / 3;
  scanned = store.scan_payloads(first, model.size(), [&](std::uint64_t record, Bytes payload) {
    return payloads.emplace(record, to_buffer(payload)).second;
  });
  ASSERT_TRUE(scanned.has_value()) << scanned.error().message;
  for (std::uint64_t record = first; record < model.size(); ++record) {
    if (!has_payload(record)) continue;
    ASSERT_TRUE(payloads.contains(record)) << record;
    EXPECT_EQ(payloads[record], payload_of(record, model[record]));
    payloads.erase(record);
  }
  EXPECT_TRUE(payloads.empty());
}

inline std::string header_path(int n) {
  return "headers/000000000000000" + std::to_string(n) + ".seg";
}
inline std::string payload_path(int n) {
  return "payloads/000000000000000" + std::to_string(n) + ".seg";
}

inline std::uint64_t size_of(RecordMachine& machine, const std::string& path) {
  auto file = machine.disk->open(path, io::OpenMode::read);
  return file ? (*file)->size().value_or(0) : 0;
}

}  // namespace meridian::storage
