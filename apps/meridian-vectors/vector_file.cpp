#include "vector_file.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace meridian::vectors {
namespace {

using Json = nlohmann::json;
using ledger::CommandKind;

using Keys = std::vector<std::string_view>;

/// An object of the file with the place where it stands, for messages.
class Node {
 public:
  Node(const Json& json, std::string place) : json_(&json), place_(std::move(place)) {}

  Error wrong(const std::string& why) const {
    return fail(Code::invalid_argument, place_ + ": " + why);
  }
  Status must_be_object() const {
    if (!json_->is_object()) return wrong("must be an object");
    return {};
  }
  /// Null if the key is missing or its value is null.
  const Json* find(const char* key) const {
    auto found = json_->find(key);
    return found == json_->end() || found->is_null() ? nullptr : &*found;
  }
  bool has(const char* key) const { return json_->contains(key); }
  /// A field that is not read would pass unchecked. Remarks may stand anywhere.
  Status only(std::initializer_list<Keys> known) const {
    for (const auto& item : json_->items()) {
      const std::string& key = item.key();
      bool found = key == "do" || key == "line" || key == "note" || key == "comment";
      for (const Keys& keys : known) found = found || std::ranges::find(keys, key) != keys.end();
      if (!found) return wrong("there is no field '" + key + "' here");
    }
    return {};
  }

  Result<Node> object(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr || !value->is_object())
      return wrong(std::string("needs the object '") + key + "'");
    return Node(*value, place_ + "." + key);
  }
  Result<std::vector<Node>> array(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr || !value->is_array())
      return wrong(std::string("needs the array '") + key + "'");
    std::vector<Node> out;
    for (std::size_t i = 0; i < value->size(); ++i)
      out.emplace_back((*value)[i],
                       place_ + (place_.empty() ? "" : " ") + key + "[" + std::to_string(i) + "]");
    for (const Node& node : out) TRY(node.must_be_object());
    return out;
  }
  Result<std::string> text(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr || !value->is_string())
      return wrong(std::string("needs the string '") + key + "'");
    return value->get<std::string>();
  }
  Result<bool> flag(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) return wrong(std::string("'") + key + "' must be true or false");
    return value->get<bool>();
  }
  Result<std::optional<u128>> optional_number(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::optional<u128>{};
    if (value->is_number_unsigned()) return std::optional<u128>{value->get<std::uint64_t>()};
    if (!value->is_string())
      return wrong(std::string("'") + key + "' must be a decimal number in a string");
    Result<u128> number = parse_decimal(value->get_ref<const std::string&>());
    if (!number.has_value()) return wrong(std::string("'") + key + "': " + number.error().message);
    return std::optional<u128>{*number};
  }
  /// Zero if absent.
  template <typename Integer>
  Status number(const char* key, Integer& out) const {
    u128 value = TRY(optional_number(key)).value_or(0);
    out = static_cast<Integer>(value);
    if (u128{out} != value)
      return wrong(std::string("'") + key + "' is " + to_decimal(value) + ": it does not fit " +
                   std::to_string(sizeof(Integer) * 8) + " bits");
    return {};
  }
  /// `ours`: a name of the top bit; empty: none.
  Result<std::uint16_t> flags(std::span<const std::string_view> names,
                              std::string_view ours = {}) const {
    std::uint16_t bits = 0;
    const Json* value = find("flags");
    if (value == nullptr) return bits;
    if (!value->is_array()) return wrong("'flags' must be an array of names");
    for (const Json& name : *value) {
      if (!name.is_string()) return wrong("'flags' must be an array of names");
      if (!ours.empty() && name.get_ref<const std::string&>() == ours) {
        bits |= 1u << 15;
        continue;
      }
      std::size_t bit = 0;
      while (bit < names.size() && names[bit] != name.get_ref<const std::string&>()) ++bit;
      if (bit == names.size()) return wrong("there is no flag " + name.dump());
      bits = static_cast<std::uint16_t>(bits | 1u << bit);
    }
    // `padding` holds the bits above the named ones.
    std::uint32_t padding = 0;
    TRY(number("padding", padding));
    std::uint32_t whole = bits | padding << names.size();
    if (padding > 0xFFFF || whole > 0xFFFF) return wrong("'padding' does not fit the flags");
    return static_cast<std::uint16_t>(whole);
  }

 private:
  const Json* json_;
  std::string place_;
};

