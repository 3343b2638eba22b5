// Text from an HTTP caller, read as the body of every call: what converts comes back from its reply
// form and keeps the data of events byte for byte; what does not is refused as invalid_argument
// with a message that JSON can carry.
#include "api/convert_json.h"
#include "base/assert.h"

namespace meridian::api {
namespace {

using nlohmann::json;

void check_refusal(const Error& error) {
  ASSERT(error.code == Code::invalid_argument);
  ASSERT(error.message.find(": ") != std::string::npos);
  ASSERT(error.message.size() <= 1'024);
  json reply = json::parse(error_json_text(error), nullptr, false);
  ASSERT(reply["error"]["code"] == "invalid_argument");
  ASSERT(reply["error"]["message"].is_string());
}

/// `to_json` leaves out flag bits that have no name (the ledger refuses them), so they are set to
/// 0.
template <typename Command, typename Parse, typename ToJson>
void check_commands(std::string_view body, std::string_view key, Parse parse, ToJson to_json) {
  Result<Buffer> packed = parse(body);
  if (!packed) return check_refusal(packed.error());
  ASSERT(check_packed(as_text(*packed)).has_value());
  auto list = nlohmann::ordered_json::array();
  for (std::size_t at = 0; at < packed->size(); at += ledger::command_size) {
    Command command = ledger::load_command<Command>(packed->data() + at);
    list.push_back(to_json(command));
    Result<Buffer> one = parse(json{{key, {list.back()}}}.dump());
    ASSERT(one.has_value());
    Command again = ledger::load_command<Command>(one->data());
    command.flags = static_cast<decltype(command.flags)>(command.flags & again.flags);
    ASSERT(again == command);
  }
}

/// The value that a client gave under `key` stands in `kept` exactly, and nothing else.
void check_kept(const json& from, const char* key, const Buffer& kept) {
  auto given = from.find(key);
  if (given == from.end()) return;
  json parsed = json::parse(as_text(kept), nullptr, false);
  ASSERT(!parsed.is_discarded());
  ASSERT(parsed == *given);
}

void check_event(const json& from, const door::EventDraft& draft) {
  check_kept(from, "data", draft.data);
  if (from.contains("metadata") && !from["metadata"].is_null()) {
    check_kept(from, "metadata", draft.metadata);
  }
  cell::ReadEvent event;
  event.header.body = ledger::EventBody{.event_id = draft.event_id, .revision = 3};
  event.event.stream = draft.stream;
  event.event.type = draft.type;
  event.event.content_type = draft.content_type;
  event.event.data = draft.data;
  event.event.metadata = draft.metadata;
  json reply = json::parse(event_json_text(event), nullptr, false);
  ASSERT(reply.is_object());
  ASSERT(reply["event_id"] == to_decimal(draft.event_id));
  ASSERT(reply["stream"] == draft.stream);
  check_kept(reply, "data", draft.data);
}

void check_kinds(const Drafts& drafts) {
  ASSERT(!drafts.commands.empty());
  ASSERT(drafts.commands.size() <= ledger::entry_commands_max);
  ASSERT(drafts.kinds.size() == drafts.commands.size());
}

void check_events(std::string_view body) {
  Result<Drafts> drafts = parse_events_json(body);
  if (!drafts) return check_refusal(drafts.error());
  check_kinds(*drafts);
  const json parsed = json::parse(body);
  ASSERT(parsed["events"].size() == drafts->commands.size());
  for (std::size_t i = 0; i < drafts->commands.size(); ++i) {
    check_event(parsed["events"][i], std::get<door::EventDraft>(drafts->commands[i]));
  }
}

void check_transactions(std::string_view body) {
  Result<Drafts> drafts = parse_transactions_json(body);
  if (!drafts) return check_refusal(drafts.error());
  check_kinds(*drafts);
  const json parsed = json::parse(body);
  std::size_t number = 0;
  for (const json& transaction : parsed["transactions"]) {
    for (const json& command : transaction["commands"]) {
      const auto* event = std::get_if<door::EventDraft>(&drafts->commands.at(number++));
      ASSERT((event != nullptr) == command.contains("append_event"));
      if (event != nullptr) check_event(command["append_event"], *event);
    }
  }
  ASSERT(number == drafts->commands.size());
}

void check_others(std::string_view body) {
  if (Result<Drafts> drafts = parse_deletion_json(body)) {
    check_kinds(*drafts);
  } else {
    check_refusal(drafts.error());
  }
  if (Result<std::vector<u128>> ids = parse_ids_json(body)) {
    json again = {{"ids", json::array()}};
    for (u128 id : *ids) again["ids"].push_back(to_decimal(id));
    ASSERT(parse_ids_json(again.dump()).value() == *ids);
  } else {
    check_refusal(ids.error());
  }
  if (Result<std::string> subject = parse_subject_json(body)) {
    ASSERT(!subject->empty());
  } else {
    check_refusal(subject.error());
  }
}

}  // namespace
}  // namespace meridian::api

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meridian;
  using namespace meridian::api;
  std::string_view body = as_text(Bytes(data, size));
  check_commands<ledger::Account>(body, "accounts", parse_accounts_json, account_json);
  check_commands<ledger::Transfer>(body, "transfers", parse_transfers_json, transfer_json);
  check_events(body);
  check_transactions(body);
  check_others(body);
  return 0;
}
