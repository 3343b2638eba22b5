// The leader's part in the keys of persons: it makes rows that a door misses, says what is kept and
// held, and turns the epoch to destroy what is to be forgotten or due.
//
//   missing(rows) -> subject_key records -> folded here -> the door seals again
//   keep          -> its record -> folded here: done; not while a turn is proposed, so that a turn
//                    was made knowing every hold
//   forget        -> a fresh KEK, held by a quorum of two regions
//                 -> one request: what each that waits has to go, turn_epoch
//                 -> begun here: rows are made and holds placed as before
//                 -> made here: done when the others have turned, or patience ends
//   once an hour  -> what is due by the clock goes as what is forgotten, once a day
//   a KEK that stays in tokens is asked for -> the same: the next one is handed on
//   once a day    -> the same without anything that has to go: old copies of tables open no more
//
// All is proposed in the term that it was made in, or not at all. On the door's executor.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <tuple>
#include <vector>

#include "base/result.h"
#include "cell/key_fold.h"
#include "cell/key_parts.h"
#include "cell/local_cell.h"
#include "door/keeping_commands.h"
#include "replica/lifetime.h"

namespace meridian::cell {

class KeyMaker {
 public:
  /// Of a forget: how long the other replicas are waited for, before and after the turn.
  static constexpr io::Duration patience = io::seconds(2);
  static constexpr std::size_t erasures_max = 1'000;  ///< In one turn.
  static constexpr std::size_t commands_max = 4'096;  ///< In its request, about.
  static constexpr io::Duration due_period = io::seconds(3'600);
  static constexpr io::Duration due_turn_period = io::seconds(86'400);
  static constexpr std::size_t rows_max = 4'096;  ///< In one request.
  /// No KEK is in use for longer than this and the next look at it, if it wraps anything.
  static constexpr io::Duration epoch_period = io::seconds(86'400);
  static constexpr io::Duration epoch_look_period = io::seconds(60);

  using GoOn = std::function<void(Status)>;
  using Forgotten = std::function<void(Result<ForgetAnswer>)>;
  using Recorded = std::function<void(Result<KeepAnswer>)>;

  /// `tell`: there is news for the others.
  KeyMaker(const KeyParts& parts, KeyFold& fold, const KeyBoard& board, std::function<void()> tell)
      : parts_(parts), fold_(fold), board_(board), tell_(std::move(tell)) {}
  void stop() { lifetime_.end(); }  ///< Any thread.
  /// Every KeyCustodian::period.
  void tick() { watch(); }

  /// A door lacks `rows`, or waits for a turn if there are none; `go_on` when it may seal again.
  void missing(const std::vector<storage::KeyRow>& rows, GoOn go_on);
  void forget(u128 actor, u128 subject, Forgotten done);
  /// The same, with nobody to forget.
  void turn(u128 actor, Forgotten done) { forget(actor, 0, std::move(done)); }
  void keep(u128 actor, door::KeepingDraft draft, Recorded done);
  /// Errors, always: who leads instead.
  Error not_leading() const;

  /// Of the fold.
  void folded(std::uint64_t end);
  void begun();
  void turned(std::uint32_t number);
  void not_handed_on();
  void heard() { pump(); }
  /// This replica does not lead any more: nothing is made, and who waits is told so.
  void end();

 private:
  using RowId = std::tuple<u128, std::uint8_t, std::uint32_t>;
  struct Waiter {
    std::uint64_t batch;  ///< 0: a turn.
    GoOn go_on;
  };
  struct Batch {
    std::uint64_t number;
    std::vector<RowId> rows;
    std::optional<std::uint64_t> end{};  ///< Folded from this record on; none: not answered yet.
    std::function<void()> folded{};      ///< Of what is kept.
  };
  struct Keep {
    u128 actor;
    door::KeepingDraft draft;
    Recorded done;
  };
  struct Forget {
    u128 actor, subject;  ///< Subject 0: a turn was asked for, and no more.
    Forgotten done;
    ForgetAnswer answer{};
    std::uint32_t first = 0;  ///< Of its commands in the request.
  };
  struct Turn {
    std::uint32_t number;
    std::vector<Forget> forgets;
    bool is_begun = false, is_folded = false, is_answered = false;
    std::uint32_t at = 0;       ///< In its request.
    io::MonotonicTime since{};  ///< It was made here.
  };

  bool is_making() const { return parts_.table.makes_in() != 0; }
  /// Proposed by this replica, or not made here yet.
  bool is_turning() const { return turn_ || parts_.table.is_turning(); }
  void watch();
  void begin(std::uint64_t term);
  void go_on(std::uint64_t batch, const Status& how);
  void propose(std::uint64_t number, std::span<const storage::KeyRow> rows);
  void proposed(std::uint64_t number, const Result<replica::Answer>& answer);
  void propose_kept();
  void propose_kept(Keep keep);
  void kept(std::uint64_t number, KeepAnswer answer, const Result<replica::Answer>& recorded,
            const Keep& keep);
  void look_for_due();
  void add_due(ledger::Request& request);
  void pump();
  void pump(const replica::GroupState& group);
  bool is_turn_wanted() const;
  bool is_held(const replica::GroupState& group) const;
  void propose_turn();
  void settle_turn();
  bool has_turned(std::uint64_t id, std::uint32_t number) const;
  void turn_answered(std::uint32_t number, const Result<replica::Answer>& answer);
  void finish_turns(const replica::GroupState& group);
  void finish(Turn& turn, const replica::GroupState& group);
  void look_for_age();
  void refuse_waiting();
  bool has_passed(io::MonotonicTime since, io::Duration time = patience) const {
    return parts_.clock.monotonic() - since >= time;
  }

  const KeyParts& parts_;
  KeyFold& fold_;
  const KeyBoard& board_;
  std::function<void()> tell_;
  replica::Lifetime lifetime_;
  bool is_asking_group_ = false;

  std::uint64_t folded_ = 0;
  std::uint64_t beginning_in_ = 0;  ///< The term that the fold is brought up to date for.
  std::uint64_t next_batch_ = 1;
  std::deque<Batch> batches_;
  std::set<RowId> proposed_rows_;
  std::vector<Waiter> waiters_;

  std::deque<Forget> forgets_;
  std::deque<Keep> keeps_;
  bool is_due_ = false;  ///< Something is to be destroyed by the clock.
  std::optional<io::MonotonicTime> looked_at_, due_turned_at_;
  bool is_old_ = false;        ///< The KEK in use has been for a day,
  bool is_asked_for_ = false;  ///< or a replica needs it, and it does not leave its tokens.
  std::optional<io::MonotonicTime> age_looked_at_;
  u128 candidate_{};
  io::MonotonicTime offered_at_{};
  std::optional<Turn> turn_;      ///< Proposed.
  std::vector<Turn> confirming_;  ///< Made here; others may lag.
};

}  // namespace meridian::cell