constexpr std::array<std::string_view, 6> account_flag_names = {"linked",
                                                                "debits_must_not_exceed_credits",
                                                                "credits_must_not_exceed_debits",
                                                                "history",
                                                                "imported",
                                                                "closed"};
constexpr std::array<std::string_view, 9> transfer_flag_names = {
    "linked",          "pending",          "post_pending_transfer", "void_pending_transfer",
    "balancing_debit", "balancing_credit", "closing_debit",         "closing_credit",
    "imported"};

const Keys balance_keys = {"debits_pending", "debits_posted", "credits_pending", "credits_posted"};
const Keys user_data_keys = {"user_data_128", "user_data_64", "user_data_32", "code"};
const Keys command_keys = {"id", "ledger", "flags", "padding", "timestamp"};

bool has_balances(const Node& node) {
  return std::ranges::any_of(balance_keys, [&](auto key) { return node.has(key.data()); });
}

Result<ledger::Balances> read_balances(const Node& node) {
  ledger::Balances out;
  TRY(node.number("debits_pending", out.debits_pending));
  TRY(node.number("debits_posted", out.debits_posted));
  TRY(node.number("credits_pending", out.credits_pending));
  TRY(node.number("credits_posted", out.credits_posted));
  return out;
}

template <typename Object>
Status read_user_data(const Node& node, Object& out) {
  TRY(node.number("user_data_128", out.user_data_128));
  TRY(node.number("user_data_64", out.user_data_64));
  TRY(node.number("user_data_32", out.user_data_32));
  TRY(node.number("code", out.code));
  return {};
}

Result<ledger::Account> read_account(const Node& node) {
  TRY(node.only({command_keys, user_data_keys, balance_keys, {"reserved"}}));
  ledger::Account out{};
  ledger::Balances balances = TRY(read_balances(node));
  out.debits_pending = balances.debits_pending;
  out.debits_posted = balances.debits_posted;
  out.credits_pending = balances.credits_pending;
  out.credits_posted = balances.credits_posted;
  TRY(node.number("id", out.id));
  TRY(read_user_data(node, out));
  TRY(node.number("reserved", out.reserved));
  TRY(node.number("ledger", out.ledger));
  TRY(node.number("timestamp", out.timestamp));
  out.flags = TRY(node.flags(account_flag_names, "requires_signature"));
  return out;
}

Result<ledger::Transfer> read_transfer(const Node& node) {
  TRY(node.only({command_keys,
                 user_data_keys,
                 {"debit_account_id", "credit_account_id", "amount", "pending_id", "timeout"}}));
  ledger::Transfer out{};
  TRY(node.number("id", out.id));
  TRY(node.number("debit_account_id", out.debit_account_id));
  TRY(node.number("credit_account_id", out.credit_account_id));
  TRY(node.number("amount", out.amount));
  TRY(node.number("pending_id", out.pending_id));
  TRY(read_user_data(node, out));
  TRY(node.number("timeout", out.timeout));
  TRY(node.number("ledger", out.ledger));
  TRY(node.number("timestamp", out.timestamp));
  out.flags = TRY(node.flags(transfer_flag_names));
  return out;
}

Result<Step> read_create(const Node& node, CommandKind kind) {
  CreateStep step;
  step.is_signed = TRY(node.flag("signed"));
  std::vector<Node> rows = TRY(node.array("rows"));
  for (const Node& row : rows) {
    CreateRow out{.kind = kind, .account = {}, .transfer = {}, .expected = {}};
    TRY(row.only({{"event", "expect"}}));
    Node event = TRY(row.object("event"));
    if (kind == CommandKind::create_account)
      out.account = TRY(read_account(event));
    else
      out.transfer = TRY(read_transfer(event));
    out.expected = TRY(row.text("expect"));
    if (!ledger::outcome_from_name(kind, out.expected).has_value())
      return row.wrong("there is no status '" + out.expected + "'");
    step.rows.push_back(std::move(out));
  }
  return Step{std::move(step)};
}

Result<Step> read_lookup_accounts(const Node& node) {
  LookupAccountsStep step;
  std::vector<Node> rows = TRY(node.array("rows"));
  for (const Node& row : rows) {
    TRY(row.only({{"id", "expect"}}));
    LookupAccountRow out;
    TRY(row.number("id", out.id));
    if (!row.has("expect")) return row.wrong("needs 'expect' (null: it must not exist)");
    if (row.find("expect") != nullptr) {
      Node expect = TRY(row.object("expect"));
      TRY(expect.only({balance_keys, {"closed"}}));
      LookupAccountRow::Expected expected;
      if (has_balances(expect)) expected.balances = TRY(read_balances(expect));
      if (expect.has("closed")) expected.closed = TRY(expect.flag("closed"));
      out.expected = expected;
    }
    step.rows.push_back(out);
  }
  return Step{std::move(step)};
}

