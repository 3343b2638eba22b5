// Looks for damage in what a replica stores, round after round, and heals what can be healed.
//
//   round = hashes above segments -> finished segments -> records behind them -> state -> indexes
//
// Everything below the newest state checkpoint is read back from the disk: segments lead to their
// roots, roots to the checkpoint's frontier (so tile hashes are not believed blindly), chunks have
// their digests, frames open. A damaged hash of a tile is written again from sound headers; a
// damaged segment is fetched from the other replicas (segment_repair.h). Other damage is for the
// caller (Parts::damaged). A replica that is alone tells and goes on serving.
//
// In steps of at most about 1 MiB, paced by a rate, on one executor. Nothing is remembered over a
// restart. What was written lately is read back from the kernel's memory, not from the disk.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "io/clock.h"
#include "io/executor.h"
#include "io/network.h"
#include "metrics/registry.h"
#include "proof/merkle.h"
#include "replica/lifetime.h"
#include "replica/segment_repair.h"
#include "storage/record_store.h"
#include "storage/sorted_runs.h"
#include "storage/state_store.h"
#include "storage/tile_store.h"

namespace meridian::replica {

/// meridian_scrub_*: docs/operations/metrics.md. Thread-safe.
struct ScrubMetrics {
  explicit ScrubMetrics(metrics::Registry& registry);
  metrics::Counter& bytes;
  metrics::Counter& rounds;
  metrics::Gauge& round_ms;  ///< Of the last whole round.
  metrics::Counter& damaged;
  metrics::Counter& repaired;
  metrics::Gauge& unrepaired;
};

class Scrub {
 public:
  static constexpr std::uint64_t rate_default = 8 << 20;
  static constexpr io::Duration rest_at_first = io::seconds(1);  ///< After start().
  static constexpr io::Duration rest = io::seconds(10);          ///< Between two rounds.
  /// Before damage that could not be repaired is tried again.
  static constexpr io::Duration retry = io::seconds(30);

  struct Parts {
    io::Executor& executor;
    io::Clock& clock;
    storage::RecordStore& records;
    storage::TileStore& tiles;
    storage::StateStore& states;
    std::vector<const storage::SortedRuns*> indexes;
    u128 cell;
    /// Read a second. 0: no rounds; what others find (look_at) is healed all the same.
    std::uint64_t bytes_per_second;
    ScrubMetrics& metrics;
    std::function<void(const std::string&)> notice;
    std::function<void(const Error&)> fatal;
    /// Of a group: the others, and how to ask them. Null: it is alone.
    std::function<std::vector<std::uint64_t>()> peers{};
    std::function<bool(std::uint64_t to, io::Parts question)> send{};
    /// Of a group: damage that is not repaired here; nothing is looked at after it. Null: told.
    std::function<void(const Error&)> damaged{};
  };
  explicit Scrub(Parts parts);
  /// No call is made from now on. On the executor, or when it is idle.
  ~Scrub() { lifetime_.end(); }

  /// Before start(): if the hashes that the edge of the tree hangs on are damaged, so that what was
  /// signed would not be found again, they are written anew from the records. Blocks; three reads
  /// if all is right. Errors: data_loss if the records below the checkpoint do not give them.
  Status heal_edge();
  void start();
  /// No step is taken from now on. Any thread.
  void stop() { lifetime_.end(); }
  /// A reader met damage there: it is looked at next. Any thread, short.
  void look_at(std::uint64_t segment);
  /// Somebody met damage in a segment that is not repaired yet. Any thread.
  bool has_met_damage() const;
  /// What came with PeerTag::copy_answer. Any thread.
  void receive(std::uint64_t from, io::Parts answer);

 private:
  enum class Stage : std::uint8_t { segments, rest_of_records, state, indexes };
  /// Records of a segment, or of the one behind the last whole one, as far as they were read.
  struct Reading {
    std::uint64_t first, end;
    proof::Hashes leaves;
    std::uint64_t at_once = 256;
    std::uint64_t next() const { return first + leaves.size(); }
  };
  struct Round {
    io::MonotonicTime began{};
    Stage stage = Stage::segments;
    std::uint64_t segment = 0;  ///< The next one.
    std::shared_ptr<storage::PinnedState> state;
    std::size_t chunk = 0;
    std::size_t index = 0;            ///< The next one.
    std::vector<std::uint64_t> runs;  ///< Of the one before.
    std::size_t run = 0;
    std::uint64_t position = 0;
  };
  /// What the newest checkpoint vouches for, as of when it was looked at.
  struct Known {
    proof::Frontier frontier;
    proof::Hashes roots;  ///< Of the whole segments below it.
    std::uint64_t records() const { return raw(frontier.size()); }
  };

  std::uint64_t rate() const;
  std::uint64_t step_bytes() const;
  io::Duration pace(std::uint64_t bytes) const;
  io::Duration rest_left() const;
  bool is_resting() const { return !round_ && !reading_; }
  bool is_alone() const { return parts_.peers == nullptr; }
  void schedule(io::Duration delay);
  void step();
  Result<std::optional<std::uint64_t>> segment_looked_for();
  void begin_look(std::uint64_t segment);
  void end_look();

  // Each does a piece of the work and gives the bytes read. Errors: what is damaged.
  Result<std::uint64_t> work();
  Result<std::uint64_t> begin_round();
  void next_segment();
  void read_rest();
  Result<std::uint64_t> read_state();
  Result<std::uint64_t> read_indexes();
  void end_round();

  Result<bool> know_checkpoint();
  Result<proof::Hashes> roots_under(const proof::Frontier& frontier);
  void check_hashes(std::size_t level, std::uint64_t first, const proof::Hashes& right);
  bool is_below_checkpoint(std::uint64_t segment) const;
  void read_segment(std::uint64_t segment);
  Result<std::uint64_t> read_records();
  Status compare_segment();
  Status compare_rest();

  void met(const Error& error);
  void met_in_segment(std::uint64_t segment, const Error& error);
  void repair(std::uint64_t segment);
  void repaired(std::uint64_t segment, const Result<std::uint64_t>& peer);
  void give_up(const Error& error);
  void show_unrepaired();

  Parts parts_;
  Lifetime lifetime_;
  std::uint64_t turn_ = 0;  ///< Of schedule(): a later call takes the place of an earlier one.
  bool ended_ = false;
  io::MonotonicTime due_{};  ///< The next round.
  std::optional<Round> round_;
  std::optional<Known> known_;
  std::optional<Reading> reading_;
  std::optional<std::uint64_t> read_next_;  ///< A segment that was repaired.
  bool read_again_ = false;                 ///< The last step failed: damage is what fails twice.
  std::unique_ptr<SegmentRepair> repair_;
  /// Segments known to be damaged, and when that was seen last.
  std::map<std::uint64_t, io::MonotonicTime> unrepaired_;
  std::map<std::uint64_t, io::MonotonicTime> repairs_;  ///< Segments, and when one was begun last.
  std::set<std::string> told_;                          ///< Segments that could not be repaired.
  std::set<std::string> given_up_;                      ///< Damage of what is no segment.

  mutable std::mutex looks_mutex_;
  std::set<std::uint64_t> looks_;  ///< Segments to look at next.
  bool is_looking_ = false;        ///< At one that was among these.
  bool has_unrepaired_ = false;
};

}  // namespace meridian::replica
