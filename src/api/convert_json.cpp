// Inwards: bodies of requests. What they hold: docs/api.md.
#include "api/convert_json.h"

#include <fmt/format.h>

#include <utility>

#include "api/internal/json_fields.h"
#include "api/internal/json_slices.h"

namespace meridian::api {
namespace {

using internal::JsonFields;
using nlohmann::json;

Result<ledger::Account> account_of(const json& value, std::string path) {
  JsonFields fields(value, std::move(path));
  ledger::Account account{};
  account.id = fields.id("id");
  account.debits_pending = fields.id("debits_pending");
  account.debits_posted = fields.id("debits_posted");
  account.credits_pending = fields.id("credits_pending");
  account.credits_posted = fields.id("credits_posted");
  account.user_data_128 = fields.id("user_data_128");
  account.user_data_64 = fields.number("user_data_64");
  account.user_data_32 = fields.small<std::uint32_t>("user_data_32");
  account.ledger = fields.small<std::uint32_t>("ledger");
  account.code = fields.small<std::uint16_t>("code");
  account.flags = fields.flags("flags", internal::account_flag_names);
  account.timestamp = fields.number("timestamp");
  TRY(fields.finish());
  return account;
}

Result<ledger::Transfer> transfer_of(const json& value, std::string path) {
  JsonFields fields(value, std::move(path));
  ledger::Transfer transfer{};
  transfer.id = fields.id("id");
  transfer.debit_account_id = fields.id("debit_account_id");
  transfer.credit_account_id = fields.id("credit_account_id");
  transfer.amount = fields.id("amount");
  transfer.pending_id = fields.id("pending_id");
  transfer.user_data_128 = fields.id("user_data_128");
  transfer.user_data_64 = fields.number("user_data_64");
  transfer.user_data_32 = fields.small<std::uint32_t>("user_data_32");
  transfer.timeout = fields.small<std::uint32_t>("timeout");
  transfer.ledger = fields.small<std::uint32_t>("ledger");
  transfer.code = fields.small<std::uint16_t>("code");
  transfer.flags = fields.flags("flags", internal::transfer_flag_names);
  transfer.timestamp = fields.number("timestamp");
  TRY(fields.finish());
  return transfer;
}

ledger::Expected expected_of(JsonFields& fields) {
  std::string name = fields.text("expected");
  if (name.empty() || name == "any") return ledger::Expected::any;
  if (name == "none") return ledger::Expected::none;
  if (name == "exists") return ledger::Expected::exists;
  if (name == "exact") return ledger::Expected::exact;
  fields.refuse("expected", "expected one of any, none, exists, exact");
  return ledger::Expected::any;
}

ledger::Facts facts_of(const json* value, JsonFields& parent) {
  ledger::Facts facts;
  if (value == nullptr) return facts;
  JsonFields fields(*value, parent.path_of("facts"));
  facts.country = fields.text("country");
  facts.channel = fields.text("channel");
  facts.screening_list = fields.text("screening_list");
  facts.screening_verdict = fields.small<std::uint8_t>("screening_verdict");
  facts.purpose = fields.text("purpose");
  if (Status status = fields.finish(); !status) parent.refuse(status.error());
  return facts;
}

/// A value that may be given as JSON, kept as written, or as base64 under `<key>_base64`.
Buffer content_of(JsonFields& fields, std::string_view raw, bool has_json, std::string_view key,
                  std::string_view key_base64) {
  if (fields.has(key_base64)) {
    if (has_json) fields.refuse(key_base64, fmt::format("contradicts {}; give one of them", key));
    return fields.base64(key_base64);
  }
  return has_json ? to_buffer(as_bytes(internal::raw_member(raw, key))) : Buffer{};
}

void add_compartments(JsonFields& fields, std::vector<door::CompartmentDraft>& more) {
  const json* list = fields.find("more");
  if (list == nullptr) return;
  if (!list->is_array()) return fields.refuse("more", "expected a list");
  for (std::size_t i = 0; i < list->size(); ++i) {
    JsonFields member((*list)[i], fmt::format("{}[{}]", fields.path_of("more"), i));
    door::CompartmentDraft draft;
    draft.subject = member.text("subject");
    draft.retention = member.small<std::uint8_t>("retention");
    const bool has_text = member.has("content");
    draft.content = has_text ? to_buffer(as_bytes(member.text("content"))) : Buffer{};
    if (member.has("content_base64")) {
      if (has_text) member.refuse("content_base64", "contradicts content; give one of them");
      draft.content = member.base64("content_base64");
    }
    if (Status status = member.finish(); !status) {
      return fields.refuse(status.error());
    }
    more.push_back(std::move(draft));
  }
}

/// `raw` is the text of `value`.
Result<door::EventDraft> event_of(const json& value, std::string_view raw, std::string path) {
  JsonFields fields(value, std::move(path));
  door::EventDraft draft;
  draft.event_id = fields.id("event_id");
  draft.stream = fields.text("stream");
  draft.type = fields.text("type");
  draft.data = content_of(fields, raw, fields.has_or_null("data"), "data", "data_base64");
  draft.metadata = content_of(fields, raw, fields.has("metadata"), "metadata", "metadata_base64");
  draft.content_type = fields.text("content_type");
  if (draft.content_type.empty()) {
    draft.content_type =
        fields.has("data_base64") ? "application/octet-stream" : "application/json";
  }
  draft.subject = fields.text("subject");
  draft.retention = fields.small<std::uint8_t>("retention");
  draft.classification = fields.small<std::uint8_t>("classification");
  draft.expected = expected_of(fields);
  draft.expected_revision = fields.number("revision");
  draft.facts = facts_of(fields.find("facts"), fields);
  draft.signature_salt = fields.base64("signature_salt");
  add_compartments(fields, draft.more);
  TRY(fields.finish());
  return draft;
}

Result<door::DeletionDraft> deletion_of(const json& value, std::string path) {
  JsonFields fields(value, std::move(path));
  door::DeletionDraft draft;
  draft.event_id = fields.id("event_id");
  draft.stream = fields.text("stream");
  draft.expected = expected_of(fields);
  draft.expected_revision = fields.number("revision");
  TRY(fields.finish());
  return draft;
}

Status check_count(std::size_t count, std::string_view key, std::string_view noun) {
  if (count <= ledger::entry_commands_max) return {};
  return fail(Code::invalid_argument,
              fmt::format("{}: {} {}, a request holds at most {}; send them in parts", key, count,
                          noun, ledger::entry_commands_max));
}

/// The list that is the only member of a body, with 1 to entry_commands_max elements.
Result<json> only_list(std::string_view body, std::string_view key) {
  json parsed = TRY(internal::parse_json(body));
  JsonFields fields(parsed, {});
  const json* list = fields.find(key);
  TRY(fields.finish());
  if (list == nullptr || !list->is_array() || list->empty()) {
    return fail(Code::invalid_argument, fmt::format("{}: expected a list that is not empty", key));
  }
  TRY(check_count(list->size(), key, "elements"));
  return json(std::move(parsed[std::string(key)]));
}

template <typename Command, typename Convert>
Result<Buffer> pack_list(std::string_view body, std::string_view key, Convert convert) {
  json list = TRY(only_list(body, key));
  Buffer out(list.size() * ledger::command_size);
  for (std::size_t i = 0; i < list.size(); ++i) {
    Command command = TRY(convert(list[i], fmt::format("{}[{}]", key, i)));
    store_le(out.data() + i * ledger::command_size, command);
  }
  return out;
}

Result<door::CommandDraft> command_of(const json& value, std::string_view raw, std::string path) {
  if (!value.is_object() || value.size() != 1) {
    return fail(Code::invalid_argument,
                path +
                    ": expected an object with one member: create_account, create_transfer, "
                    "append_event or delete_stream");
  }
  const std::string& kind = value.begin().key();
  const json& body = value.begin().value();
  std::string inner = fmt::format("{}.{}", path, kind.substr(0, 64));
  if (kind == "create_account") return door::CommandDraft(TRY(account_of(body, inner)));
  if (kind == "create_transfer") return door::CommandDraft(TRY(transfer_of(body, inner)));
  if (kind == "append_event") {
    return door::CommandDraft(TRY(event_of(body, internal::raw_member(raw, kind), inner)));
  }
  if (kind == "delete_stream") return door::CommandDraft(TRY(deletion_of(body, inner)));
  return fail(Code::invalid_argument, inner +
                                          ": no such command; there are create_account, "
                                          "create_transfer, append_event, delete_stream");
}

Status add_transaction(const json& value, std::string_view raw, const std::string& path,
                       Drafts& drafts) {
  JsonFields fields(value, path);
  const json* commands = fields.find("commands");
  TRY(fields.finish());
  if (commands == nullptr || !commands->is_array() || commands->empty()) {
    return fail(Code::invalid_argument, path + ".commands: expected a list that is not empty");
  }
  const std::size_t first = drafts.commands.size();
  // Before they become drafts, which take many times the bytes of an empty command.
  TRY(check_count(first + commands->size(), "transactions", "commands"));
  std::vector<std::string_view> raws =
      internal::raw_elements(internal::raw_member(raw, "commands"));
  for (std::size_t i = 0; i < commands->size(); ++i) {
    drafts.commands.push_back(TRY(command_of((*commands)[i], i < raws.size() ? raws[i] : "",
                                             fmt::format("{}.commands[{}]", path, i))));
  }
  return link_chain(drafts.commands, first, path);
}

void name_kinds(Drafts& drafts) {
  for (const door::CommandDraft& draft : drafts.commands) drafts.kinds.push_back(kind_of(draft));
}

}  // namespace

Result<Buffer> parse_accounts_json(std::string_view body) {
  return pack_list<ledger::Account>(body, "accounts", account_of);
}

Result<Buffer> parse_transfers_json(std::string_view body) {
  return pack_list<ledger::Transfer>(body, "transfers", transfer_of);
}

Result<Drafts> parse_events_json(std::string_view body) {
  json list = TRY(only_list(body, "events"));
  std::vector<std::string_view> raws = internal::raw_elements(internal::raw_member(body, "events"));
  Drafts drafts;
  for (std::size_t i = 0; i < list.size(); ++i) {
    drafts.commands.emplace_back(
        TRY(event_of(list[i], i < raws.size() ? raws[i] : "", fmt::format("events[{}]", i))));
  }
  name_kinds(drafts);
  return drafts;
}

Result<Drafts> parse_deletion_json(std::string_view body) {
  json parsed = TRY(internal::parse_json(body));
  Drafts drafts;
  drafts.commands.emplace_back(TRY(deletion_of(parsed, {})));
  name_kinds(drafts);
  return drafts;
}

Result<Drafts> parse_transactions_json(std::string_view body) {
  json list = TRY(only_list(body, "transactions"));
  std::vector<std::string_view> raws =
      internal::raw_elements(internal::raw_member(body, "transactions"));
  Drafts drafts;
  for (std::size_t t = 0; t < list.size(); ++t) {
    TRY(add_transaction(list[t], t < raws.size() ? raws[t] : "", fmt::format("transactions[{}]", t),
                        drafts));
  }
  name_kinds(drafts);
  return drafts;
}

Result<std::vector<u128>> parse_ids_json(std::string_view body) {
  json list = TRY(only_list(body, "ids"));
  std::vector<u128> ids;
  for (std::size_t i = 0; i < list.size(); ++i) {
    json one = {{"id", list[i]}};
    JsonFields fields(one, fmt::format("ids[{}]", i));
    ids.push_back(fields.id("id"));
    TRY(fields.finish());
  }
  return ids;
}

Result<std::string> parse_subject_json(std::string_view body) {
  json parsed = TRY(internal::parse_json(body));
  JsonFields fields(parsed, {});
  std::string subject = fields.text("subject");
  TRY(fields.finish());
  if (subject.empty()) {
    return fail(Code::invalid_argument, "subject: missing, name the person it is about");
  }
  return subject;
}

Result<cell::ErasuresQuery> parse_erasures_json(std::string_view body) {
  json parsed = TRY(internal::parse_json(body));
  JsonFields fields(parsed, {});
  cell::ErasuresQuery query;
  const bool is_class = fields.has("retention");
  if (is_class && fields.has("subject"))
    fields.refuse("retention", "beside a subject: ask for the one or the other");
  if (is_class)
    query.of = door::RetentionNumber{
        static_cast<std::uint8_t>(fields.number("retention", storage::forgotten_row - 1))};
  else
    query.of = fields.text("subject");
  if (fields.has("position")) query.position = fields.number("position");
  TRY(fields.finish());
  const auto* subject = std::get_if<std::string>(&query.of);
  if (subject != nullptr && subject->empty())
    return fail(Code::invalid_argument,
                "subject: missing, name the person it is about, or a retention class");
  return query;
}

}  // namespace meridian::api