Result<Step> read_lookup_transfers(const Node& node) {
  LookupTransfersStep step;
  std::vector<Node> rows = TRY(node.array("rows"));
  for (const Node& row : rows) {
    TRY(row.only({{"id", "expect"}}));
    LookupTransferRow out;
    TRY(row.number("id", out.id));
    if (!row.has("expect")) return row.wrong("needs 'expect'");
    if (row.find("expect") == nullptr) {
      out.exists = false;
    } else {
      Node expect = TRY(row.object("expect"));
      TRY(expect.only({{"exists", "amount", "timestamp"}}));
      if (expect.has("exists")) out.exists = TRY(expect.flag("exists"));
      out.amount = TRY(expect.optional_number("amount"));
      if (auto timestamp = TRY(expect.optional_number("timestamp")); timestamp.has_value())
        out.timestamp = static_cast<std::uint64_t>(*timestamp);
    }
    step.rows.push_back(out);
  }
  return Step{std::move(step)};
}

const Keys time_keys = {
    "timestamp_min", "timestamp_min_of", "timestamp_min_of_transfer", "timestamp_min_of_account",
    "timestamp_max", "timestamp_max_of", "timestamp_max_of_transfer", "timestamp_max_of_account"};

Result<Query> read_filter(const Node& row, QueryKind kind) {
  Query query;
  query.kind = kind;
  TRY(row.only({{"filter"}}));
  Node filter = TRY(row.object("filter"));
  bool by_account = kind == QueryKind::account_transfers || kind == QueryKind::account_balances;
  TRY(filter.only({time_keys, kind == QueryKind::change_events ? Keys{} : user_data_keys,
                   kind == QueryKind::change_events ? Keys{"limit"}
                   : by_account ? Keys{"limit", "reversed", "account_id", "debits", "credits"}
                                : Keys{"limit", "reversed", "ledger"}}));
  TRY(filter.number("limit", query.limit));
  bool reversed = TRY(filter.flag("reversed"));
  if (by_account) {
    TRY(filter.number("account_id", query.account.account_id));
    TRY(read_user_data(filter, query.account));
    bool debits = TRY(filter.flag("debits"));
    bool credits = TRY(filter.flag("credits"));
    query.account.flags = (debits ? ledger::account_filter_flags::debits : 0u) |
                          (credits ? ledger::account_filter_flags::credits : 0u) |
                          (reversed ? ledger::account_filter_flags::reversed : 0u);
  } else if (kind != QueryKind::change_events) {
    TRY(read_user_data(filter, query.filter));
    TRY(filter.number("ledger", query.filter.ledger));
    query.filter.flags = reversed ? ledger::query_filter_flags::reversed : 0u;
  }
  TRY(filter.number("timestamp_min", query.filter.timestamp_min));
  TRY(filter.number("timestamp_max", query.filter.timestamp_max));
  for (const char* suffix : {"of", "of_transfer", "of_account"}) {
    std::string min = std::string("timestamp_min_") + suffix;
    std::string max = std::string("timestamp_max_") + suffix;
    if (filter.find(min.c_str()) != nullptr)
      query.timestamp_min_of = TRY(filter.optional_number(min.c_str()));
    if (filter.find(max.c_str()) != nullptr)
      query.timestamp_max_of = TRY(filter.optional_number(max.c_str()));
  }
  return query;
}

Result<Query::Side> read_side(const Node& row, const char* key) {
  Node node = TRY(row.object(key));
  TRY(node.only({balance_keys, {"account_id", "closed"}}));
  Query::Side side;
  TRY(node.number("account_id", side.account_id));
  side.balances = TRY(read_balances(node));
  side.closed = TRY(node.flag("closed"));
  return side;
}

