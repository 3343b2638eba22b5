// `meridian schema`: what events of a type are like, and whom each field is about.
#include <fmt/format.h>

#include "api/convert.h"
#include "door/event_schema.h"
#include "files.h"
#include "ids.h"
#include "ledger/describe.h"
#include "on_run.h"
#include "output.h"
#include "run_with.h"

namespace meridian::app {

namespace {

constexpr const char* schema_help =
    R"(A schema is a JSON Schema (draft 4) whose fields say how confidential they are and whom they are about: what is
about a person is sealed for that person, and goes when the person is forgotten. docs/design/schemas.md

  {"type": "object", "required": ["patient"], "properties": {
     "ward":    {"type": "string", "x-classification": "public"},
     "patient": {"type": "object", "required": ["number"], "x-classification": "restricted",
                 "x-tags": ["PII", "PHI"], "x-subject": "/patient/number", "x-retention": 7,
                 "properties": {"number": {"type": "string"}}}}}

Examples:
  meridian schema check --file admission.json --event one.json
  meridian schema set admission --file admission.json)";

struct CheckOptions {
  std::string file, event;
  bool json = false;
};
struct SchemaOptions {
  ClientOptions client;
  std::string type, file, id;
  bool json = false;
};

std::string text_of(const Buffer& bytes) { return std::string(as_text(bytes)); }

Result<std::shared_ptr<const door::EventSchema>> read_schema(const std::string& file) {
  const std::string text = TRY(read_input(file, door::schema_size_max + 1));
  Result<std::shared_ptr<const door::EventSchema>> schema = door::EventSchema::parse(text);
  if (!schema) return with_context(schema.error(), file);
  return schema;
}

std::string joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

OrderedJson json_of(const door::EventSchema& schema) {
  OrderedJson out;
  out["digest"] = to_hex(schema.digest());
  out["fields"] = OrderedJson::array();
  for (const door::EventSchema::Field& field : schema.fields()) {
    OrderedJson one;
    one["place"] = field.place;
    one["classification"] = door::classification_name(field.classification);
    if (!field.subject.empty()) {
      one["tags"] = field.tags;
      one["subject"] = field.subject;
      one["retention"] = field.retention;
    }
    if (!field.fact.empty()) one["fact"] = field.fact;
    out["fields"].push_back(std::move(one));
  }
  return out;
}

OrderedJson json_of(const door::EventSchema::Split& split) {
  OrderedJson out;
  out["classification"] = door::classification_name(split.classification);
  out["for_nobody"] = OrderedJson::parse(split.rest.begin(), split.rest.end(), nullptr, false);
  out["for_persons"] = OrderedJson::array();
  for (const door::EventSchema::Part& part : split.parts) {
    OrderedJson one;
    one["subject"] = part.subject;
    one["retention"] = part.retention;
    one["fields"] = OrderedJson::parse(part.content.begin(), part.content.end(), nullptr, false);
    out["for_persons"].push_back(std::move(one));
  }
  return out;
}

void print_fields(const door::EventSchema& schema) {
  std::vector<std::vector<std::string>> rows = {
      {"field", "classification", "tags", "sealed for", "retention", "fact"}};
  for (const door::EventSchema::Field& field : schema.fields())
    rows.push_back({field.place.empty() ? "(the whole)" : field.place,
                    std::string(door::classification_name(field.classification)),
                    field.tags.empty() ? "-" : joined(field.tags),
                    field.subject.empty() ? "nobody" : field.subject,
                    field.subject.empty() ? "-" : std::to_string(field.retention),
                    field.fact.empty() ? "-" : field.fact});
  fmt::print("{}", format_table(rows, {}));
}

void print_split(const door::EventSchema::Split& split) {
  print_line(fmt::format("\nclassification: {}\nfor nobody: {}",
                         door::classification_name(split.classification), text_of(split.rest)));
  for (const door::EventSchema::Part& part : split.parts)
    print_line(fmt::format("for {}, retention class {}: {}", part.subject, part.retention,
                           text_of(part.content)));
}

Result<Exit> run_check(const CheckOptions& options) {
  const std::shared_ptr<const door::EventSchema> schema = TRY(read_schema(options.file));
  std::optional<door::EventSchema::Split> split;
  if (!options.event.empty()) {
    const std::string event = TRY(read_input(options.event, 1 << 20));
    Result<door::EventSchema::Split> parts = schema->split(as_bytes(event));
    if (!parts) return with_context(parts.error(), options.event);
    split = std::move(*parts);
  }
  if (options.json) {
    OrderedJson out = json_of(*schema);
    if (split) out["event"] = json_of(*split);
    print_json(out);
    return Exit::ok;
  }
  print_fields(*schema);
  if (split) print_split(*split);
  return Exit::ok;
}

Result<Exit> set_schema(Client& client, const SchemaOptions& options, const std::string& schema) {
  const std::unique_ptr<io::Entropy> entropy = io::os_entropy();
  const u128 id = options.id.empty() ? time_ordered_id(client.clock(), *entropy)
                                     : TRY(parse_id(options.id, "--id"));
  v1::SetSchemaRequest request;
  request.set_event_id(api::format_u128(id));
  request.set_type(options.type);
  request.set_schema(schema);
  const Result<v1::SetSchemaReply> reply =
      client.call(*client.schemas, &v1::Schemas::Stub::Set, request);
  if (!reply && reply.error().code == Code::deadline_exceeded)
    return fail(Code::deadline_exceeded,
                fmt::format("it is unknown whether the schema was set: look with `meridian schema "
                            "show {}`, or repeat it with --id {}",
                            options.type, to_decimal(id)));
  if (!reply) return reply.error();
  if (options.json) {
    OrderedJson out;
    out["type"] = options.type;
    out["record_index"] = std::to_string(reply->record_index());
    print_json(out);
  } else {
    print_line(fmt::format(
        "{}: events of the type are {} from now on; record {} says so", options.type,
        schema.empty() ? "taken as they come" : "checked and taken apart", reply->record_index()));
  }
  return Exit::ok;
}

Result<Exit> run_set(Client& client, const SchemaOptions& options) {
  const std::shared_ptr<const door::EventSchema> schema = TRY(read_schema(options.file));
  return set_schema(client, options, schema->text());
}
Result<Exit> run_remove(Client& client, const SchemaOptions& options) {
  return set_schema(client, options, "");
}

Result<v1::ListSchemasReply> list(Client& client) {
  return client.call(*client.schemas, &v1::Schemas::Stub::List, v1::ListSchemasRequest());
}

Result<Exit> run_list(Client& client, const SchemaOptions& options) {
  const v1::ListSchemasReply reply = TRY(list(client));
  OrderedJson all = OrderedJson::array();
  std::vector<std::vector<std::string>> rows = {{"type", "set at", "record", "digest"}};
  for (const v1::EventSchema& one : reply.schemas()) {
    OrderedJson out;
    out["type"] = one.type();
    out["time"] = ledger::iso_time(one.time());
    out["record_index"] = std::to_string(one.record_index());
    out["digest"] = to_hex(as_bytes(one.digest()));
    out["actor"] = ledger::opaque_hex(to_u128(one.actor()));
    all.push_back(std::move(out));
    rows.push_back({one.type(), ledger::iso_time(one.time()), std::to_string(one.record_index()),
                    to_hex(as_bytes(one.digest()).first(8))});
  }
  if (options.json)
    print_json(all);
  else if (rows.size() == 1)
    print_line("no type has a schema. `meridian schema set TYPE --file FILE` gives it one");
  else
    fmt::print("{}", format_table(rows, {}));
  return Exit::ok;
}

Result<Exit> run_show(Client& client, const SchemaOptions& options) {
  const v1::ListSchemasReply reply = TRY(list(client));
  for (const v1::EventSchema& one : reply.schemas()) {
    if (one.type() != options.type) continue;
    if (!options.json) {
      print_line(one.schema());
      return Exit::ok;
    }
    OrderedJson out;
    out["type"] = one.type();
    out["time"] = ledger::iso_time(one.time());
    out["record_index"] = std::to_string(one.record_index());
    out["digest"] = to_hex(as_bytes(one.digest()));
    out["schema"] = one.schema();
    print_json(out);
    return Exit::ok;
  }
  return fail(Code::not_found, fmt::format("{} has no schema. `meridian schema list` shows those "
                                           "there are",
                                           options.type));
}

}  // namespace

