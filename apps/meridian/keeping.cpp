#include <fmt/format.h>

#include "act_calls.h"
#include "api/act_request.h"
#include "api/convert.h"
#include "api/convert_keeping.h"
#include "certificate_commands.h"
#include "ledger/describe.h"
#include "output.h"
#include "run_with.h"
#include "subject_words.h"

namespace meridian::app {

namespace {

struct ListOptions {
  ClientOptions client;
  bool json = false;
};
struct SetOptions {
  ClientOptions client;
  std::uint32_t retention = 0;
  std::string name, basis, keep = "0d", erase, residency;
  bool by_month = false, json = false;
};
struct PlaceOptions {
  ClientOptions client;
  std::string subject, reference;
  std::vector<std::uint32_t> classes;
  bool json = false;
};
struct ReleaseOptions {
  ClientOptions client;
  std::string hold;
  bool json = false;
};

Result<Exit> show(const v1::KeepReply& reply, std::string_view what, bool json) {
  const std::string hold =
      reply.hold_id().empty() ? std::string() : ledger::opaque_hex(to_u128(reply.hold_id()));
  if (json) {
    OrderedJson out{{"record_index", std::to_string(reply.record_index())}};
    if (!hold.empty()) out["hold_id"] = hold;
    print_json(out);
  } else {
    print_line(fmt::format("{}{}{}: record {} says so", what, hold.empty() ? "" : " ", hold,
                           reply.record_index()));
  }
  return Exit::ok;
}

Result<Exit> run_set(Client& client, const SetOptions& options) {
  v1::RetentionClass request;
  request.set_retention(options.retention);
  request.set_name(options.name);
  request.set_basis(options.basis);
  request.set_by_month(options.by_month);
  request.set_keep_at_least(options.keep);
  request.set_erase_at_latest(options.erase);
  request.set_residency(options.residency);
  const door::RetentionDraft wanted = TRY(api::parse_retention(request));
  TRY(ensure_approved(client, api::definition_of(wanted)));
  const v1::KeepReply reply =
      TRY(client.call(*client.subjects, &v1::Subjects::Stub::SetRetention, request));
  return show(reply, fmt::format("class {} is defined", options.retention), options.json);
}

Result<v1::KeepingReply> ask(Client& client) {
  return client.call(*client.subjects, &v1::Subjects::Stub::Keeping, v1::KeepingRequest());
}

Result<Exit> run_list(Client& client, const ListOptions& options) {
  const v1::KeepingReply reply = TRY(ask(client));
  if (options.json) {
    OrderedJson classes = OrderedJson::array();
    for (const v1::RetentionClass& one : reply.classes()) {
      OrderedJson out{{"retention", one.retention()}, {"name", one.name()}, {"basis", one.basis()}};
      out["period"] = one.by_month() ? "month" : "year";
      out["keep_at_least"] = one.keep_at_least();
      if (!one.erase_at_latest().empty()) out["erase_at_latest"] = one.erase_at_latest();
      if (!one.residency().empty()) out["residency"] = one.residency();
      out["defined"] = one.defined();
      classes.push_back(std::move(out));
    }
    print_json({{"today", reply.today()}, {"classes", std::move(classes)}});
    return Exit::ok;
  }
  if (reply.classes().empty()) {
    print_line("no retention class is defined: whoever is forgotten is forgotten at once");
    return Exit::ok;
  }
  std::vector<std::vector<std::string>> rows{
      {"CLASS", "NAME", "KEY OF A", "KEEP AT LEAST", "ERASE AT LATEST", "LIVES IN", "LEGAL BASIS"}};
  for (const v1::RetentionClass& one : reply.classes())
    rows.push_back({std::to_string(one.retention()), one.name(), one.by_month() ? "month" : "year",
                    one.keep_at_least(),
                    one.erase_at_latest().empty() ? "-" : one.erase_at_latest(),
                    one.residency().empty() ? "-" : one.residency(), one.basis()});
  fmt::print("{}", format_table(rows, {0}));
  return Exit::ok;
}

Result<Exit> run_place(Client& client, const PlaceOptions& options) {
  v1::PlaceHoldRequest request;
  request.set_subject(options.subject);
  for (const std::uint32_t retention : options.classes) request.add_classes(retention);
  request.set_reference(options.reference);
  const v1::KeepReply reply =
      TRY(client.call(*client.subjects, &v1::Subjects::Stub::PlaceHold, request));
  return show(reply, "placed hold", options.json);
}

Result<Exit> run_release(Client& client, const ReleaseOptions& options) {
  Buffer id;
  if (options.hold.size() != 32 || !from_hex(options.hold, id))
    return fail(Code::invalid_argument,
                "a hold is named by the 32 hexadecimal digits that `meridian hold list` shows");
  v1::ReleaseHoldRequest request;
  request.set_hold_id(api::format_u128(load_le<u128>(id.data())));
  const v1::KeepReply reply =
      TRY(client.call(*client.subjects, &v1::Subjects::Stub::ReleaseHold, request));
  return show(reply, "released hold", options.json);
}

Result<Exit> run_holds(Client& client, const ListOptions& options) {
  const v1::KeepingReply reply = TRY(ask(client));
  if (options.json) {
    OrderedJson holds = OrderedJson::array();
    for (const v1::Hold& hold : reply.holds()) holds.push_back(json_of(hold));
    print_json({{"holds", std::move(holds)}});
    return Exit::ok;
  }
  if (reply.holds().empty()) {
    print_line("nothing is held");
    return Exit::ok;
  }
  std::vector<std::vector<std::string>> rows{{"HOLD", "SUBJECT", "CLASSES", "REFERENCE"}};
  for (const v1::Hold& hold : reply.holds())
    rows.push_back({ledger::opaque_hex(to_u128(hold.hold_id())),
                    ledger::opaque_hex(to_u128(hold.subject_id())),
                    hold.classes().empty() ? "all" : numbers(hold.classes()), hold.reference()});
  fmt::print("{}", format_table(rows, {}));
  return Exit::ok;
}

void add_retention(CLI::App& app, Invocation& invocation) {
  CLI::App& retention =
      *app.add_subcommand("retention", "Say what must be kept, and what must go, and when");
  retention.require_subcommand(1);

  auto set = std::make_shared<SetOptions>();
  CLI::App& setting = *retention.add_subcommand("set", "Define a retention class");
  setting.add_option("CLASS", set->retention, "Its number, as it is given with events")
      ->required()
      ->check(CLI::Range(0, 253));
  setting.add_option("--name", set->name, "At most 24 characters")->required();
  setting.add_option("--basis", set->basis, "The law that says so, at most 44 characters")
      ->required();
  setting.add_option("--keep-at-least", set->keep, "From the end of the period: 10y, 18m, 30d")
      ->capture_default_str();
  setting.add_option("--erase-at-latest", set->erase,
                     "From its beginning; if not given, nothing goes by itself");
  setting.add_flag("--by-month", set->by_month,
                   "A key seals what comes in one month; if not given, in one year");
  setting.add_option("--residency", set->residency,
                     "Jurisdiction that persons' data of it lives in, for good; of a class without "
                     "keys");
  setting.add_flag("--json", set->json, "Print JSON");
  setting.footer(
      "What was sealed before counts as of the day of the first definition. Name and basis are in\n"
      "clear in records, for ever: nothing of a person belongs there.\n\n"
      "Example: meridian retention set 3 --name tax_documents --basis 'AO 147' --keep-at-least 10y "
      "--erase-at-latest 12y");
  add_approval_options(setting, set->client);
  on_call(setting, invocation, set, run_set);

  auto list = std::make_shared<ListOptions>();
  CLI::App& listing = *retention.add_subcommand("list", "Show the classes that are defined");
  listing.add_flag("--json", list->json, "Print JSON");
  on_call(listing, invocation, list, run_list);

  add_class_certificate(retention, invocation);
}

void add_hold(CLI::App& app, Invocation& invocation) {
  CLI::App& hold = *app.add_subcommand("hold", "Keep what is known of a person, whatever is asked");
  hold.require_subcommand(1);

  auto place = std::make_shared<PlaceOptions>();
  CLI::App& placing = *hold.add_subcommand("place", "Nothing of a person is erased from now on");
  placing.add_option("NAME", place->subject, "The person, as it was given with the events")
      ->required();
  placing
      .add_option("--reference", place->reference,
                  "Of the case, at most 32 characters; nothing of a person")
      ->required();
  placing.add_option("--class", place->classes, "Only this retention class; may be repeated")
      ->check(CLI::Range(0, 253));
  placing.add_flag("--json", place->json, "Print JSON");
  placing.footer(
      "A hold goes before everything: before a wish to be forgotten and before the latest day of "
      "a\n"
      "class. What waited for its release goes within an hour, or at the next `subject forget`.\n\n"
      "Example: meridian hold place 'Dr. Example' --reference case-2026-114");
  on_call(placing, invocation, place, run_place);

  auto release = std::make_shared<ReleaseOptions>();
  CLI::App& releasing = *hold.add_subcommand("release", "End a hold");
  releasing.add_option("HOLD", release->hold, "Its id, from `hold list`")->required();
  releasing.add_flag("--json", release->json, "Print JSON");
  on_call(releasing, invocation, release, run_release);

  auto list = std::make_shared<ListOptions>();
  CLI::App& listing = *hold.add_subcommand("list", "Show what is held");
  listing.add_flag("--json", list->json, "Print JSON");
  on_call(listing, invocation, list, run_holds);
}

}  // namespace

void add_keeping(CLI::App& app, Invocation& invocation) {
  add_retention(app, invocation);
  add_hold(app, invocation);
}

}  // namespace meridian::app
