// Wrapped keys of subjects that all replicas of a cell keep alike (docs/formats/keys.md,
// docs/decisions/0021).
//
// A fold over records: subject_key adds a row, erase_subject takes a subject's rows away,
// turn_epoch wraps what is left under the next KEK and destroys the one before. A leader's door
// makes rows ahead of that, which others propose; what it sealed under one is thrown away, and
// sealed again once its record is folded in. A turn goes on while the table is used. The KEK never
// stands in a record: replicas hand it to each other (offer, take).
//
// Owned by one thread (the door's). Memory, caches and costs as KeyTable.
#pragma once

#include <memory>
#include <vector>

#include "storage/key_table.h"

namespace meridian::storage {

/// How many rows a turn of the epoch wraps anew within the call that begins it, if there are no
/// more (20 ms), and in one step of the others (3 ms).
struct TurnPace {
  std::size_t at_once = 4'096;
  std::size_t step = 512;
};

class CellKeyTable : public SubjectKeyring {
 public:
  /// Records between two notes of how far the fold is, when it holds none of its own.
  static constexpr std::uint64_t note_every = 1'000'000;
  /// Rows in one part of a copy.
  static constexpr std::size_t part_rows = 8'192;

  /// Opens `keys/table`, or makes an empty one. Errors: those of KeyTable::open.
  static Result<std::unique_ptr<CellKeyTable>> open(const SealedContext&, KeyStore& keys,
                                                    io::Clock&, TurnPace pace = {});

  // --- making rows: the leader's door ---
  /// for_sealing may make rows, which are proposed in `term` and in no other; 0: it makes none.
  /// What was made in another term and is not folded in is gone.
  virtual void make_in(std::uint64_t term) = 0;
  virtual std::uint64_t makes_in() const = 0;
  /// A turn of the epoch is proposed: whoever needs a row that is not folded in waits.
  virtual void hold(bool holds) = 0;
  /// Its erasure is proposed: for_sealing refuses it. Until release_subjects() or its record.
  virtual void refuse_subject(u128 subject) = 0;
  virtual void release_subjects() = 0;
  /// The rows not folded in yet that for_sealing gave out since the last call. If there are any,
  /// what was sealed is not to be proposed: they are, and then it is sealed again.
  virtual std::vector<KeyRow> take_unfolded() = 0;
  /// What for_sealing met since the last call: rows that are not known to be in two regions of
  /// their jurisdiction. If there are any, what was sealed is not to be proposed; it is sealed
  /// again when they are.
  virtual std::vector<ResidencyWait> take_waits() = 0;
  /// As others told; the last one counts. Until then a jurisdiction is not up.
  virtual void set_residency(std::uint8_t jurisdiction, const ResidencyState& state) = 0;
  virtual ResidencyState residency(std::uint8_t jurisdiction) const = 0;

  // --- sealing what another replica orders ---
  /// From now on for_sealing makes no rows, and notes what it would need; or no longer.
  virtual void seal_for_leader(bool is_for_leader) = 0;
  struct Noted {
    bool is_resident = false;  ///< Something was asked for that lives in a jurisdiction.
    std::vector<WantedRow> missing{};
  };
  virtual Noted take_noted() = 0;
  /// Whether the keys that seal for `retention` today are folded in, K_commit too.
  virtual bool is_there(const WantedRow& row) const = 0;
  /// On the leader: makes them if they are not, for take_unfolded(). Errors: as for_sealing.
  virtual Status provide(const WantedRow& row) = 0;
  /// On the leader, of what was sealed elsewhere: whether it may be proposed now. Errors:
  /// failed_precondition if nothing is sealed for the subject any more; unavailable.
  virtual Status check_sealed(u128 subject, const KeyName& key) const = 0;

  // SubjectKeyring::for_sealing here: unavailable if a row is missing that cannot be made now;
  // residency_unavailable of a class whose jurisdiction is not up, or not here.

  // --- folding, in the order of records ---
  /// That stands in `record`. One of another turn than that of its jurisdiction's key in use is no
  /// part of the table. Errors: data_loss if it does not open or another key stands under its name:
  /// it is none then either, on any replica.
  virtual Status add(const KeyRow& row, std::uint64_t record) = 0;
  /// Its rows are gone from memory; from the disk with the next turn.
  virtual void erase(u128 subject) = 0;
  /// What a row says that is no key: keys that it takes away go as those of an erasure do. One that
  /// is held stays, on every replica.
  virtual void change(const KeyRow& row) = 0;
  /// The turn that stands in `record`, all before it folded in; no other one may be on its way.
  /// From then on rows are made and folded in under the next KEK, while those that stand open as
  /// before; the KEK before is destroyed when the turn is made: at once, or by turn_on() if there
  /// are many rows. False if the KEK is not here: nothing was done. One that was made already is
  /// passed over. Errors: of the disk (resource_exhausted: turn_on() tries again); data_loss.
  virtual Result<bool> turn(std::uint32_t number, u128 check, std::uint64_t record) = 0;
  /// A turn is begun and not made yet. place() is that of before.
  virtual bool is_turning() const = 0;
  /// Some rows more, all below record `records` being folded in. True once the turn is made.
  virtual Result<bool> turn_on(std::uint64_t records) = 0;
  /// Everything below record `records` is folded in: durable, unless there is next to nothing new.
  virtual Status folded(std::uint64_t records) = 0;
  /// How far the fold is; on disk it may be less.
  virtual KeyPlace place() const = 0;
  /// Whether all records that are stored are folded in; not at first. Until then for_opening
  /// answers unavailable where it would answer not_found, unless the subject is forgotten.
  virtual void set_complete(bool is_complete) = 0;

  // --- handing over ---
  /// Of the KEK that rows are made under; 0 before the first turn.
  virtual u128 check() const = 0;
  /// What is in a token does not come out: its KEK is handed on for so long after it came here, and
  /// then no more. Whoever needs one later makes a turn necessary (cell/key_maker.h).
  static constexpr io::Duration handed_on_for = io::seconds(60);
  /// A fresh KEK for the next turn; durable. Errors: of the key store.
  virtual Result<u128> offer() = 0;
  virtual bool holds_kek(u128 check) const = 0;
  /// To hand it on; valid until the next call. Errors: not_found; failed_precondition if it is in a
  /// token for longer than that.
  virtual Result<Bytes> kek(u128 check) const = 0;
  /// Overwrites those whose time is over. To be called every few seconds.
  virtual void drop_handed_on() = 0;
  /// A KEK from another replica; durable when it returns.
  virtual Status take(const crypto::Secret& kek) = 0;

  struct Copy {
    u128 check = 0;
    KeyPlace place;
    std::vector<Buffer> parts;
  };
  virtual Copy copy() const = 0;  ///< Not while it is turning.
  /// In place of what is here. Errors: failed_precondition unless its KEK is held; data_loss if a
  /// part is none or a row does not open: nothing was done then.
  virtual Status install(const Copy& copy) = 0;
};

/// Tells one KEK from another; never 0 and no help in guessing it.
u128 kek_check(Bytes kek);

}  // namespace meridian::storage
