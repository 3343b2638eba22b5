// What is kept for how long, and what is held (docs/formats/keys.md, docs/decisions/0028).
//
// A retention class that is defined seals under a key for each year, or each month: the version of
// the key names the period, so that keys go when their time has come and nothing else with them.
// Of a class that lives in a jurisdiction it also names the key of that: how often it was turned
// over before (docs/decisions/0039).
// Pure: whoever asks brings the date.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bits.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/u128.h"
#include "io/clock.h"
#include "storage/residency.h"

namespace meridian::storage {

enum class Day : std::int32_t {};  ///< Days since 1970-01-01, UTC.
constexpr std::int32_t raw(Day day) { return static_cast<std::int32_t>(day); }
constexpr auto operator<=>(Day a, Day b) { return raw(a) <=> raw(b); }
Day day_of(io::WallTime time);
std::string to_text(Day day);  ///< "2033-12-31"

/// A length of time as laws name it: months by the calendar, then days.
struct Span {
  std::uint16_t months = 0, days = 0;
  bool operator==(const Span&) const = default;
  bool is_zero() const { return months == 0 && days == 0; }
};
Day operator+(Day day, Span span);
std::string to_text(Span span);  ///< "10y", "18m", "30d", "1m2d"; "0d" if zero.
/// Errors: invalid_argument.
Result<Span> parse_span(std::string_view text);

inline constexpr std::size_t class_name_size = 24;
inline constexpr std::size_t class_basis_size = 44;
inline constexpr std::size_t hold_reference_size = 32;

/// What stands before the zeros of a field; and back. Asserts that it fits.
template <std::size_t size>
std::string_view text_of(const std::array<char, size>& field) {
  const std::string_view all(field.data(), field.size());
  return all.substr(0, all.find('\0'));
}
template <std::size_t size>
std::array<char, size> text_field(std::string_view text) {
  std::array<char, size> field{};
  text.copy(field.data(), size);
  return field;
}

struct RetentionClass {
  std::uint8_t retention = 0;
  bool is_by_month = false;
  std::uint8_t residency = 0;  ///< The jurisdiction in which it may be read; 0: anywhere.
  /// From the end of a key's period; no key goes before, but for erasing errors. Zero: nothing must
  /// be kept, and a key goes when its person is forgotten.
  Span keep{};
  Span erase{};   ///< From its beginning; zero: there is no latest.
  Day defined{};  ///< When the class got its first definition: older keys count as of that day.
  std::array<char, class_name_size> name{};
  std::array<char, class_basis_size> basis{};  ///< The law that says so.
  bool operator==(const RetentionClass&) const = default;
};
/// Errors: invalid_argument if a key could not be kept as long as it must without being kept longer
/// than it may, or a text is empty or not printable ASCII.
Status check_class(const RetentionClass& retention);

/// Nothing that it covers is erased until it is released.
struct Hold {
  u128 id = 0;
  u128 subject = 0;
  std::array<Byte, 32> classes{};  ///< Bit n: class n.
  std::array<char, hold_reference_size> reference{};
  bool covers(std::uint8_t retention) const { return has_bit(classes, retention); }
  bool operator==(const Hold&) const = default;
};

/// Of keys of a class without a definition.
inline constexpr std::uint32_t undated_version = 1;
/// 13 * year + month; month 0: the whole year.
std::uint32_t period_version(bool is_by_month, Day day);

/// The upper bits of a version: the turn of the jurisdiction's key; 0 where there is none.
inline constexpr unsigned turn_shift = 20;
constexpr std::uint32_t turn_of(std::uint32_t version) { return version >> turn_shift; }
constexpr std::uint32_t without_turn(std::uint32_t version) {
  return version & ((1U << turn_shift) - 1);
}
constexpr std::uint32_t with_turn(std::uint32_t version, std::uint32_t turn) {
  return version | turn << turn_shift;
}
static_assert(residency_turns_max < 1U << (32 - turn_shift) && 13U * 9999 + 12 < 1U << turn_shift);

// Functions of a version take the period out of it, whatever its turn.

constexpr bool is_dated(std::uint32_t version) { return without_turn(version) >= 13 * 1970; }
/// `end` is the first day after it. An undated one is over on the day of the definition.
struct Period {
  Day begin, end;
};
Period period_of(std::uint32_t version, const RetentionClass& retention);
/// "2026", "2026-11", "undated"; of a later turn "2026, turn 1"
std::string period_text(std::uint32_t version);
/// The first day on which a key may go, and the first on which it must.
Day kept_until(std::uint32_t version, const RetentionClass& retention);
std::optional<Day> due_on(std::uint32_t version, const RetentionClass& retention);

/// What stands beside the keys of a cell: definitions, how far classes are expired, holds.
class Keeping {
 public:
  /// True if that changed anything. A later definition keeps the day of the first, and whether
  /// keys are by month: an older key's period would not mean what it was checked for. It keeps the
  /// jurisdiction, too; one is taken only where it is known and the class has no key yet.
  bool define(RetentionClass retention, bool has_keys = false);
  Residency& residency() { return residency_; }
  const Residency& residency() const { return residency_; }
  /// The one that class `retention` lives in; null: anywhere.
  const Jurisdiction* home_of(std::uint8_t retention) const;
  bool expire(std::uint8_t retention, std::uint32_t through);
  bool place(const Hold& hold);
  bool release(u128 subject, u128 id);

