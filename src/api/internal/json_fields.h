// Reads the members of one JSON object into values, strictly: wrong types, wrong ranges and members
// that nobody asked for are errors that name the member.
//
// The first error is kept and the rest reads as zero, so that a conversion reads straight through
// and asks finish() once. Borrows the object.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace meridian::api::internal {

struct FlagName {
  std::uint16_t bit;
  std::string_view name;
};

class JsonFields {
 public:
  JsonFields(const nlohmann::json& object, std::string path);

  u128 id(std::string_view key);  ///< Decimal string or integer; also for amounts.
  std::uint64_t number(std::string_view key,
                       std::uint64_t max = std::numeric_limits<std::uint64_t>::max());
  template <typename Small>
  Small small(std::string_view key) {
    return static_cast<Small>(number(key, std::numeric_limits<Small>::max()));
  }
  std::string text(std::string_view key);
  bool flag(std::string_view key);
  Buffer base64(std::string_view key);
  /// Names in a list, or the bits as a number.
  std::uint16_t flags(std::string_view key, std::span<const FlagName> names);
  /// The member, or null if it is not there.
  const nlohmann::json* find(std::string_view key);
  bool has(std::string_view key) { return find(key) != nullptr; }
  /// Also if its value is null, which is one of the values that JSON has.
  bool has_or_null(std::string_view key);
  void refuse(std::string_view key, std::string why);
  /// The error of a value within this object: its message has the whole path already.
  void refuse(const Error& error);
  std::string path_of(std::string_view key) const;

  /// The first error, or one that names a member nobody asked for.
  Status finish();

 private:
  const nlohmann::json& object_;
  std::string path_;
  std::vector<std::string_view> asked_;
  Status status_;
};

/// The flags of accounts and transfers by name.
extern const std::span<const FlagName> account_flag_names;
extern const std::span<const FlagName> transfer_flag_names;

/// Errors: invalid_argument saying where `body` stops being JSON, or that it nests too deeply.
Result<nlohmann::json> parse_json(std::string_view body);

}  // namespace meridian::api::internal
