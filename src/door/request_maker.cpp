#include "door/request_maker.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/assert.h"
#include "door/personal_data.h"
#include "door/personal_text.h"
#include "door/signed_event.h"

namespace meridian::door {

namespace {

constexpr std::string_view json_type = "application/json";
constexpr std::string_view bytes_type = "application/octet-stream";

Error personal(std::string_view field, std::size_t position, PersonalData kind) {
  return fail(Code::invalid_argument,
              fmt::format("{} of command {} looks like {}: personal data must be in a sealed "
                          "payload, never in a record's header",
                          field, position, name(kind)));
}

template <typename Command>
Status check_user_data(const Command& command, std::size_t position) {
  if (const PersonalData kind = classify(command.user_data_64); kind != PersonalData::none)
    return personal("user_data_64", position, kind);
  if (const PersonalData kind = classify(command.user_data_128); kind != PersonalData::none)
    return personal("user_data_128", position, kind);
  return {};
}

/// Facts stand in a header, in clear and for ever.
Status check_facts(const ledger::Facts& facts, std::size_t position) {
  const std::array<std::pair<std::string_view, std::string_view>, 3> texts = {
      {{"channel", facts.channel},
       {"screening_list", facts.screening_list},
       {"purpose", facts.purpose}}};
  for (const auto& [field, text] : texts)
    if (const std::optional<PersonalFind> found = find_personal(text))
      return fail(
          Code::invalid_argument,
          fmt::format("facts.{} of command {} holds {} ({} characters from {} on): personal "
                      "data must be in a sealed payload, never in a record's header",
                      field, position, name(found->kind), found->size, found->first));
  return {};
}

Status check_not_own(std::string_view what, std::string_view name, std::size_t position) {
  if (!name.starts_with('$')) return {};
  return fail(Code::invalid_argument,
              fmt::format("{} of command {} begins with `$`: such names are "
                          "the cell's own, choose another",
                          what, position));
}

/// What was signed stands in the record.
Status check_facts_agree(const ledger::Facts& meant, const ledger::Facts& found,
                         std::size_t position) {
  const std::array<std::tuple<std::string_view, std::string_view, std::string_view>, 3> texts = {
      {{"country", meant.country, found.country},
       {"channel", meant.channel, found.channel},
       {"purpose", meant.purpose, found.purpose}}};
  for (const auto& [field, said, is] : texts)
    if (!said.empty() && !is.empty() && said != is)
      return fail(Code::invalid_argument,
                  fmt::format("facts.{} of command {} is not what the data says, which counts: "
                              "leave it out of what is signed",
                              field, position));
  return {};
}

/// As the schema of its type has it.
Result<EventDraft> fitted(const EventDraft& draft, const EventSchema& schema,
                          std::size_t position) {
  const auto refused = [&](std::string_view field, std::string_view what) {
    return fail(Code::invalid_argument,
                fmt::format("{} of command {} {} (its type has a schema: `meridian schema show`)",
                            field, position, what));
  };
  if (draft.content_type != json_type) return refused("content_type", "must be application/json");
  if (!draft.subject.empty() || !draft.more.empty())
    return refused(draft.subject.empty() ? "more" : "subject",
                   "is not for the caller to say: the schema knows whom each field is about");
  if (const auto found = find_personal(as_text(draft.metadata)))
    return refused("metadata", fmt::format("holds {} ({} characters from {} on): what is about a "
                                           "person stands in fields of the data that say so",
                                           name(found->kind), found->size, found->first));
  Result<EventSchema::Split> split = schema.split(draft.data);
  if (!split) return refused("data", split.error().message);
  if (draft.classification != 0 && draft.classification < split->classification)
    return refused("classification",
                   fmt::format("is {}, and a field of it is {}: leave it out, or say more",
                               draft.classification, split->classification));

  EventDraft out;
  out.event_id = draft.event_id;
  out.stream = draft.stream;
  out.type = draft.type;
  out.metadata = draft.metadata;
  out.data = std::move(split->rest);
  out.retention = draft.retention;
  out.classification = std::max(draft.classification, split->classification);
  out.expected = draft.expected;
  out.expected_revision = draft.expected_revision;
  out.linked = draft.linked;
  out.facts = draft.facts;
  if (!draft.signature_salt.empty()) TRY(check_facts_agree(draft.facts, split->facts, position));
  if (!split->facts.country.empty()) out.facts.country = split->facts.country;
  if (!split->facts.channel.empty()) out.facts.channel = split->facts.channel;
  if (!split->facts.purpose.empty()) out.facts.purpose = split->facts.purpose;
  if (!split->parts.empty()) out.content_type = split_json_type;
  for (EventSchema::Part& part : split->parts)
    out.more.push_back({std::move(part.subject), part.retention, std::move(part.content)});
  return out;
}

/// None is about what the cell itself writes, whatever its type is called.
const EventSchema* schema_of(const EventDraft& draft, const Schemas& schemas) {
  const auto found = draft.is_of_cell ? schemas.end() : schemas.find(draft.type);
  return found == schemas.end() ? nullptr : found->second.get();
}

/// What the payloads will take: room for most requests, so that sealing does not move them.
std::size_t sealed_size_likely(const std::vector<CommandDraft>& commands) {
  constexpr std::size_t overhead = 256;  // envelope, compartment, salt, tag
  std::size_t events = 0;
  for (const CommandDraft& command : commands)
    if (std::holds_alternative<EventDraft>(command)) ++events;
  return events == 0 ? 0 : size_of(commands) + events * overhead;
}

}  // namespace

std::uint64_t size_of(const std::vector<CommandDraft>& commands) {
  std::uint64_t bytes = 0;
  for (const CommandDraft& command : commands) {
    bytes += ledger::command_size;
    if (const auto* event = std::get_if<EventDraft>(&command)) {
      bytes += event->data.size() + event->metadata.size() + event->stream.size();
      for (const CompartmentDraft& more : event->more) bytes += more.content.size();
    }
  }
  return bytes;
}

bool is_personal(const std::vector<CommandDraft>& commands, const Schemas& schemas) {
  return std::ranges::any_of(commands, [&](const CommandDraft& command) {
    const auto* event = std::get_if<EventDraft>(&command);
    if (event == nullptr) return false;
    return !event->subject.empty() || schema_of(*event, schemas) != nullptr ||
           std::ranges::any_of(event->more,
                               [](const CompartmentDraft& more) { return !more.subject.empty(); });
  });
}

bool is_resident(const std::vector<CommandDraft>& commands, const Schemas& schemas,
                 const storage::Keeping& keeping) {
  const auto lives_there = [&](const std::string& subject, std::uint8_t retention) {
    const storage::RetentionClass* known = keeping.find(retention);
    return !subject.empty() && known != nullptr && known->residency != 0;
  };
  return std::ranges::any_of(commands, [&](const CommandDraft& command) {
    const auto* event = std::get_if<EventDraft>(&command);
    if (event == nullptr) return false;
    return schema_of(*event, schemas) != nullptr || lives_there(event->subject, event->retention) ||
           std::ranges::any_of(event->more, [&](const CompartmentDraft& more) {
             return lives_there(more.subject, more.retention);
           });
  });
}

Status check_name(std::string_view what, std::string_view name, std::size_t position) {
  if (name.empty() || name.size() > name_size_max)
    return fail(Code::invalid_argument,
                fmt::format("{} of command {} has {} bytes; it needs 1 to {}", what, position,
                            name.size(), name_size_max));
  return {};
}

Result<std::unique_ptr<ledger::Request>> make_packed(u128 actor, ledger::CommandKind kind,
                                                     Bytes commands) {
  ASSERT(kind == ledger::CommandKind::create_transfer ||
         kind == ledger::CommandKind::create_account);
  const std::size_t count = commands.size() / ledger::command_size;
  if (commands.empty() || commands.size() % ledger::command_size != 0)
    return fail(Code::invalid_argument,
                fmt::format("{} bytes are not one or more commands of 128 bytes", commands.size()));
  if (count > ledger::entry_commands_max)
    return fail(Code::invalid_argument,
                fmt::format("the request holds {} commands; at most {} fit: split it", count,
                            ledger::entry_commands_max));
  for (std::size_t i = 0; i < count; ++i) {
    const Byte* at = commands.data() + i * ledger::command_size;
    if (kind == ledger::CommandKind::create_transfer) {
      TRY(check_user_data(ledger::load_command<ledger::Transfer>(at), i));
    } else {
      TRY(check_user_data(ledger::load_command<ledger::Account>(at), i));
    }
  }
  auto request = std::make_unique<ledger::Request>();
  request->actor = actor;
  request->runs.push_back({kind, {}, static_cast<std::uint32_t>(count)});
  request->commands = to_buffer(commands);
  return request;
}

Result<std::unique_ptr<ledger::Request>> RequestMaker::make(
    u128 actor, const std::vector<CommandDraft>& commands, bool atomic) {
  if (commands.empty() || commands.size() > ledger::entry_commands_max)
    return fail(Code::invalid_argument,
                fmt::format("the request holds {} commands; it needs 1 to {}", commands.size(),
                            ledger::entry_commands_max));
  auto request = std::make_unique<ledger::Request>();
  request->actor = actor;
  request->commands.reserve(commands.size() * ledger::command_size);
  request->payloads.reserve(
      std::min<std::size_t>(sealed_size_likely(commands), ledger::request_size_max));
  const auto* first = std::get_if<EventDraft>(&commands.front());
  const std::size_t uncounted = first != nullptr && first->is_evidence ? 1 : 0;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const std::size_t position = i < uncounted ? 0 : i - uncounted;
    const bool linked = atomic && i + 1 < commands.size();
    if (const auto* account = std::get_if<ledger::Account>(&commands[i])) {
      TRY(check_user_data(*account, position));
      ledger::Account command = *account;
      if (linked) command.flags |= ledger::account_flags::linked;
      request->add(ledger::CommandKind::create_account, command);
    } else if (const auto* transfer = std::get_if<ledger::Transfer>(&commands[i])) {
      TRY(check_user_data(*transfer, position));
      ledger::Transfer command = *transfer;
      if (linked) command.flags |= ledger::transfer_flags::linked;
      request->add(ledger::CommandKind::create_transfer, command);
    } else if (const auto* event = std::get_if<EventDraft>(&commands[i])) {
      TRY(add_event(*request, *event, linked || event->linked, position));
    } else {
      const auto& deletion = std::get<DeletionDraft>(commands[i]);
      TRY(add_deletion(*request, deletion, linked || deletion.linked, position));
    }
  }
  return request;
}

