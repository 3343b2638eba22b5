// Bounds how many operations are under way at once; the rest wait in order, also bounded.
//
// Thread-safe. Held by shared_ptr, as timers may outlive a waiting operation.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "system.h"

namespace meridian::client {

class Gate : public std::enable_shared_from_this<Gate> {
 public:
  enum class Entry : std::uint8_t {
    admitted,  ///< Go on, and call leave() at the end.
    full,      ///< Too many are waiting.
    late,      ///< `end` came first.
    closed,    ///< close() was called.
  };

  Gate(std::size_t active_max, std::size_t waiting_max);

  /// Calls `then` once: at once on this thread if there is room, else later on another.
  void enter(Time end, std::function<void(Entry)> then);
  void leave();
  /// Nothing enters any more; what waits is told so.
  void close();
  /// Waits until all that was admitted has left, and all that waited was told.
  void wait_empty();

 private:
  struct Waiter;
  void expire(const std::shared_ptr<Waiter>& waiter);
  void tell(Waiter& waiter, Entry entry);

  const std::size_t active_max_;
  const std::size_t waiting_max_;
  std::mutex mutex_;
  std::condition_variable left_;
  std::deque<std::shared_ptr<Waiter>> waiting_;
  std::size_t active_ = 0;
  std::size_t telling_ = 0;  // callbacks of refused entries that are running
  bool is_closed_ = false;
};

}  // namespace meridian::client
