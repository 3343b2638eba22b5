// Wrapped keys of subjects: the one mutable store, so that erasing a row erases what it opened
// (docs/formats/keys.md; DESIGN section 8).
//
// Owned by one thread (the door's). Keys come out unwrapped and live in a bounded cache: the keys
// of at most `cache_max` subjects, for at most 60 s, after which the next call of any kind cleanses
// them. After an error of the disk every later write is refused: stop the process.
// Cost: a cached look-up 0.1 us, an uncached one 4 us; an erasure rewrites the table: 5 us per row
// that stays. 100 bytes of memory per row.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "crypto/secret.h"
#include "storage/key_row.h"
#include "storage/sealed_file.h"

namespace meridian::storage {

/// Where whoever seals and opens payloads finds the keys of subjects.
class SubjectKeyring {
 public:
  virtual ~SubjectKeyring() = default;

  struct SubjectKeys {
    std::uint32_t seal_version;
    Bytes seal;    ///< Valid until the next call.
    Bytes commit;  ///< Valid until the next call.
  };
  /// The keys of (subject, retention class), made if missing: nothing may be proposed that is
  /// sealed under a fresh one before that is safe, as the table says. Errors: failed_precondition
  /// if forgotten; invalid_argument for a class that is reserved; residency_unavailable.
  virtual Result<SubjectKeys> for_sealing(u128 subject, std::uint8_t retention) = 0;
  /// Errors: not_found if there is no such row (never made, or erased); residency_unavailable if
  /// what it opens lives elsewhere.
  virtual Result<SubjectKeys> for_opening(u128 subject, std::uint8_t retention,
                                          std::uint32_t version) = 0;
  /// Retention classes for which the subject has live rows; empty if none.
  virtual std::vector<std::uint8_t> classes(u128 subject) = 0;
  /// True if the subject was forgotten: no key is ever made for it again.
  virtual bool is_forgotten(u128 subject) const = 0;
  /// Live rows: those with keys, not the marks of forgotten subjects.
  virtual std::size_t rows() const = 0;
  /// When the KEK in use came into the key store: nanoseconds since 1970.
  virtual std::uint64_t epoch_made_ns() const = 0;
  /// Overwrites unwrapped keys that are about a minute old.
  virtual void drop_old_keys() = 0;
  /// How many there are in memory.
  virtual std::size_t unwrapped_keys() const = 0;
  /// True if a key that is missing was destroyed as it had to be; otherwise it is damage.
  virtual bool is_erased(u128 subject, const KeyName& key) const = 0;

  // --- what is kept and held ---
  virtual const Keeping& keeping() const = 0;
  virtual SubjectState state(u128 subject) const = 0;
  virtual Day today() const = 0;
  /// What forgetting the subject now would destroy, and what it must leave.
  virtual ForgetPlan plan(u128 subject) const = 0;
  /// Whether anything of the class can be opened here or elsewhere.
  virtual bool has_keys(std::uint8_t retention) const = 0;
  /// Whether the jurisdiction's key of that turn is in use, or a key of a person stands here that
  /// it is mixed into: what it is needed for. Else it is to be destroyed.
  virtual bool needs(const Jurisdiction& jurisdiction, std::uint32_t turn) const = 0;
  /// Whether this replica holds that key of the jurisdiction.
  virtual bool holds(const Jurisdiction& jurisdiction, std::uint32_t turn) const = 0;
  /// What is to be destroyed by now; of persons at most `subjects_max`. Cost: a look at every row.
  virtual DueKeys due(std::size_t subjects_max) const = 0;
};

/// Of a replica that is alone. A row is made here, and durable after sync().
class KeyTable : public SubjectKeyring {
 public:
  static constexpr std::size_t cache_max = 65'536;

  /// Rows that one frame, and so one sync, carries at most.
  static constexpr std::size_t frame_rows_max = 65'536;

  /// Opens `keys/table`, or makes an empty one. Drops a torn last frame (its rows were never used;
  /// dropped_bytes() says so) and finishes an erasure that a crash interrupted.
  /// Errors: data_loss if a frame before the last is damaged, failed_precondition if the key store
  /// no longer holds the KEK of the table's epoch (an old copy of the table, or of the store).
  static Result<std::unique_ptr<KeyTable>> open(const SealedContext&, KeyStore& keys, io::Clock&);

  /// Makes all buffered rows durable. Cheap if there are none.
  virtual Status sync() = 0;

  struct Erasure {
    std::uint32_t keys_destroyed;  ///< 0: the subject had none.
    std::uint32_t epoch;           ///< The epoch whose KEK was destroyed; 0 if none was.
  };
  /// Destroys every key of `subject` as keys.md describes; survivors are rewrapped, buffered rows
  /// become durable. The subject is marked forgotten, keys or none: for_sealing refuses it from
  /// then on. Errors: resource_exhausted (disk full: the subject is not erased before a call with
  /// it succeeds); others of the disk: stop the process, opening again finishes the erasure or
  /// shows that it was not begun.
  virtual Result<Erasure> erase(u128 subject) = 0;
  /// The same for rows that are no keys, in their order: what they say is durable when it returns,
  /// and the keys that they take away are destroyed, in one epoch. Once more does no harm.
  virtual Result<Erasure> change(const std::vector<KeyRow>& changes) = 0;
  /// Wraps every row under the next KEK and destroys the one in use, so that no older copy of the
  /// table opens. Errors: as erase().
  virtual Status turn() = 0;
  virtual std::uint32_t epoch() const = 0;
  /// Of the torn end that open() dropped; 0 if there was none. To be told to people: should the
  /// last frame be rotten instead of torn, keys of records made just before are gone.
  virtual std::uint64_t dropped_bytes() const = 0;
};

}  // namespace meridian::storage