Status RequestMaker::add_event(ledger::Request& request, const EventDraft& draft, bool linked,
                               std::size_t position) {
  if (draft.event_id == 0)
    return fail(Code::invalid_argument,
                fmt::format("event_id of command {} is missing: choose one, so that sending it "
                            "again cannot append it twice",
                            position));
  TRY(check_name("stream", draft.stream, position));
  TRY(check_name("type", draft.type, position));
  if (!draft.is_of_cell) {
    TRY(check_not_own("stream", draft.stream, position));
    TRY(check_not_own("type", draft.type, position));
  }
  if (draft.content_type != json_type && draft.content_type != bytes_type)
    return fail(Code::invalid_argument, fmt::format("content_type of command {} must be {} or {}",
                                                    position, json_type, bytes_type));
  Buffer signature = TRY(signed_parts(draft));
  if (const EventSchema* schema = schema_of(draft, schemas_)) {  // which reads the data itself
    const EventDraft out = TRY(fitted(draft, *schema, position));
    return seal_event(request, out, std::move(signature), linked, position);
  }
  if (draft.content_type == json_type &&
      !nlohmann::json::accept(draft.data.begin(), draft.data.end()))
    return fail(
        Code::invalid_argument,
        fmt::format("data of command {} is not JSON although content_type says so", position));
  return seal_event(request, draft, std::move(signature), linked, position);
}

