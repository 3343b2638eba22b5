// The rows of a table of subject keys in memory, and the keys that were unwrapped of late.
//
// Owned by one thread. 100 bytes of memory per row. Pure but for the clock of the cache.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <functional>
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

    const KeyRow* find(std::uint8_t retention, std::uint32_t version) const;
    const KeyRow* newest(std::uint8_t retention) const;
  };

  explicit SubjectRows(io::Clock& clock) : cache_(clock) {}

  /// As read from a file or a log. A mark takes the subject's rows away; a row of a subject that
  /// was forgotten is none.
  void take_in(const KeyRow& row);
  /// A fresh key, wrapped under `kek`; it stands in the rows, and unwrapped in the cache.
  /// Errors, here and below: also of where the KEK lies.
  Result<KeyRow> make(u128 subject, std::uint8_t retention, io::Entropy& entropy,
                      const crypto::KeyWrapper& kek);
  /// The keys of `retention` and `version`, and the subject's K_commit. Errors: not_found;
  /// data_loss if a row does not open under `kek`.
  Result<SubjectKeyring::SubjectKeys> keys_of(u128 subject, std::uint8_t retention,
                                              std::uint32_t version, const crypto::KeyWrapper& kek);
  /// As if take_in() had not been called for it.
  void take_out(const KeyRow& row);
  /// Takes the rows of a subject away and marks it. Returns what there was.
  std::vector<KeyRow> forget(u128 subject);
  /// Undoes forget().
  void restore(u128 subject, std::vector<KeyRow> rows);

  /// Null if nothing is known of it.
  const Subject* find(u128 subject) const;
  bool is_forgotten(u128 subject) const;
  std::vector<std::uint8_t> classes(u128 subject) const;
  std::size_t size() const { return size_; }

  /// Marks of the forgotten, then all rows wrapped under `new_kek` instead of `old_kek`, in hash
  /// order: the order of rows means nothing. Errors: data_loss.
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
  void drop_keys() { cache_.clear(); }

 private:
  Result<Bytes> unwrapped(const KeyRow& row, const crypto::KeyWrapper& kek);

  KeyCache cache_;
  absl::flat_hash_map<u128, Subject, U128Hash> subjects_;
  std::size_t size_ = 0;
};

/// What is refused of one that was forgotten.
Error forgotten_subject(u128 subject);

}  // namespace meridian::storage
