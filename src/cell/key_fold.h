// Folds the records of subject keys into this replica's table, in their order, and gets from others
// what no record holds: the KEK of an epoch, or, if that is destroyed everywhere by now, a copy of
// the table as it is.
//
//   start: scans what was stored since the table was noted last   -> fold
//   each record of our kinds, as it is stored                     -> fold
//   damage met by the scan: it waits until that is repaired
//   a turn whose KEK is not here: the fold stops                  -> ask -> fold, or copy -> fold
//   a turn of many rows: the fold goes on while it is made        -> turned
//
// On the door's executor. Cost: 5 us per row; a turn 5 us per row of the table, in steps between
// which others have the executor; a scan reads headers, 1 s per 2 million.
#pragma once

#include <deque>
#include <optional>

#include "cell/key_handover.h"
#include "cell/key_parts.h"
#include "replica/lifetime.h"

namespace meridian::cell {

class KeyFold {
 public:
  static constexpr std::uint64_t scan_step = 65'536;
  static constexpr io::Duration patience = KeyHandover::patience;  ///< For a part of a copy.

  struct Next {
    std::function<void()> erased;                      ///< Keys in use are to be dropped.
    std::function<void()> begun;                       ///< Rows are made under the next KEK.
    std::function<void(std::uint32_t number)> turned;  ///< The KEK before is destroyed here.
    std::function<void(std::uint64_t record)> folded;  ///< All below is in the table.
    std::function<void()> changed;                     ///< There is news for the others.
  };
  KeyFold(const KeyParts& parts, const KeyBoard& board, KeyHandover& handover, Next next);

  void start();
  void stop() { lifetime_.end(); }  ///< Any thread.
  void stored(std::vector<replica::KeyRecord> records);
  /// Now and then.
  void tick();
  /// At the end: what is folded in is durable, as far as it can be.
  void close();

  /// All that is stored here is folded in.
  bool is_complete() const { return is_scanned_ && waiting_.empty(); }
  /// All records of keys below it are folded in here.
  std::uint64_t end() const;
  /// As others are to know it.
  KeyNews news() const;
  /// This replica proposes `check` for the next turn: it is our candidate.
  void offer(u128 check) { candidate_ = check; }

  void receive(std::uint64_t from, const KeyNews& news);
  /// A KEK that was asked for came.
  void taken(std::uint64_t from, u128 check, const crypto::Secret& kek);
  void receive(std::uint64_t from, const TableQuestion& question);
  void receive(std::uint64_t from, TablePart part);

 private:
  struct Copying {
    std::uint64_t from;
    storage::CellKeyTable::Copy copy;
    std::uint32_t parts = 0;
    io::MonotonicTime asked_at{};
  };
  struct Lent {
    storage::CellKeyTable::Copy copy;
    io::MonotonicTime at;
  };

  void scan_next();
  void scanned(std::uint64_t end, Result<std::vector<replica::KeyRecord>> found);
  void fold();
  bool fold_one(const replica::KeyRecord& record);
  void add(const replica::KeyRecord& record);
  bool turn(const replica::KeyRecord& record);
  void turn_on();
  void turn_step();
  void turned();
  void not_turned(const Error& error);
  void show_complete();
  void note_place();

  void ask_missing();
  void begin_copy();
  void ask_part();
  void finish_copy();
  void send(std::uint64_t to, const KeyMessage& message) {
    parts_.send(to, encode_key_message(message));
  }
  bool has_passed(io::MonotonicTime since, io::Duration time) const {
    return parts_.clock.monotonic() - since >= time;
  }

  const KeyParts& parts_;
  const KeyBoard& board_;
  KeyHandover& handover_;
  Next next_;
  replica::Lifetime lifetime_;

  std::uint64_t scan_from_ = 0, scan_end_ = 0;
  bool is_scanning_ = false;  ///< A step is under way.
  bool is_scanned_ = false;
  std::deque<replica::KeyRecord> waiting_;
  std::vector<replica::KeyRecord> live_;  ///< Stored while the scan goes on.
  std::uint64_t folded_end_ = 0;          ///< Behind the record folded last.
  u128 missing_{};                        ///< The fold waits for this KEK, of
  std::uint32_t missing_number_ = 0;      ///< this turn.
  bool is_turning_on_ = false;            ///< A step is posted.
  bool is_full_told_ = false;
  bool is_damage_told_ = false;

  u128 candidate_{};
  std::optional<Copying> copying_;
  std::map<std::uint64_t, Lent> lent_;
};

}  // namespace meridian::cell
