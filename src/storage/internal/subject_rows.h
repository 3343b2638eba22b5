// The rows of a table of subject keys in memory, what is kept and held of them, and the keys that
// were unwrapped of late.
//
// take_in() is the fold that every reader of rows shares: of a file, of a log, of a copy. A key
// that is held goes in no way but by a release first. Owned by one thread. 55 bytes of memory per
// row. Pure but for the clock of the cache.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/result.h"
#include "crypto/key_wrapper.h"
#include "storage/internal/key_cache.h"
#include "storage/key_row.h"
#include "storage/key_table.h"

namespace meridian::storage {

/// The KEKs that rows are wrapped under: of the epoch and, while it is being turned, of the one
/// before.
struct Keks {
  std::shared_ptr<const crypto::KeyWrapper> now, before{};
};

class SubjectRows {
 public:
  /// A key of one subject as it is wrapped.
  struct Row {
    std::uint32_t version = 0;
    std::uint32_t epoch = 0;  ///< Of the KEK, as this replica's key store counts.
    std::uint8_t retention = 0;
    crypto::WrappedKey wrapped{};
  };
  struct Subject {
    std::vector<Row> rows;
    bool forgotten = false;
    std::optional<Day> wish;    ///< It is to be forgotten once nothing is kept.
    std::vector<KeyName> gone;  ///< Of what it had; not any more once it is forgotten.

    const Row* find(std::uint8_t retention, std::uint32_t version) const;
  };

  explicit SubjectRows(io::Clock& clock) : clock_(clock), cache_(clock) {}

  Day today() const { return day_of(clock_.now().time); }
  /// Of the key that seals for `retention` today.
  KeyName name_now(std::uint8_t retention) const {
    return {retention, keeping_.version_now(retention, today())};
  }
  /// What is taken in or made from now on is wrapped under the KEK of that one.
  void set_epoch(std::uint32_t epoch) { epoch_ = epoch; }
  /// Whether the keys are those of `row`, a key, and wrapped in this epoch.
  bool has(const KeyRow& row) const;

  /// Errors: failed_precondition if nothing is sealed for the subject any more.
  Status may_seal(u128 subject) const;

  /// As read from a file or a log. A mark takes the subject's rows away; a row of a subject that
  /// was forgotten is none. True if that changed anything.
  bool take_in(const KeyRow& row);
  /// How many keys take_in() of it would destroy.
  std::size_t keys_destroyed_by(const KeyRow& row) const;
  /// A fresh key, wrapped under `kek`; it stands in the rows, and unwrapped in the cache.
  /// Errors, here and below: also of where the KEK lies.
  Result<KeyRow> make(u128 subject, const KeyName& key, io::Entropy& entropy,
                      const crypto::KeyWrapper& kek);
  /// The keys of `retention` and `version`, and the subject's K_commit. Errors: not_found;
  /// data_loss if a row does not open under its KEK.
  Result<SubjectKeyring::SubjectKeys> keys_of(u128 subject, std::uint8_t retention,
                                              std::uint32_t version, const Keks& keks);
  /// As if take_in() had not been called for it.
  void take_out(const KeyRow& row);
  /// All of it, to go back to: a copy.
  struct Saved;
  std::shared_ptr<const Saved> save() const;
  void restore(const Saved& saved);

  /// Null if nothing is known of it.
  const Subject* find(u128 subject) const;
  bool is_forgotten(u128 subject) const;
  std::vector<std::uint8_t> classes(u128 subject) const;
  /// Whether a key that is not here was destroyed as it had to be.
  bool is_erased(u128 subject, const KeyName& key) const;
  const Keeping& keeping() const { return keeping_; }
  ForgetPlan plan(u128 subject) const;
  DueKeys due(std::size_t subjects_max) const;
  SubjectState state(u128 subject) const;
  std::size_t size() const { return size_; }
  bool has_keys(std::uint8_t retention) const;
  /// Cost: a look at every class.
  bool needs(const Jurisdiction& jurisdiction, std::uint32_t turn) const;

  /// What changes what stands before it (definitions, holds, marks).
  std::vector<KeyRow> marks() const;
  /// Of all who have keys, in hash order: it means nothing.
  std::vector<u128> subjects() const;
  /// One subject's keys behind `out`, wrapped under `keks.now`, where they stand from now on, too.
  /// Errors: data_loss.
  Status wrap_now(u128 subject, const Keks& keks, std::vector<KeyRow>& out);
  /// Marks, and then all keys as they are.
  struct All {
    std::vector<KeyRow> marks, rows;
  };
  All all() const;
  void clear();

  void drop_old_keys() { cache_.drop_old(); }
  std::size_t unwrapped_keys() const { return cache_.size(); }
  void drop_keys() { cache_.clear(); }

 private:
  /// How many keys that seal stand here, by class and turn.
  using Turns = std::map<std::pair<std::uint8_t, std::uint32_t>, std::size_t>;

  Result<Bytes> unwrapped(u128 subject, const Row& row, const Keks& keks);
  const crypto::KeyWrapper& kek_of(const Row& row, const Keks& keks) const;

  bool define(const RetentionClass& retention);
  bool take_key(const KeyRow& row);
  bool forget(u128 subject);
  bool remove(u128 subject, const KeyName& key);
  bool expire(std::uint8_t retention, std::uint32_t through);
  std::size_t take_expired(u128 subject, Subject& keys, std::uint8_t retention,
                           std::uint32_t through);
  void drop_unneeded_commit(Subject& keys);
  void count_in(const Row& row);
  void count_out(const Row& row);
  /// Those of which `goes` is true; how many.
  template <typename Goes>
  std::size_t take_rows(Subject& keys, const Goes& goes) {
    const std::size_t gone = std::erase_if(keys.rows, [&](const Row& row) {
      if (!goes(row)) return false;
      count_out(row);
      return true;
    });
    size_ -= gone;
    return gone;
  }
  bool is_held(u128 subject) const;

  io::Clock& clock_;
  KeyCache cache_;
  absl::flat_hash_map<u128, Subject, U128Hash> subjects_;
  Keeping keeping_;
  std::size_t size_ = 0;
  std::uint32_t epoch_ = 0;
  Turns turns_;
};

struct SubjectRows::Saved {
  absl::flat_hash_map<u128, Subject, U128Hash> subjects;
  Keeping keeping;
  std::size_t size;
  std::uint32_t epoch;
  Turns turns;
};

/// What is refused of one that was forgotten.
Error forgotten_subject(u128 subject);

}  // namespace meridian::storage
