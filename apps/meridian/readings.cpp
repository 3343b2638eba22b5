// `meridian readings`: who read personal data, and what for.
#include <fmt/format.h>

#include "commands.h"
#include "ledger/describe.h"
#include "output.h"
#include "run_with.h"

namespace meridian::app {
namespace {

struct ListOptions {
  ClientOptions client;
  std::uint64_t from = 0;
  bool json = false;
};

std::string opaque(const std::string& id) {
  return id.empty() ? std::string() : ledger::opaque_hex(to_u128(id));
}
OrderedJson json_of(const v1::Reading& one) {
  OrderedJson out{{"actor", opaque(one.actor())}, {"purpose", one.purpose()}};
  if (!one.stream().empty()) out["stream"] = opaque(one.stream());
  if (!one.subject().empty()) out["subject"] = opaque(one.subject());
  out["events"] = std::to_string(one.count());
  out["first"] = std::to_string(one.first());
  out["last"] = std::to_string(one.last());
  out["from"] = iso_seconds(one.from());
  out["until"] = iso_seconds(one.until());
  out["record_index"] = std::to_string(one.record_index());
  return out;
}

std::string what(const v1::Reading& one) {
  if (!one.subject().empty()) return "subject " + opaque(one.subject());
  return one.stream().empty() ? "several streams" : "stream " + opaque(one.stream());
}

Result<Exit> run_list(Client& client, const ListOptions& options) {
  v1::ReadingsRequest request;
  request.set_position(options.from);
  OrderedJson list = OrderedJson::array();
  std::vector<std::vector<std::string>> rows{
      {"until", "actor", "purpose", "events", "records", "of"}};
  v1::ReadingsReply reply;
  do {
    reply = TRY(client.call(*client.readings, &v1::Readings::Stub::List, request));
    for (const v1::Reading& one : reply.readings()) {
      list.push_back(json_of(one));
      rows.push_back({iso_seconds(one.until()), opaque(one.actor()),
                      one.purpose().empty() ? "-" : one.purpose(), std::to_string(one.count()),
                      fmt::format("{} to {}", one.first(), one.last()), what(one)});
    }
    if (!reply.end() && reply.next() <= request.position())
      return fail(Code::internal, "the server does not go on");
    request.set_position(reply.next());
  } while (!reply.end());
  if (options.json)
    print_json(list);
  else if (list.empty())
    print_line("nobody read personal data, as far as records say yet");
  else
    fmt::print("{}", format_table(rows, {3}));
  return Exit::ok;
}

}  // namespace

void add_readings(CLI::App& app, Invocation& invocation) {
  CLI::App& readings = *app.add_subcommand("readings", "Who read personal data, and what for");
  readings.require_subcommand(1);
  auto options = std::make_shared<ListOptions>();
  CLI::App& list = *readings.add_subcommand("list", "List what records say of it");
  list.add_option("--from", options->from, "Position to begin at")->type_name("POSITION");
  list.add_flag("--json", options->json, "Print JSON");
  list.footer(
      "Readings are counted by actor, purpose and stream, and recorded within a minute. Ids are "
      "opaque: `meridian\nsubject status NAME` shows that of a person.\n\n"
      "Example: meridian readings list --identity ./auditor");
  on_call(list, invocation, options, run_list);
}

}  // namespace meridian::app
