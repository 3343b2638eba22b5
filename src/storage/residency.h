// Where personal data of some classes may be read (docs/decisions/0034, docs/formats/keys.md).
//
// A jurisdiction has a name, two regions or more, and a key that only replicas there hold. It is
// mixed into the keys of persons of a class that names it: without it a row of the table opens
// nothing. It can be turned over: the next one is mixed into what is made from then on, and those
// before stay for the rows that they were mixed into. ResidencyKeys is owned by the thread that
// owns the key store; the rest are values.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "storage/key_store.h"

namespace meridian::storage {

inline constexpr std::size_t jurisdiction_name_size = 24;
inline constexpr std::size_t region_name_size = 32;
inline constexpr std::uint8_t jurisdictions_max = 250;
inline constexpr std::uint32_t residency_turns_max = 4'095;  ///< Of one jurisdiction's key.

struct Jurisdiction {
  std::uint8_t number = 0;  ///< 1 and up.
  std::string name;
  std::vector<std::string> regions;  ///< In the order of their records.
  std::vector<u128> keys{};          ///< Check values, by turn; the last one is in use.
  bool is_turning = false;           ///< A next one is wanted.
  bool has(std::string_view region) const;
  bool has_key() const { return !keys.empty(); }
  /// Of the key in use; of the first one while there is none.
  std::uint32_t turn() const {
    return keys.empty() ? 0 : static_cast<std::uint32_t>(keys.size() - 1);
  }
  /// The key in use; 0: there is none yet.
  u128 key() const { return keys.empty() ? u128{0} : keys.back(); }
  /// Whether a key that is not known yet may come to count, and as which turn.
  bool wants_key() const { return keys.empty() || is_turning; }
  std::uint32_t next_turn() const { return static_cast<std::uint32_t>(keys.size()); }
  bool operator==(const Jurisdiction&) const = default;
};
/// "eu (eu-west, eu-north)"
std::string to_text(const Jurisdiction& jurisdiction);

/// Those of a cell, as its records say: a fold, alike on all replicas.
class Residency {
 public:
  /// True if that changed anything. A number keeps the name of its first region.
  bool add(std::uint8_t number, std::string_view name, std::string_view region);
  /// The first key of a turn counts, if that is the one that is wanted.
  bool set_key(std::uint8_t number, std::uint32_t turn, u128 check);
  /// The key of `turn` is wanted, unless that is another one than the next.
  bool begin_turn(std::uint8_t number, std::uint32_t turn);

  const Jurisdiction* find(std::uint8_t number) const;
  const Jurisdiction* find(std::string_view name) const;
  const std::map<std::uint8_t, Jurisdiction>& all() const { return all_; }

 private:
  std::map<std::uint8_t, Jurisdiction> all_;
};

/// How far replicas in its regions are, as the one that asks was told.
struct ResidencyState {
  /// Replicas in two of its regions hold its key and were heard of late.
  bool is_up = false;
  /// Those in two of its regions have folded in all records below this one.
  std::uint64_t confirmed = 0;
};

/// Rows of keys are folded in here and not yet in two regions of the jurisdiction.
struct ResidencyWait {
  std::uint8_t jurisdiction = 0;
  std::uint64_t records = 0;  ///< Until `confirmed` is that.
};

/// A key that a leader is to make.
struct WantedRow {
  u128 subject = 0;
  std::uint8_t retention = 0;
  bool operator==(const WantedRow&) const = default;
};

/// "RESIDENCY_UNAVAILABLE: what; nothing was done". Asking again may help, here or elsewhere.
Error residency_unavailable(std::string_view what);
bool is_residency_unavailable(const Error& error);

/// What seals, or commits, in the place of a row's value.
crypto::Digest resident_key(Bytes jurisdiction_key, std::string_view purpose, Bytes value);

/// Keys of jurisdictions in a key store, each under a name of its own: for jurisdiction 1 and turn
/// 0 "residency-1-0-" and 12 digits of its check. Of several of one turn, one comes to count.
class ResidencyKeys {
 public:
  explicit ResidencyKeys(KeyStore& store) : store_(store) {}

  struct Held {
    std::uint8_t jurisdiction;
    std::uint32_t turn;
    u128 check;
    bool operator==(const Held&) const = default;
    bool operator<(const Held& other) const {
      return std::tuple(jurisdiction, turn, check) <
             std::tuple(other.jurisdiction, other.turn, other.check);
    }
  };
  std::vector<Held> held() const;  ///< Ascending.
  /// Errors: not_found.
  Result<Bytes> find(const Held& key) const;
  /// Durable when it returns; once more does no harm. Errors: those of KeyStore::add_given.
  Status take(std::uint8_t jurisdiction, std::uint32_t turn, const crypto::Secret& key);
  /// Overwritten when it returns. Errors: those of KeyStore::destroy.
  Status destroy(const Held& key);

 private:
  KeyStore& store_;
};

}  // namespace meridian::storage
