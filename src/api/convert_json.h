// Between the JSON of the HTTP interface and ledger values: readable, exact, strict.
//
// Integers as proto3 maps them: 64 and 128 bits are decimal strings (numbers are accepted too), 32
// bits and less are numbers. Opaque ids are 32 hexadecimal digits. Flags are names.
// An event's data is kept byte for byte as it was written. Unknown members are refused, so that a
// misspelt field never silently means nothing. Grammar with examples: docs/api.md. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "api/convert.h"
#include "base/bytes.h"
#include "base/result.h"
#include "cell/local_cell.h"
#include "ledger/command.h"
#include "replica/replica.h"

namespace meridian::api {

inline constexpr std::size_t json_depth_max = 64;

nlohmann::ordered_json account_json(const ledger::Account& account);
nlohmann::ordered_json transfer_json(const ledger::Transfer& transfer);
nlohmann::ordered_json balance_json(const ledger::AccountBalance& balance);
/// One object as text, since `data` stands in it as it was written.
std::string event_json_text(const cell::ReadEvent& event);
nlohmann::ordered_json answer_json(const replica::Answer& answer,
                                   const std::vector<ledger::CommandKind>& kinds);
nlohmann::ordered_json result_json(const ledger::Header& header);
/// {"error":{"code","message"}}
std::string error_json_text(const Error& error);
/// The same error with the address of the leader beside it.
std::string error_json_text(const Error& error, const std::string& leader);

// Bodies of requests. Errors: invalid_argument naming the member, or where the text is no JSON.

/// {"accounts":[...]} and {"transfers":[...]} as packed commands.
Result<Buffer> parse_accounts_json(std::string_view body);
Result<Buffer> parse_transfers_json(std::string_view body);
/// {"events":[...]}
Result<Drafts> parse_events_json(std::string_view body);
/// {"event_id", "stream", "expected", "revision"}
Result<Drafts> parse_deletion_json(std::string_view body);
/// {"transactions":[{"commands":[{"create_transfer":{...}}, ...]}]}
Result<Drafts> parse_transactions_json(std::string_view body);
/// {"ids":[...]}
Result<std::vector<u128>> parse_ids_json(std::string_view body);
/// {"subject":"..."}
Result<std::string> parse_subject_json(std::string_view body);
/// {"subject":"...", "position":"0"} or {"retention":3, "position":"0"}
Result<cell::ErasuresQuery> parse_erasures_json(std::string_view body);

}  // namespace meridian::api
