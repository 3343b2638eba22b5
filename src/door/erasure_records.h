// What records say of keys of persons that were destroyed: the words of a certificate
// (door/erasure_certificate.h), taken from headers alone.
//
// Pure. Cost: 100 ns a header.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/u128.h"
#include "ledger/header.h"
#include "storage/keeping.h"

namespace meridian::door {

enum class RetentionNumber : std::uint8_t {};
constexpr std::uint8_t raw(RetentionNumber retention) {
  return static_cast<std::uint8_t>(retention);
}
/// Whose keys: a person's (its opaque id), or those of a retention class.
using ErasedOf = std::variant<u128, RetentionNumber>;

/// A record of its kind that had an effect.
struct ErasureRecord {
  ledger::CommandKind kind{};
  std::uint64_t record = 0;
  std::uint64_t entry = 0;
  std::uint64_t time_ns = 0;             ///< Since 1970.
  u128 subject = 0;                      ///< 0 of expire_class and turn_epoch.
  std::vector<std::uint8_t> classes{};   ///< Erased, expired or held.
  std::uint32_t version = 0;             ///< The key of erase_key; through which, of expire_class.
  std::uint32_t keys = 0;                ///< Destroyed; of forget_subject: kept.
  std::uint32_t epoch = 0;               ///< Destroyed; of turn_epoch: its number. 0: none.
  std::optional<storage::Day> wished{};  ///< Of forget_subject.
  u128 hold = 0;                         ///< That was placed or released.
  bool operator==(const ErasureRecord&) const = default;

  bool destroys() const {
    return kind == ledger::CommandKind::erase_subject || kind == ledger::CommandKind::erase_key ||
           kind == ledger::CommandKind::expire_class;
  }
};
/// Of erase_subject, erase_key, forget_subject, expire_class, place_hold, release_hold and
/// turn_epoch; none of others, and of those that change nothing on any replica.
std::optional<ErasureRecord> erasure_record_of(const ledger::Header& header);

/// Whether `turn` destroyed the key of the epoch that `erasure` names. Of several replicas both
/// stand in one entry; one that is alone destroys it before the record and has no record of that.
bool is_turn_of(const ErasureRecord& turn, const ErasureRecord& erasure);

/// Picks those about one person, or one class, out of all records, in their order.
class ErasureFinder {
 public:
  struct Found {
    ErasureRecord said;
    std::optional<std::uint64_t> turn{};  ///< The record by which the epoch's key was destroyed.
  };
  /// Of a person: expiries of all classes besides, since whom they concern no record says, and its
  /// holds.
  explicit ErasureFinder(ErasedOf of) : of_(of) {}

  void add(const ledger::Header& header);
  /// The next record may still be the turn of what was found.
  bool is_open() const { return !open_.empty(); }
  std::uint64_t entry() const { return entry_; }  ///< Of the header that was added last.
  const std::vector<Found>& found() const { return found_; }

 private:
  bool is_wanted(const ErasureRecord& one) const;

  ErasedOf of_;
  std::vector<Found> found_;
  std::vector<std::size_t> open_;  ///< Of `found_`, in the entry that was added last.
  std::uint64_t entry_ = 0;
};

/// Which expiries say of a person that its keys are gone: of each class those through the latest
/// period, the first of equal ones. Not while the person was held, nor where a key is left, nor of
/// what came after it was forgotten wholly.
class ExpiryChoice {
 public:
  /// In the order of records, holds too. `is_clear`: no key of the class up to that period is left.
  void add(const ErasureRecord& one, bool is_clear);
  /// Ascending.
  std::vector<std::uint64_t> records() const;

 private:
  struct Expiry {
    std::uint64_t record;
    std::uint32_t through;
  };
  std::map<std::uint8_t, Expiry> chosen_;
  std::map<u128, std::vector<std::uint8_t>> holds_;
  bool is_forgotten_ = false;
};

}  // namespace meridian::door
