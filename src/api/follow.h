// Following the log: pages of events or records from a position on, then live, each exactly once
// and in order. What gRPC streams and server-sent events are made of.
//
// A follower reads the next page only when it is asked to, so a slow reader costs nothing but its
// place. Thread-safe; next() one at a time. Callbacks come on internal executors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/backend.h"
#include "base/bytes.h"
#include "base/result.h"
#include "cell/local_cell.h"

namespace meridian::api {

/// What EventFollower and RecordFollower share: waiting for records to become visible.
class Follower : public std::enable_shared_from_this<Follower> {
 public:
  explicit Follower(Backend& backend) : backend_(backend) {}
  virtual ~Follower() = default;
  /// Ends the wait, if one is on; nothing is delivered any more. May be called twice.
  void stop();

 protected:
  /// Calls read() on the work executor, at once or when `count` records are visible.
  void read_soon();
  void read_when_visible(std::uint64_t count);
  bool is_stopped();
  virtual void read() = 0;

  Backend& backend_;

 private:
  std::mutex mutex_;
  bool stopped_ = false;
  std::uint64_t wait_token_ = 0;
};

class EventFollower final : public Follower {
 public:
  static constexpr std::uint32_t page_events_max = 64;

  struct Begin {
    cell::ReadQuery::Source source = cell::ReadQuery::Source::all;
    std::string name;
    std::uint64_t position = 0;  ///< Included.
    bool live_only = false;      ///< Only what is appended after the first next().
  };
  EventFollower(Backend& backend, Begin begin);

  /// `ready` gets one event or more, or the error that ended it.
  using Ready = std::function<void(Result<std::vector<cell::ReadEvent>>)>;
  void next(Ready ready);

 private:
  void read() override;
  void read_page();
  void find_end();
  void got(std::uint64_t visible_before, Result<cell::ReadPage> page);
  void deliver(Result<std::vector<cell::ReadEvent>> events);

  Begin begin_;  // changed only between a next() and its delivery
  Ready ready_;
};

/// One record as the feed hands it out.
struct FeedItem {
  std::uint64_t record_index;
  Buffer header;
  Buffer payload;  ///< Sealed, as stored; empty if there is none.
};

class RecordFollower final : public Follower {
 public:
  static constexpr std::size_t page_records_max = 1'024;
  static constexpr std::size_t page_bytes_max = 1 << 20;

  RecordFollower(Backend& backend, std::uint64_t position, bool with_payloads);

  using Ready = std::function<void(Result<std::vector<FeedItem>>)>;
  /// At most `count_max` records.
  void next(std::size_t count_max, Ready ready);

 private:
  void read() override;
  Result<std::vector<FeedItem>> read_page(std::uint64_t visible);

  std::uint64_t position_;
  const bool with_payloads_;
  std::size_t count_max_ = page_records_max;
  Ready ready_;
};

}  // namespace meridian::api
