// Accounts, transfers, outcomes and the state of the cell by GET; look-ups of many by POST.
#include <fmt/format.h>

#include <utility>

#include "api/convert_json.h"
#include "api/internal/http_routes.h"
#include "api/scope_checks.h"
#include "ledger/describe.h"

namespace meridian::api::internal {
namespace {

using Call = HttpApi::CallRef;
using mesh::Action;
using Json = nlohmann::ordered_json;

/// Replies {"<name>":[...]}, written on the work executor.
template <typename Row, typename ToJson>
void reply_list(Backend& backend, const Call& call, std::string_view name, std::vector<Row> rows,
                ToJson to_json) {
  if constexpr (requires(const Row& row) { ledger_of(row); }) {
    if (Status may = check_rows(call->asker, rows); !may) return call->refuse(may.error());
  }
  backend.work.post([call, name, rows = std::move(rows), to_json] {
    Json list = Json::array();
    for (const Row& row : rows) list.push_back(to_json(row));
    call->reply_json(Json{{name, std::move(list)}}.dump());
  });
}

template <typename Row, typename ToJson>
std::function<void(Result<std::vector<Row>>)> answer_list(Backend& backend, const Call& call,
                                                          std::string_view name, ToJson to_json) {
  return [&backend, call, name, to_json](Result<std::vector<Row>> rows) {
    if (!rows) return call->refuse(rows.error());
    reply_list(backend, call, name, std::move(*rows), to_json);
  };
}

Json state_json(const ledger::AccountState& state) { return account_json(state.account); }

bool has_filter(QueryFields& fields) {
  bool any = false;
  for (std::string_view key : {"user_data_128", "user_data_64", "user_data_32", "ledger", "code",
                               "timestamp_min", "timestamp_max", "reversed"}) {
    any |= fields.has(key);
  }
  return any;
}

std::uint32_t limit_of(QueryFields& fields) {
  auto limit = static_cast<std::uint32_t>(fields.number("limit", ledger::query_limit_max));
  return limit == 0 ? 100 : limit;
}

ledger::QueryFilter query_filter(QueryFields& fields) {
  ledger::QueryFilter filter;
  filter.user_data_128 = fields.id("user_data_128");
  filter.user_data_64 = fields.number("user_data_64");
  filter.user_data_32 = static_cast<std::uint32_t>(fields.number("user_data_32", 0xffffffff));
  filter.ledger = static_cast<std::uint32_t>(fields.number("ledger", 0xffffffff));
  filter.code = static_cast<std::uint16_t>(fields.number("code", 0xffff));
  filter.timestamp_min = fields.number("timestamp_min");
  filter.timestamp_max = fields.number("timestamp_max");
  filter.limit = limit_of(fields);
  if (fields.flag("reversed")) filter.flags |= ledger::query_filter_flags::reversed;
  return filter;
}

Result<ledger::AccountFilter> account_filter(const HttpApi::Call& call) {
  QueryFields fields(call.target);
  ledger::AccountFilter filter;
  filter.account_id = TRY(parse_segment_id(call.arguments[0], "account id"));
  filter.user_data_128 = fields.id("user_data_128");
  filter.user_data_64 = fields.number("user_data_64");
  filter.user_data_32 = static_cast<std::uint32_t>(fields.number("user_data_32", 0xffffffff));
  filter.code = static_cast<std::uint16_t>(fields.number("code", 0xffff));
  filter.timestamp_min = fields.number("timestamp_min");
  filter.timestamp_max = fields.number("timestamp_max");
  filter.limit = limit_of(fields);
  const bool debits = fields.flag("debits");
  const bool credits = fields.flag("credits");
  if (debits || !credits) filter.flags |= ledger::account_filter_flags::debits;
  if (credits || !debits) filter.flags |= ledger::account_filter_flags::credits;
  if (fields.flag("reversed")) filter.flags |= ledger::account_filter_flags::reversed;
  TRY(fields.finish());
  return filter;
}

void get_accounts(Backend& backend, const Call& call) {
  QueryFields fields(call->target);
  if (has_filter(fields)) {
    ledger::QueryFilter filter = query_filter(fields);
    if (Status status = fields.finish(); !status) return call->refuse(status.error());
    return backend.cell.query_accounts(
        filter, answer_list<ledger::Account>(backend, call, "accounts", account_json));
  }
  std::uint64_t first = fields.number("first");
  std::uint32_t limit = limit_of(fields);
  if (Status status = fields.finish(); !status) return call->refuse(status.error());
  backend.cell.list_accounts(first, limit,
                             [&backend, call](std::vector<ledger::AccountState> states) {
                               reply_list(backend, call, "accounts", std::move(states), state_json);
                             });
}

void get_account(Backend& backend, const Call& call) {
  Result<u128> id = parse_segment_id(call->arguments[0], "account id");
  if (!id) return call->refuse(id.error());
  backend.cell.lookup_accounts({*id}, [call](const std::vector<ledger::AccountState>& found) {
    if (found.empty())
      return call->refuse(fail(Code::not_found, "there is no account with this id"));
    if (Status may = check_rows(call->asker, found); !may) return call->refuse(may.error());
    call->reply_json(account_json(found[0].account).dump());
  });
}

void post_account_lookup(Backend& backend, const Call& call) {
  Result<std::vector<u128>> ids = parse_ids_json(call->request.body);
  if (!ids) return call->refuse(ids.error());
  backend.cell.lookup_accounts(
      std::move(*ids), [&backend, call](std::vector<ledger::AccountState> states) {
        reply_list(backend, call, "accounts", std::move(states), state_json);
      });
}

void get_account_transfers(Backend& backend, const Call& call) {
  Result<ledger::AccountFilter> filter = account_filter(*call);
  if (!filter) return call->refuse(filter.error());
  backend.cell.account_transfers(
      *filter, answer_list<ledger::Transfer>(backend, call, "transfers", transfer_json));
}

void get_account_balances(Backend& backend, const Call& call) {
  Result<ledger::AccountFilter> filter = account_filter(*call);
  if (!filter) return call->refuse(filter.error());
  check_account(backend, call->asker, filter->account_id,
                [&backend, call, filter = *filter](const Status& may) {
                  if (!may) return call->refuse(may.error());
                  backend.cell.account_balances(
                      filter,
                      answer_list<ledger::AccountBalance>(backend, call, "balances", balance_json));
                });
}

void get_transfers(Backend& backend, const Call& call) {
  QueryFields fields(call->target);
  ledger::QueryFilter filter = query_filter(fields);
  if (Status status = fields.finish(); !status) return call->refuse(status.error());
  backend.cell.query_transfers(
      filter, answer_list<ledger::Transfer>(backend, call, "transfers", transfer_json));
}

void get_transfer(Backend& backend, const Call& call) {
  Result<u128> id = parse_segment_id(call->arguments[0], "transfer id");
  if (!id) return call->refuse(id.error());
  backend.cell.lookup_transfers({*id}, [call](Result<std::vector<ledger::Transfer>> found) {
    if (!found) return call->refuse(found.error());
    if (found->empty()) {
      return call->refuse(fail(Code::not_found, "there is no transfer with this id"));
    }
    if (Status may = check_rows(call->asker, *found); !may) return call->refuse(may.error());
    call->reply_json(transfer_json((*found)[0]).dump());
  });
}

void post_transfer_lookup(Backend& backend, const Call& call) {
  Result<std::vector<u128>> ids = parse_ids_json(call->request.body);
  if (!ids) return call->refuse(ids.error());
  backend.cell.lookup_transfers(
      std::move(*ids), answer_list<ledger::Transfer>(backend, call, "transfers", transfer_json));
}

void get_outcome(Backend& backend, const Call& call) {
  QueryFields fields(call->target);
  const bool is_event = fields.has("event");
  const bool is_account = fields.has("account");
  const int given = static_cast<int>(fields.has("transfer")) + static_cast<int>(is_event) +
                    static_cast<int>(is_account);
  u128 id = fields.id(is_event ? "event" : is_account ? "account" : "transfer");
  if (Status status = fields.finish(); !status) return call->refuse(status.error());
  if (given != 1) {
    return call->refuse(fail(Code::invalid_argument,
                             "give exactly one of the parameters transfer, event, account"));
  }
  ledger::CommandKind kind = is_event     ? ledger::CommandKind::append_event
                             : is_account ? ledger::CommandKind::create_account
                                          : ledger::CommandKind::create_transfer;
  backend.cell.outcome(kind, id,
                       [call](Result<std::optional<cell::LocalCell::KnownOutcome>> outcome) {
                         if (!outcome) return call->refuse(outcome.error());
                         Json json = {{"known", outcome->has_value()}};
                         if (outcome->has_value()) json["result"] = result_json((*outcome)->header);
                         call->reply_json(json.dump());
                       });
}

}  // namespace

void add_read_routes(std::vector<HttpApi::Route>& routes) {
  routes.push_back({HttpMethod::get, "v1/status", Action::status_read, get_status});
  routes.push_back({HttpMethod::get, "v1/accounts", Action::accounts_read, get_accounts, true});
  routes.push_back(
      {HttpMethod::post, "v1/accounts/lookup", Action::accounts_read, post_account_lookup, true});
  routes.push_back({HttpMethod::get, "v1/accounts/*", Action::accounts_read, get_account, true});
  routes.push_back({HttpMethod::get, "v1/accounts/*/transfers", Action::accounts_read,
                    get_account_transfers, true});
  routes.push_back({HttpMethod::get, "v1/accounts/*/balances", Action::accounts_read,
                    get_account_balances, true});
  routes.push_back({HttpMethod::get, "v1/transfers", Action::accounts_read, get_transfers, true});
  routes.push_back(
      {HttpMethod::post, "v1/transfers/lookup", Action::accounts_read, post_transfer_lookup, true});
  routes.push_back({HttpMethod::get, "v1/transfers/*", Action::accounts_read, get_transfer, true});
  routes.push_back({HttpMethod::get, "v1/outcomes", Action::outcomes_read, get_outcome, true});
}

}  // namespace meridian::api::internal