void add_schema(CLI::App& app, Invocation& invocation) {
  CLI::App& schema =
      *app.add_subcommand("schema", "What events of a type are like, and whom they are about");
  schema.require_subcommand(1);
  schema.footer(schema_help);

  auto check = std::make_shared<CheckOptions>();
  CLI::App& checking =
      *schema.add_subcommand("check", "Read a schema, and show how it takes an event apart");
  checking.add_option("--file", check->file, "The schema")->required()->type_name("FILE");
  checking.add_option("--event", check->event, "An event's data, in JSON")->type_name("FILE");
  checking.add_flag("--json", check->json, "Print JSON");
  on_run(checking, invocation, check, run_check);

  const auto add = [&](const char* name, const char* what, bool is_about_type,
                       Result<Exit> (*body)(Client&, const SchemaOptions&)) {
    auto options = std::make_shared<SchemaOptions>();
    CLI::App& command = *schema.add_subcommand(name, what);
    if (is_about_type)
      command.add_option("TYPE", options->type, "Of events, as they are appended")->required();
    command.add_flag("--json", options->json, "Print JSON");
    on_call(command, invocation, options, body);
    return std::pair<CLI::App*, std::shared_ptr<SchemaOptions>>(&command, options);
  };
  const auto [setting, set] = add("set", "Give a type a schema, or another one", true, run_set);
  setting->add_option("--file", set->file, "The schema")->required()->type_name("FILE");
  setting->add_option("--id", set->id, "Of the event that sets it, to repeat it safely");
  const auto [removing, remove] = add(
      "remove", "Take a type's schema away: its events are taken as they come", true, run_remove);
  removing->add_option("--id", remove->id, "Of the event that does it, to repeat it safely");
  add("list", "List the types that have a schema", false, run_list);
  add("show", "Print a type's schema", true, run_show);
}

}  // namespace meridian::app
