// The way out of doubt for a replica whose log ended in bytes that did not open: it may have
// acknowledged what they held, so it neither votes nor acknowledges until a leader has supplied its
// log again (DESIGN section 5; the exact condition is in spec/ambiguous_tail.tla).
//
//   ask all -> a leader of a term >= ours: its log up to what it had handed out when it answered
//           \-> nobody leads, and too few are free of doubt to elect: the longest log of *all*
//           voters
//   -> durable here -> the mark is cleared -> the replica may open
//
// Runs on one executor, which blocks on the disk, while the replica is closed. Answers others in
// doubt meanwhile.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "io/clock.h"
#include "io/executor.h"
#include "replica/lifetime.h"
#include "replica/log_exchange.h"
#include "replica/raft_log.h"
#include "replica/raft_store.h"

namespace meridian::replica {

class Resupply {
 public:
  static constexpr io::Duration ask_period = io::milliseconds(200);
  /// Rounds without a word from the one that supplies, after which another is sought.
  static constexpr int silence_max = 15;

  struct Parts {
    io::Executor& executor;
    io::Clock& clock;
    Peers& peers;
    std::function<void(const std::string&)> notice;
  };
  struct Outcome {
    /// Set: the log of this peer does not reach back to our checkpoint; copy its state, then begin
    /// again.
    std::optional<std::uint64_t> copy_from;
  };
  /// `log`: what the store holds after `applied`. `nonce` is random. Registers with `peers`.
  Resupply(const Parts& parts, std::uint64_t self, const consensus::Membership& members,
           std::unique_ptr<RaftStore> store, storage::InDoubtMark mark, LogPosition applied,
           const std::vector<consensus::LogEntry>& log, std::uint64_t nonce,
           std::function<void(Result<Outcome>)> done);
  ~Resupply();
  void start();

 private:
  struct Supplier {
    std::uint64_t peer;
    std::uint64_t term;
    std::uint64_t until;  ///< Its last index when it was chosen.
  };
  void ask();
  void answer(std::uint64_t from, const io::Parts& question);
  void receive(std::uint64_t from, const io::Parts& parts);
  void choose();
  void choose_longest();
  void supply_from(std::uint64_t peer, std::uint64_t term, std::uint64_t until);
  io::Parts question(std::uint64_t first) const;
  void fetch();
  Status take(const LogAnswer& answer);
  void finish();
  void end(Result<Outcome> outcome);
  std::uint64_t last_index() const { return applied_.index + terms_.size(); }
  std::uint64_t term_at(std::uint64_t index) const;

  Parts parts_;
  const std::uint64_t self_;
  const consensus::Membership members_;
  std::unique_ptr<RaftStore> store_;
  storage::InDoubtMark mark_;
  const LogPosition applied_;
  std::vector<std::uint64_t> terms_;  ///< Of the entries after applied_.
  const std::uint64_t
      nonce_;  ///< Of this start; questions about entry `first` have nonce_ + first.
  std::function<void(Result<Outcome>)> done_;

  std::map<std::uint64_t, LogAnswer> answers_;
  std::optional<Supplier> supplier_;
  std::uint64_t next_ = 0;  ///< The entry to ask for.
  int silent_rounds_ = 0;
  bool ended_ = false;
  Lifetime lifetime_;
};

}  // namespace meridian::replica
