#include "api/internal/json_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "api/convert_json.h"
#include "api/internal/json_slices.h"
#include "crypto/base64.h"
#include "ledger/command.h"

namespace meridian::api::internal {
namespace {

constexpr std::array<FlagName, 7> account_flag_table{{
    {ledger::account_flags::linked, "linked"},
    {ledger::account_flags::debits_must_not_exceed_credits, "debits_must_not_exceed_credits"},
    {ledger::account_flags::credits_must_not_exceed_debits, "credits_must_not_exceed_debits"},
    {ledger::account_flags::history, "history"},
    {ledger::account_flags::imported, "imported"},
    {ledger::account_flags::closed, "closed"},
    {ledger::account_flags::requires_signature, "requires_signature"},
}};
constexpr std::array<FlagName, 9> transfer_flag_table{{
    {ledger::transfer_flags::linked, "linked"},
    {ledger::transfer_flags::pending, "pending"},
    {ledger::transfer_flags::post_pending_transfer, "post_pending_transfer"},
    {ledger::transfer_flags::void_pending_transfer, "void_pending_transfer"},
    {ledger::transfer_flags::balancing_debit, "balancing_debit"},
    {ledger::transfer_flags::balancing_credit, "balancing_credit"},
    {ledger::transfer_flags::closing_debit, "closing_debit"},
    {ledger::transfer_flags::closing_credit, "closing_credit"},
    {ledger::transfer_flags::imported, "imported"},
}};

const nlohmann::json no_members = nlohmann::json::object();

}  // namespace

constinit const std::span<const FlagName> account_flag_names = account_flag_table;
constinit const std::span<const FlagName> transfer_flag_names = transfer_flag_table;

JsonFields::JsonFields(const nlohmann::json& object, std::string path)
    : object_(object.is_object() ? object : no_members), path_(std::move(path)) {
  if (!object.is_object()) {
    status_ = fail(Code::invalid_argument,
                   fmt::format("{}: expected an object, got {}", path_.empty() ? "body" : path_,
                               object.type_name()));
  }
}

std::string JsonFields::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

void JsonFields::refuse(std::string_view key, std::string why) {
  if (status_) status_ = fail(Code::invalid_argument, fmt::format("{}: {}", path_of(key), why));
}

void JsonFields::refuse(const Error& error) {
  if (status_) status_ = error;
}

bool JsonFields::has_or_null(std::string_view key) {
  asked_.push_back(key);
  return object_.contains(key);
}

const nlohmann::json* JsonFields::find(std::string_view key) {
  asked_.push_back(key);
  auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

u128 JsonFields::id(std::string_view key) {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return 0;
  if (value->is_number_unsigned()) return value->get<std::uint64_t>();
  if (!value->is_string()) {
    refuse(key, "expected a decimal string, such as \"1001\" (numbers above 2^64-1 lose digits)");
    return 0;
  }
  Result<u128> parsed = parse_decimal(value->get_ref<const std::string&>());
  if (!parsed) {
    refuse(key, "not a decimal number from 0 to 2^128-1");
    return 0;
  }
  return *parsed;
}

std::uint64_t JsonFields::number(std::string_view key, std::uint64_t max) {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return 0;
  std::uint64_t number = 0;
  if (value->is_number_unsigned()) {
    number = value->get<std::uint64_t>();
  } else {
    Result<u128> parsed = value->is_string() ? parse_decimal(value->get_ref<const std::string&>())
                                             : Result<u128>(Code::invalid_argument, "");
    if (!parsed || high64(*parsed) != 0) {
      refuse(key, fmt::format("expected a whole number from 0 to {}", max));
      return 0;
    }
    number = low64(*parsed);
  }
  if (number > max) {
    refuse(key, fmt::format("{} is above {}", number, max));
    return 0;
  }
  return number;
}

std::string JsonFields::text(std::string_view key) {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return {};
  if (!value->is_string()) {
    refuse(key, fmt::format("expected a string, got {}", value->type_name()));
    return {};
  }
  return value->get<std::string>();
}

bool JsonFields::flag(std::string_view key) {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return false;
  if (!value->is_boolean()) {
    refuse(key, fmt::format("expected true or false, got {}", value->type_name()));
    return false;
  }
  return value->get<bool>();
}

Buffer JsonFields::base64(std::string_view key) {
  Result<Buffer> bytes = crypto::from_base64(text(key));
  if (bytes) return std::move(*bytes);
  refuse(key, "not base64 (RFC 4648, with padding)");
  return {};
}

std::uint16_t JsonFields::flags(std::string_view key, std::span<const FlagName> names) {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return 0;
  if (value->is_number_unsigned() && value->get<std::uint64_t>() <= 0xffff) {
    return value->get<std::uint16_t>();
  }
  std::uint16_t bits = 0;
  bool right = value->is_array();
  for (std::size_t i = 0; right && i < value->size(); ++i) {
    const nlohmann::json& element = (*value)[i];
    auto known = std::ranges::find_if(names, [&](const FlagName& flag) {
      return element.is_string() && element.get_ref<const std::string&>() == flag.name;
    });
    right = known != names.end();
    if (right) bits = static_cast<std::uint16_t>(bits | known->bit);
  }
  if (!right) {
    std::string list;
    for (const FlagName& flag : names) {
      fmt::format_to(std::back_inserter(list), "{}{}", list.empty() ? "" : ", ", flag.name);
    }
    refuse(key, fmt::format("expected a list of these names, or their bits: {}", list));
  }
  return bits;
}

Status JsonFields::finish() {
  for (auto member = object_.begin(); status_ && member != object_.end(); ++member) {
    if (std::ranges::find(asked_, member.key()) == asked_.end()) {
      std::string_view name = std::string_view(member.key()).substr(0, 64);
      refuse(name, "there is no such member here; see docs/api.md");
    }
  }
  return status_;
}

Result<nlohmann::json> parse_json(std::string_view body) {
  if (nesting(body) > json_depth_max) {
    return fail(Code::invalid_argument,
                fmt::format("body: nests deeper than {} levels", json_depth_max));
  }
  try {
    return nlohmann::json::parse(body);
  } catch (const nlohmann::json::parse_error& error) {
    return fail(Code::invalid_argument, fmt::format("body: no JSON at byte {}", error.byte));
  } catch (const nlohmann::json::out_of_range&) {  // the parser's other exception: 1e999
    return fail(Code::invalid_argument,
                "body: a number is beyond what a double holds; send it as a string");
  }
}

}  // namespace meridian::api::internal
