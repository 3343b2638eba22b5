// What an index keeps in memory until it is written as a run: a table of single keys, and one of
// keys in groups. Included by sorted_runs.cpp alone, as its hash map is a heavy header.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/u128.h"
#include "storage/sorted_runs.h"

namespace meridian::storage {

/// 16-byte keys in memory: packed to 8-byte alignment, so that a slot takes 24 bytes.
struct PackedId {
  std::uint64_t high, low;
  bool operator==(const PackedId&) const = default;
};
struct PackedIdHash {
  std::size_t operator()(const PackedId& id) const {
    return U128Hash{}(make_u128(id.high, id.low));
  }
};

/// Visits up to `count` of the `pairs` within [first, last].
template <typename Visit>
void visit_within(const std::vector<SortedRuns::Pair>& pairs, const RunKey& first,
                  const RunKey& last, std::size_t count, bool reversed, Visit&& visit) {
  std::vector<SortedRuns::Pair> found;
  for (const SortedRuns::Pair& pair : pairs)
    if (!(pair.key < first) && !(last < pair.key)) found.push_back(pair);
  if (reversed) std::ranges::reverse(found);
  for (std::size_t i = 0; i < std::min(count, found.size()); ++i) visit(found[i]);
}

/// For indexes that are only asked for single keys.
class HashTable {
 public:
  void insert(const RunKey& key, std::uint64_t value) { map_.emplace(pack(key), value); }
  void erase(const RunKey& key) { map_.erase(pack(key)); }
  const std::uint64_t* find(const RunKey& key) const {
    const auto found = map_.find(pack(key));
    return found == map_.end() ? nullptr : &found->second;
  }
  void prefetch(const RunKey& key) const { map_.prefetch(pack(key)); }
  std::size_t size() const { return map_.size(); }
  void reserve(std::size_t keys) { map_.reserve(keys); }
  std::size_t memory_bytes() const { return map_.capacity() * 25; }
  std::vector<SortedRuns::Pair> sorted() const {
    std::vector<SortedRuns::Pair> pairs;
    pairs.reserve(map_.size());
    for (const auto& [id, value] : map_) pairs.push_back({{make_u128(id.high, id.low), 0}, value});
    std::ranges::sort(pairs, {}, [](const SortedRuns::Pair& pair) { return pair.key.high; });
    return pairs;
  }
  template <typename Visit>
  void range(const RunKey& first, const RunKey& last, std::size_t count, bool reversed,
             Visit&& visit) const {
    visit_within(sorted(), first, last, count, reversed, visit);
  }

 private:
  static PackedId pack(const RunKey& key) { return {high64(key.high), low64(key.high)}; }
  absl::flat_hash_map<PackedId, std::uint64_t, PackedIdHash> map_;
};

/// For indexes that are asked for ranges: the pairs of one `high` (a stream, a category) together.
/// They mostly come in ascending order of `low`, so that an insert is a look-up and an append.
class GroupedTable {
 public:
  void insert(const RunKey& key, std::uint64_t value) {
    Group& group = groups_[key.high];
    const Entry entry{key.low, value};
    if (group.empty() || group.back().low < key.low) {
      group.push_back(entry);
    } else {
      group.insert(at_or_after(group, key.low), entry);
    }
    ++size_;
  }
  void erase(const RunKey& key) {
    const auto group = groups_.find(key.high);
    if (group == groups_.end()) return;
    const auto at = at_or_after(group->second, key.low);
    if (at == group->second.end() || at->low != key.low) return;
    group->second.erase(at);
    --size_;
  }
  const std::uint64_t* find(const RunKey& key) const {
    const auto group = groups_.find(key.high);
    if (group == groups_.end()) return nullptr;
    const auto at = at_or_after(group->second, key.low);
    return at == group->second.end() || at->low != key.low ? nullptr : &at->value;
  }
  void prefetch(const RunKey&) const {}
  std::size_t size() const { return size_; }
  void reserve(std::size_t) {}
  std::size_t memory_bytes() const { return size_ * sizeof(Entry) + groups_.capacity() * 41; }
  std::vector<SortedRuns::Pair> sorted() const {
    std::vector<u128> highs;
    highs.reserve(groups_.size());
    for (const auto& [high, group] : groups_) highs.push_back(high);
    std::ranges::sort(highs);
    std::vector<SortedRuns::Pair> pairs;
    pairs.reserve(size_);
    for (const u128 high : highs)
      for (const Entry& entry : groups_.find(high)->second)
        pairs.push_back({{high, entry.low}, entry.value});
    return pairs;
  }
  template <typename Visit>
  void range(const RunKey& first, const RunKey& last, std::size_t count, bool reversed,
             Visit&& visit) const {
    if (first.high != last.high) return visit_within(sorted(), first, last, count, reversed, visit);
    const auto group = groups_.find(first.high);
    if (group == groups_.end()) return;
    auto begin = at_or_after(group->second, first.low);
    auto end = std::upper_bound(begin, group->second.end(), last.low,
                                [](std::uint64_t low, const Entry& e) { return low < e.low; });
    for (; count > 0 && begin != end; --count) {
      const Entry& entry = reversed ? *--end : *begin++;
      visit({{first.high, entry.low}, entry.value});
    }
  }

 private:
  struct Entry {
    std::uint64_t low, value;
  };
  using Group = std::vector<Entry>;
  static Group::const_iterator at_or_after(const Group& group, std::uint64_t low) {
    return std::lower_bound(group.begin(), group.end(), low,
                            [](const Entry& e, std::uint64_t wanted) { return e.low < wanted; });
  }
  absl::flat_hash_map<u128, Group, U128Hash> groups_;
  std::size_t size_ = 0;
};

}  // namespace meridian::storage