  const RetentionClass* find(std::uint8_t retention) const;
  const std::map<std::uint8_t, RetentionClass>& classes() const { return classes_; }
  const std::map<std::uint8_t, std::uint32_t>& expired() const { return expired_; }
  std::vector<Hold> holds() const;  ///< Of all subjects, by subject and id.
  const std::vector<Hold>& holds(u128 subject) const;
  /// Null if none covers it.
  const Hold* hold_on(u128 subject, std::uint8_t retention) const;

  /// The version to seal under.
  std::uint32_t version_now(std::uint8_t retention, Day today) const;
  /// The turn that a key of the class which is made now belongs to.
  std::uint32_t turn_now(std::uint8_t retention) const;
  /// Whether expiring the class through `through` takes a key of `version`.
  bool is_through(std::uint8_t retention, std::uint32_t version, std::uint32_t through) const;
  /// Whether it is expired already.
  bool is_expired(std::uint8_t retention, std::uint32_t version) const;
  /// The last version of a class that must be gone on `today`; none if nothing must.
  std::optional<std::uint32_t> due_through(std::uint8_t retention, Day today) const;
  void clear() { *this = {}; }

 private:
  std::map<std::uint8_t, RetentionClass> classes_;
  std::map<std::uint8_t, std::uint32_t> expired_;
  absl::flat_hash_map<u128, std::vector<Hold>, U128Hash> holds_;
  Residency residency_;
};

/// Of one key, when its person is to be forgotten.
struct KeyName {
  std::uint8_t retention = 0;
  std::uint32_t version = 0;
  auto operator<=>(const KeyName&) const = default;
};
struct KeptKey {
  KeyName key;
  std::optional<Day> until;  ///< Unless a class without definition is held.
  u128 hold = 0;             ///< 0: none.
  bool operator==(const KeptKey&) const = default;
};
struct ForgetPlan {
  std::vector<KeyName> now;  ///< May go.
  std::vector<KeptKey> kept;
};

/// What is known of one person.
struct SubjectState {
  bool is_forgotten = false;
  std::optional<Day> wish{};    ///< Since when it is to be forgotten.
  std::vector<KeyName> keys{};  ///< Those that seal.
  std::vector<Hold> holds{};
};

/// What is to be destroyed on a day: of persons whose wish waited, and of classes.
struct DueKeys {
  std::vector<u128> subjects;
  struct Expired {
    std::uint8_t retention;
    std::uint32_t through;
    std::uint32_t keys;  ///< How many go.
  };
  std::vector<Expired> classes;
  bool is_empty() const { return subjects.empty() && classes.empty(); }
};

}  // namespace meridian::storage
