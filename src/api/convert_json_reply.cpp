// Outwards: values as readable JSON.
#include <fmt/format.h>

#include <variant>

#include "api/convert_json.h"
#include "api/internal/json_fields.h"
#include "base/assert.h"
#include "crypto/base64.h"
#include "ledger/describe.h"
#include "ledger/outcome.h"

namespace meridian::api {
namespace {

using Json = nlohmann::ordered_json;

Json flags_json(std::uint16_t flags, std::span<const internal::FlagName> names) {
  Json list = Json::array();
  for (const internal::FlagName& flag : names) {
    if ((flags & flag.bit) != 0) list.push_back(flag.name);
  }
  return list;
}

/// Adds `key`, as the JSON it is or else in base64 under `<key>_base64`.
void append_content(std::string& out, std::string_view key, const Buffer& content, bool is_json) {
  std::string_view text = as_text(content);
  if (is_json && nlohmann::json::accept(text)) {
    fmt::format_to(std::back_inserter(out), ",\"{}\":{}", key, text);
  } else {
    fmt::format_to(std::back_inserter(out), ",\"{}_base64\":\"{}\"", key,
                   crypto::to_base64(content));
  }
}

/// For text from outside: what is not UTF-8 is replaced, never thrown at.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Json account_json(const ledger::Account& account) {
  return {{"id", to_decimal(account.id)},
          {"debits_pending", to_decimal(account.debits_pending)},
          {"debits_posted", to_decimal(account.debits_posted)},
          {"credits_pending", to_decimal(account.credits_pending)},
          {"credits_posted", to_decimal(account.credits_posted)},
          {"user_data_128", to_decimal(account.user_data_128)},
          {"user_data_64", std::to_string(account.user_data_64)},
          {"user_data_32", account.user_data_32},
          {"ledger", account.ledger},
          {"code", account.code},
          {"flags", flags_json(account.flags, internal::account_flag_names)},
          {"timestamp", std::to_string(account.timestamp)}};
}

Json transfer_json(const ledger::Transfer& transfer) {
  return {{"id", to_decimal(transfer.id)},
          {"debit_account_id", to_decimal(transfer.debit_account_id)},
          {"credit_account_id", to_decimal(transfer.credit_account_id)},
          {"amount", to_decimal(transfer.amount)},
          {"pending_id", to_decimal(transfer.pending_id)},
          {"user_data_128", to_decimal(transfer.user_data_128)},
          {"user_data_64", std::to_string(transfer.user_data_64)},
          {"user_data_32", transfer.user_data_32},
          {"timeout", transfer.timeout},
          {"ledger", transfer.ledger},
          {"code", transfer.code},
          {"flags", flags_json(transfer.flags, internal::transfer_flag_names)},
          {"timestamp", std::to_string(transfer.timestamp)}};
}

Json balance_json(const ledger::AccountBalance& balance) {
  return {{"timestamp", std::to_string(balance.timestamp)},
          {"debits_pending", to_decimal(balance.balances.debits_pending)},
          {"debits_posted", to_decimal(balance.balances.debits_posted)},
          {"credits_pending", to_decimal(balance.balances.credits_pending)},
          {"credits_posted", to_decimal(balance.balances.credits_posted)}};
}

std::string event_json_text(const cell::ReadEvent& event) {
  const door::OpenedEvent& opened = event.event;
  Json json = {{"record_index", std::to_string(raw(event.header.record_index))},
               {"time", std::to_string(event.header.time)}};
  if (const auto* body = std::get_if<ledger::EventBody>(&event.header.body)) {
    json["revision"] = std::to_string(body->revision);
    json["event_id"] = to_decimal(body->event_id);
    json["stream_id"] = ledger::opaque_hex(body->stream);
  }
  if (opened.forgotten) json["forgotten"] = true;
  if (opened.parts_forgotten != 0) json["parts_forgotten"] = opened.parts_forgotten;
  if (opened.withheld) json["withheld"] = true;
  if (opened.parts_withheld != 0) json["parts_withheld"] = opened.parts_withheld;
  Json more = Json::array();
  for (std::size_t i = 1; i < opened.compartments.size(); ++i) {  // 0 is the envelope
    const door::OpenedCompartment& from = opened.compartments[i];
    Json compartment = {{"retention", from.retention}};
    if (from.forgotten) {
      compartment["forgotten"] = true;
    } else if (from.withheld) {
      compartment["withheld"] = true;
    } else {
      compartment["content_base64"] = crypto::to_base64(from.content);
    }
    more.push_back(std::move(compartment));
  }
  if (!more.empty()) json["more"] = std::move(more);
  if (opened.forgotten || opened.withheld) return dump(json);
  json["stream"] = opened.stream;
  json["type"] = opened.type;
  json["content_type"] = opened.content_type;
  if (opened.signature) {
    json["signature_salt"] = crypto::to_base64(opened.signature->salt);
    for (const crypto::Digest& about : opened.signature->about)
      json["signature_about"].push_back(crypto::to_base64(about));
  }
  std::string out = dump(json);
  out.pop_back();
  const bool is_json = opened.content_type == "application/json";
  append_content(out, "data", opened.data, is_json);
  if (!opened.metadata.empty()) append_content(out, "metadata", opened.metadata, true);
  out += '}';
  return out;
}

Json answer_json(const replica::Answer& answer, const std::vector<ledger::CommandKind>& kinds) {
  ASSERT(kinds.size() == 1 || kinds.size() == answer.results.size());
  Json results = Json::array();
  for (std::size_t i = 0; i < answer.results.size(); ++i) {
    const replica::Answer::CommandResult& from = answer.results[i];
    ledger::CommandKind kind = kinds.size() == 1 ? kinds[0] : kinds[i];
    Json result = {{"name", ledger::outcome_name(kind, from.outcome)},
                   {"status", ledger::status_code(from.outcome)},
                   {"timestamp", std::to_string(from.time)},
                   {"record_index", std::to_string(raw(answer.first_record) + i)}};
    const bool is_event =
        kind == ledger::CommandKind::append_event || kind == ledger::CommandKind::delete_stream;
    if (is_event && from.revision != ledger::no_revision)
      result["revision"] = std::to_string(from.revision);
    results.push_back(std::move(result));
  }
  return {{"position",
           {{"record_index", std::to_string(raw(answer.first_record))},
            {"entry_index", std::to_string(answer.entry_index)},
            {"term", std::to_string(answer.term)}}},
          {"results", std::move(results)}};
}

Json result_json(const ledger::Header& header) {
  std::uint64_t time = header.imported_time != 0 ? header.imported_time : header.time;
  Json result = {{"name", ledger::outcome_name(header.kind, header.outcome)},
                 {"status", ledger::status_code(header.outcome)},
                 {"timestamp", std::to_string(time)},
                 {"record_index", std::to_string(raw(header.record_index))}};
  if (const auto* event = std::get_if<ledger::EventBody>(&header.body)) {
    result["revision"] = std::to_string(event->revision);
  } else if (const auto* deletion = std::get_if<ledger::DeletionBody>(&header.body)) {
    result["revision"] = std::to_string(deletion->revision);
  }
  return result;
}

std::string error_json_text(const Error& error) {
  return dump({{"error", {{"code", name(error.code)}, {"message", error.message}}}}) + "\n";
}

std::string error_json_text(const Error& error, const std::string& leader) {
  return dump({{"error",
                {{"code", name(error.code)}, {"message", error.message}, {"leader", leader}}}}) +
         "\n";
}

}  // namespace meridian::api
