// What every interface of this process works with, and the list of calls that stay open.
//
// Made by main before the servers and kept until after them. Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "api/access.h"
#include "api/callers.h"
#include "api/port_watch.h"
#include "api/read_wish.h"
#include "api/request_signature.h"
#include "base/result.h"
#include "base/u128.h"
#include "cell/act_keeper.h"
#include "cell/local_cell.h"
#include "cell/policy_keeper.h"
#include "cell/reading_keeper.h"
#include "io/clock.h"
#include "io/executor.h"
#include "metrics/registry.h"
#include "storage/storage_turner.h"
#include "witness/witnessing.h"

namespace meridian::api {

inline constexpr std::string_view version = "0.1.0";

/// Subscriptions and feeds, whichever interface they came by, so that a stopping server can end
/// them. Thread-safe.
class LiveCalls {
 public:
  static constexpr std::size_t live_max = 1'024;

  /// Why a caller may not go on.
  struct Refusal {
    Error error;
    bool is_unknown = false;  ///< Its certificate is good no more; else the policy denies it.
  };
  /// `stop` is called at most once: from stop_all(), or from review(). Errors: resource_exhausted
  /// if live_max are open; unavailable once stop_all() was called.
  using Stop = std::function<void(const std::optional<Refusal>& refusal)>;
  /// Asked at each review(), under a lock: whether the caller may go on.
  using MayGoOn = std::function<std::optional<Refusal>()>;
  Result<std::uint64_t> add(Stop stop, MayGoOn may_go_on);
  /// Stops what is open for callers who may not go on.
  void review();
  /// After this returns `stop` is not called any more, unless it is being called now.
  void remove(std::uint64_t token);
  void stop_all();
  bool is_stopped();
  std::size_t count();

 private:
  std::mutex mutex_;
  struct Live {
    Stop stop;
    MayGoOn may_go_on;
  };
  std::unordered_map<std::uint64_t, Live> open_;
  std::uint64_t next_ = 1;
  bool stopped_ = false;
};

/// Calls ended, by interface and how: meridian_api_calls_total{interface, code}.
class CallCounts {
 public:
  CallCounts(metrics::Registry& registry, const std::string& interface);
  void ok() { counters_[0]->increment(); }
  void failed(Code code) { counters_[1 + static_cast<std::size_t>(code)]->increment(); }
  /// A connection, for want of room: of a stranger, for a newer one; a new one; one of too many
  /// handshakes.
  void put_out() { put_out_.increment(); }
  void turned_away() { turned_away_.increment(); }
  void came_too_often() { too_often_.increment(); }

 private:
  static constexpr std::size_t code_count = static_cast<std::size_t>(Code::internal) + 1;
  std::array<metrics::Counter*, 1 + code_count> counters_{};
  metrics::Counter &put_out_, &turned_away_, &too_often_;
};

struct Backend {
  Backend(cell::LocalCell& the_cell, io::Clock& the_clock, io::Executor& work_executor,
          metrics::Registry& registry, u128 id_of_cell);

  /// Calls `then` once what was answered anywhere before this call can be read here: what is read
  /// after that is linearizable. At once on a node that is alone, else on `work`. Errors:
  /// unavailable (no leader answers, the server is stopping).
  void when_current(std::function<void(Status)> then);
  /// A read of this replica's own state, as it begins.
  struct LocalRead {
    replica::Replica::Position at;
    std::optional<io::MonotonicTime> as_of;
  };
  /// None if the leader is to be asked: that is wanted, or the state here may be older than wanted.
  std::optional<LocalRead> begin_local_read(const ReadWish& wish) const;
  /// As it ends: "records=12 index=7 staleness-ms=40". What was read is at least as new as that
  /// position, and lacks nothing that was answered anywhere longer ago than that; without the last
  /// part nothing is known of the others.
  std::string describe(const LocalRead& read) const;

  cell::LocalCell& cell;
  io::Clock& clock;
  io::Executor& work;  ///< Reads of history and long conversions: never a stage of the replica.
  metrics::Registry& metrics;
  /// Of what outlives one opening of the cell; none if null. Set before the servers start; outlives
  /// them.
  const metrics::Registry* process_metrics = nullptr;
  /// Both as one text.
  std::string metrics_text() const;
  const u128 cell_id;
  /// Who may do what. In the clear nobody is told apart, and everybody is "local".
  Access access;
  RequestSignatures signatures;
  /// Of a cell whose callers are known. Set before the servers start; outlives them.
  cell::PolicyKeeper* policies = nullptr;
  cell::ActKeeper* acts = nullptr;
  cell::ReadingKeeper* readings = nullptr;
  /// Of a process that keeps a node's keys. Set before the servers start; outlives them.
  storage::StorageTurner* storage_turner = nullptr;
  std::uint64_t replica_id = 0;  ///< Of one of several.
  /// Set before the servers start, and they speak TLS to callers who are known; outlives them.
  Callers* callers = nullptr;
  PortWatch grpc_port;
  CallCounts grpc_calls;
  CallCounts http_calls;
  LiveCalls live;
  /// Of the cell's log; none if it has no witnesses. Set before the servers start; outlives them.
  witness::Witnessing* witnessing = nullptr;
};

// What callers and replicas of a group tell each other beside the messages (docs/api.md).
inline constexpr std::string_view leader_key = "meridian-leader";
inline constexpr std::string_view read_key = "meridian-read";
inline constexpr std::string_view position_key = "meridian-position";

/// What a caller learns when its deadline passes before the answer.
inline constexpr std::string_view write_deadline_message =
    "the outcome is unknown: ask Transactions.Outcome with the same id, or send it again";
inline constexpr std::string_view read_deadline_message =
    "the deadline passed before the answer was ready; ask again with more time";

}  // namespace meridian::api
