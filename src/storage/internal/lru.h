// A bounded map of shared values that forgets the one not used for longest. Thread-safe.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <mutex>

namespace meridian::storage {

template <typename Key, typename Value>
class Lru {
 public:
  explicit Lru(std::size_t size_max) : size_max_(size_max) {}

  /// Null if it is not there.
  std::shared_ptr<Value> get(const Key& key) {
    std::lock_guard lock(mutex_);
    auto found = places_.find(key);
    if (found == places_.end()) return nullptr;
    items_.splice(items_.begin(), items_, found->second);
    return items_.front().second;
  }
  void put(const Key& key, std::shared_ptr<Value> value) {
    std::lock_guard lock(mutex_);
    if (places_.contains(key)) return;
    items_.emplace_front(key, std::move(value));
    places_[key] = items_.begin();
    if (items_.size() > size_max_) {
      places_.erase(items_.back().first);
      items_.pop_back();
    }
  }
  void erase(const Key& key) {
    std::lock_guard lock(mutex_);
    auto found = places_.find(key);
    if (found == places_.end()) return;
    items_.erase(found->second);
    places_.erase(found);
  }

 private:
  using Items = std::list<std::pair<Key, std::shared_ptr<Value>>>;
  std::size_t size_max_;
  std::mutex mutex_;
  Items items_;  // most recently used first
  std::map<Key, typename Items::iterator> places_;
};

}  // namespace meridian::storage
