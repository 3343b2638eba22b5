// Messages of the core on their way out, with the bytes of the entries they carry.
//
// An append whose entries are no longer in memory waits for them to be read back, and what follows
// to the same member waits behind it, so that appends leave in order. What is read back has a pace:
// a member that catches up must not take the cell's time. Raft executor only; the store is read on
// the log executor.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "consensus/internal/visible_log.h"
#include "consensus/log_store.h"
#include "consensus/raft_core.h"
#include "io/clock.h"
#include "io/executor.h"
#include "io/network.h"
#include "io/pace.h"

namespace meridian::consensus {

/// What is read back at once.
inline constexpr std::uint64_t read_back_bytes_max = 4 << 20;

class Outbox {
 public:
  struct Parts {
    io::Executor& raft;
    io::Executor& log;
    LogStore& store;
    const VisibleLog& visible;
    io::Clock& clock;
  };
  struct Next {
    std::function<bool(std::uint64_t to, io::Channel, io::Parts)> send;
    std::function<void(Error)> failed;
  };
  Outbox(const Parts& parts, Next next) : parts_(parts), next_(std::move(next)) {}

  /// `term` is the core's now: entries of a leader stay as they are while it does not change.
  void send(OutgoingMessage message, std::uint64_t term);
  /// This member leads `term` now, or nothing (0): what waits of another term is forgotten.
  void keep_only(std::uint64_t term) {
    std::erase_if(waiting_, [term](const auto& one) { return one.second.term != term; });
  }
  /// Reads back no more bytes a second from now on, for all members together; 0: no limit.
  void set_read_back_pace(std::uint64_t bytes_per_second) { pace_.set(bytes_per_second); }
  /// Now and then: what had to wait for its time.
  void go_on();
  /// Members to which a message could not be sent since the last call.
  std::vector<std::uint64_t> take_unreachable() { return std::exchange(unreachable_, {}); }

 private:
  struct Waiting {
    std::deque<OutgoingMessage> messages;
    std::map<std::uint64_t, EntryBytes> loaded;
    bool loading = false;
    std::uint64_t term = 0;
  };

  static void drop_repeated(std::deque<OutgoingMessage>& messages, const OutgoingMessage& message);
  void flush(std::uint64_t to);
  /// The first entry that `message` needs and nobody has; 0: none.
  std::uint64_t first_missing(const OutgoingMessage& message, const Waiting& waiting) const;
  bool is_ahead() const { return pace_.wait(parts_.clock.monotonic()) > io::Duration{}; }
  void count(std::span<const LogEntry> read);
  void load(std::uint64_t to, std::uint64_t first, std::uint64_t last);
  void transmit(OutgoingMessage message, const std::map<std::uint64_t, EntryBytes>& loaded);

  Parts parts_;
  Next next_;
  std::map<std::uint64_t, Waiting> waiting_;  // by member
  std::vector<std::uint64_t> unreachable_;
  io::Pace pace_{io::milliseconds(200)};  ///< Ticks are long on a busy machine.
};

}  // namespace meridian::consensus
