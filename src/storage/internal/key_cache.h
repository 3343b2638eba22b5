// Unwrapped keys for a short time: at most `entries_max`, each for at most `kept_for` from when it
// was put. Not thread-safe. Cost: one hash look-up and, per drop_old(), one reading of the clock.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <deque>
#include <utility>

#include "crypto/secret.h"
#include "io/clock.h"
#include "storage/internal/key_rows.h"
#include "storage/key_table.h"

namespace meridian::storage {

class KeyCache {
 public:
  static constexpr std::size_t entries_max = 2 * KeyTable::cache_max;  // sealing and commit key
  /// They are looked after every few seconds, and gone after 60 (SubjectKeyring::drop_old_keys).
  static constexpr io::Duration kept_for = io::seconds(55);

  explicit KeyCache(io::Clock& clock) : clock_(clock) {}

  /// Cleanses what is too old. Sets the time at which keys put before the next call count as put.
  void drop_old() {
    now_ = clock_.monotonic();
    while (!order_.empty() && now_ - order_.front().second >= kept_for) drop_oldest();
  }

  /// Empty if it is not there.
  Bytes find(u128 subject, const KeyName& key) const {
    auto found = keys_.find(Id{subject, key.retention, key.version});
    return found == keys_.end() ? Bytes() : found->second.bytes();
  }

  /// The bytes stay valid until the next drop_old() or clear(), and two further puts.
  Bytes put(u128 subject, const KeyName& key, crypto::Secret secret) {
    if (keys_.size() >= entries_max) drop_oldest();
    Id id{subject, key.retention, key.version};
    auto [place, is_new] = keys_.insert_or_assign(id, std::move(secret));
    if (is_new) order_.emplace_back(id, now_);
    return place->second.bytes();
  }

  void clear() {
    keys_.clear();
    order_.clear();
  }

  std::size_t size() const { return keys_.size(); }

 private:
  struct Id {
    u128 subject;
    std::uint8_t retention;
    std::uint32_t version;
    bool operator==(const Id&) const = default;
  };
  struct IdHash {
    std::size_t operator()(const Id& id) const {
      return U128Hash{}(id.subject ^ (u128{id.retention} << 32 | id.version));
    }
  };

  void drop_oldest() {
    keys_.erase(order_.front().first);
    order_.pop_front();
  }

  io::Clock& clock_;
  io::MonotonicTime now_{};
  absl::flat_hash_map<Id, crypto::Secret, IdHash> keys_;
  std::deque<std::pair<Id, io::MonotonicTime>> order_;  // as put, so as they grow old
};

}  // namespace meridian::storage