Result<Query::Expected> read_result(const Node& row, QueryKind kind) {
  Query::Expected out;
  if (kind == QueryKind::change_events) {
    TRY(row.only(
        {{"type", "transfer_id", "amount", "pending_id", "debit_account", "credit_account"}}));
    out.type = TRY(row.text("type"));
    TRY(row.number("transfer_id", out.id));
    TRY(row.number("amount", out.amount));
    out.pending_id = TRY(row.optional_number("pending_id"));
    out.debit = TRY(read_side(row, "debit_account"));
    out.credit = TRY(read_side(row, "credit_account"));
    return out;
  }
  bool of_balances = kind == QueryKind::account_balances;
  bool shows_balances = of_balances || kind == QueryKind::accounts;
  TRY(row.only({of_balances ? Keys{"transfer_id"} : Keys{"id"},
                shows_balances ? balance_keys : Keys{},
                shows_balances ? Keys{"closed", "data", "expect"} : Keys{}}));
  TRY(row.number(of_balances ? "transfer_id" : "id", out.id));
  auto read_state = [&](const Node& node) -> Status {
    if (has_balances(node)) out.balances = TRY(read_balances(node));
    if (node.has("closed")) out.closed = TRY(node.flag("closed"));
    return {};
  };
  TRY(read_state(row));
  for (const char* key : {"data", "expect"})
    if (row.find(key) != nullptr) {
      Node inner = TRY(row.object(key));
      TRY(inner.only({balance_keys, {"closed"}}));
      TRY(read_state(inner));
    }
  return out;
}

Result<Step> read_query(const Node& node, QueryKind kind, const std::string& name) {
  QueryStep step;
  std::vector<Node> rows = TRY(node.array("rows"));
  for (const Node& row : rows) {
    std::string what = TRY(row.text("do"));
    if (what == name) {
      Query query = TRY(read_filter(row, kind));
      step.queries.push_back(std::move(query));
    } else if (what == name + "_result" && !step.queries.empty()) {
      Query::Expected expected = TRY(read_result(row, kind));
      step.queries.back().expected.push_back(std::move(expected));
    } else {
      return row.wrong("'do' must be " + name + " first, then " + name + "_result");
    }
  }
  return Step{std::move(step)};
}

Result<Step> read_step(const Node& node) {
  std::string what = TRY(node.text("do"));
  if (what == "set_balance")
    TRY(node.only({balance_keys, {"id"}}));
  else if (what == "advance_time")
    TRY(node.only({{"ns"}}));
  else if (what == "set_time_near_max")
    TRY(node.only({{"ns_before_max"}}));
  else
    TRY(node.only({{"rows"}, what.starts_with("create_") ? Keys{"signed"} : Keys{}}));
  if (what == "create_accounts") return read_create(node, CommandKind::create_account);
  if (what == "create_transfers") return read_create(node, CommandKind::create_transfer);
  if (what == "lookup_accounts") return read_lookup_accounts(node);
  if (what == "lookup_transfers") return read_lookup_transfers(node);
  if (what == "get_account_transfers") return read_query(node, QueryKind::account_transfers, what);
  if (what == "get_account_balances") return read_query(node, QueryKind::account_balances, what);
  if (what == "query_accounts") return read_query(node, QueryKind::accounts, what);
  if (what == "query_transfers") return read_query(node, QueryKind::transfers, what);
  if (what == "get_change_events") return read_query(node, QueryKind::change_events, what);
  if (what == "set_balance") {
    SetBalanceStep step;
    TRY(node.number("id", step.id));
    step.balances = TRY(read_balances(node));
    return Step{step};
  }
  if (what == "advance_time") {
    AdvanceTimeStep step;
    TRY(node.number("ns", step.nanoseconds));
    return Step{step};
  }
  if (what == "set_time_near_max") {
    SetTimeNearMaxStep step;
    TRY(node.number("ns_before_max", step.nanoseconds_before_max));
    return Step{step};
  }
  return node.wrong("there is no step '" + what + "'");
}

}  // namespace

Result<std::vector<Case>> parse_vectors(std::string_view text) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {
    return fail(Code::invalid_argument, std::string("not JSON: ") + error.what());
  }
  Node root(json, "");
  if (!json.is_object() || root.find("cases") == nullptr)
    return fail(Code::invalid_argument, "the file must be an object with the array 'cases'");
  std::vector<Case> out;
  std::vector<Node> cases = TRY(root.array("cases"));
  for (const Node& node : cases) {
    Case one;
    one.name = TRY(node.text("name"));
    std::vector<Node> steps = TRY(node.array("steps"));
    for (const Node& step : steps) {
      Result<Step> read = read_step(step);
      if (!read.has_value()) {
        one.unreadable = read.error().message;
        break;
      }
      one.steps.push_back(std::move(*read));
    }
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace meridian::vectors