Status RequestMaker::seal_event(ledger::Request& request, const EventDraft& draft, Buffer signature,
                                bool linked, std::size_t position) {
  std::vector<u128> subjects{names_.subject_id(draft.subject)};
  for (const CompartmentDraft& more : draft.more)
    subjects.push_back(names_.subject_id(more.subject));
  const std::size_t payload_offset = request.payloads.size();
  const crypto::Digest commitment =
      TRY(sealer_.seal(draft, subjects, request.payloads, std::move(signature)));
  const std::size_t payload_size = request.payloads.size() - payload_offset;
  if (request.commands.size() + ledger::command_size + request.payloads.size() >
      ledger::request_size_max)
    return fail(
        Code::invalid_argument,
        fmt::format("the request's commands and payloads pass {} bytes at command {}: split it",
                    ledger::request_size_max, position));

  ledger::AppendEvent event{};
  event.event_id = draft.event_id;
  event.stream = names_.stream_id(draft.stream);
  event.category = names_.category_id(ledger::category_of(draft.stream));
  event.type = names_.type_id(draft.type);
  event.commitment = commitment;
  event.expected_revision = draft.expected == ledger::Expected::exact ? draft.expected_revision : 0;
  event.payload_size = static_cast<std::uint32_t>(payload_size);
  event.payload_offset = static_cast<std::uint32_t>(payload_offset);
  event.flags = linked ? ledger::event_flag_linked : 0;
  event.expected = draft.expected;
  event.content_type =
      draft.content_type == bytes_type ? ledger::ContentType::bytes : ledger::ContentType::json;
  event.classification = draft.classification;
  event.retention = draft.retention;
  TRY(check_facts(draft.facts, position));
  if (!draft.facts.empty())
    request.facts.push_back({request.command_count(), TRY(draft.facts.encode())});
  request.add(ledger::CommandKind::append_event, event);
  return {};
}

Status RequestMaker::add_deletion(ledger::Request& request, const DeletionDraft& draft, bool linked,
                                  std::size_t position) {
  if (draft.event_id == 0)
    return fail(Code::invalid_argument,
                fmt::format("event_id of command {} is missing: choose one", position));
  TRY(check_name("stream", draft.stream, position));
  TRY(check_not_own("stream", draft.stream, position));
  ledger::DeleteStream deletion{};
  deletion.event_id = draft.event_id;
  deletion.stream = names_.stream_id(draft.stream);
  deletion.expected = draft.expected;
  deletion.expected_revision =
      draft.expected == ledger::Expected::exact ? draft.expected_revision : 0;
  deletion.flags = linked ? ledger::event_flag_linked : 0;
  request.add(ledger::CommandKind::delete_stream, deletion);
  return {};
}

}  // namespace meridian::door
