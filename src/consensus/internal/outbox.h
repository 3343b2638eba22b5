// Messages of the core on their way out, with the bytes of the entries they carry.
//
// An append whose entries are no longer in memory waits for them to be read back, and what follows
// to the same member waits behind it, so that appends leave in order. Raft executor only; the store
// is read on the log executor.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "consensus/internal/visible_log.h"
#include "consensus/log_store.h"
#include "consensus/raft_core.h"
#include "io/executor.h"
#include "io/network.h"

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
  /// Members to which a message could not be sent since the last call.
  std::vector<std::uint64_t> take_unreachable() { return std::exchange(unreachable_, {}); }

 private:
  struct Waiting {
    std::deque<OutgoingMessage> messages;
    std::map<std::uint64_t, EntryBytes> loaded;
    bool loading = false;
    std::uint64_t term = 0;
  };

  void flush(std::uint64_t to);
  /// The first entry that `message` needs and nobody has; 0: none.
  std::uint64_t first_missing(const OutgoingMessage& message, const Waiting& waiting) const;
  void load(std::uint64_t to, std::uint64_t first, std::uint64_t last);
  void transmit(OutgoingMessage message, const std::map<std::uint64_t, EntryBytes>& loaded);

  Parts parts_;
  Next next_;
  std::map<std::uint64_t, Waiting> waiting_;  // by member
  std::vector<std::uint64_t> unreachable_;
};

}  // namespace meridian::consensus
