// The rows of a table of subject keys in memory, what is kept and held of them, and the keys that
// were unwrapped of late.
//
// take_in() is the fold that every reader of rows shares: of a file, of a log, of a copy. A key
// that is held goes in no way but by a release first. Owned by one thread. 110 bytes of memory per
// row. Pure but for the clock of the cache.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "crypto/key_wrapper.h"
#include "storage/internal/key_cache.h"
#include "storage/key_row.h"
#include "storage/key_table.h"

namespace meridian::storage {

class SubjectRows {
 public:
  struct Subject {
    std::vector<KeyRow> rows;
    bool forgotten = false;
    std::optional<Day> wish;    ///< It is to be forgotten once nothing is kept.
    std::vector<KeyName> gone;  ///< Of what it had; not any more once it is forgotten.

    const KeyRow* find(std::uint8_t retention, std::uint32_t version) const;
  };

  explicit SubjectRows(io::Clock& clock) : clock_(clock), cache_(clock) {}

  Day today() const { return day_of(clock_.now().time); }
  /// Of the key that seals for `retention` today.
  KeyName name_now(std::uint8_t retention) const {
    return {retention, keeping_.version_now(retention, today())};
  }
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
  /// data_loss if a row does not open under `kek`.
  Result<SubjectKeyring::SubjectKeys> keys_of(u128 subject, std::uint8_t retention,
                                              std::uint32_t version, const crypto::KeyWrapper& kek);
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
  /// Cost: a look at every row.
  bool has_keys(std::uint8_t retention) const;

  /// What changes what stands before it (definitions, holds, marks), then all keys wrapped under
  /// `new_kek` instead of `old_kek`, in hash order: their order means nothing. Errors: data_loss.
  struct Rewrapped {
    std::vector<KeyRow> marks, rows;
  };
  Result<Rewrapped> rewrapped(const crypto::KeyWrapper& old_kek,
                              const crypto::KeyWrapper& new_kek) const;
  /// Marks and rows as they are.
  Rewrapped all() const;
  /// What rewrapped() gave, nothing changed since, is what stands.
  void renew(const std::vector<KeyRow>& rows);
  void clear();

  void drop_old_keys() { cache_.drop_old(); }
  std::size_t unwrapped_keys() const { return cache_.size(); }
  void drop_keys() { cache_.clear(); }

 private:
  Result<Bytes> unwrapped(const KeyRow& row, const crypto::KeyWrapper& kek);

  bool define(const RetentionClass& retention);
  bool take_key(const KeyRow& row);
  bool forget(u128 subject);
  bool remove(u128 subject, const KeyName& key);
  bool expire(std::uint8_t retention, std::uint32_t through);
  std::size_t take_expired(u128 subject, Subject& keys, std::uint8_t retention,
                           std::uint32_t through);
  void drop_unneeded_commit(Subject& keys);
  bool is_held(u128 subject) const;

  io::Clock& clock_;
  KeyCache cache_;
  absl::flat_hash_map<u128, Subject, U128Hash> subjects_;
  Keeping keeping_;
  std::size_t size_ = 0;
};

struct SubjectRows::Saved {
  absl::flat_hash_map<u128, Subject, U128Hash> subjects;
  Keeping keeping;
  std::size_t size;
};

/// What is refused of one that was forgotten.
Error forgotten_subject(u128 subject);

}  // namespace meridian::storage
