// `meridian residency`: where personal data of some retention classes lives.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "act_calls.h"
#include "api/act_request.h"
#include "api/convert_keeping.h"
#include "output.h"
#include "run_with.h"

namespace meridian::app {

namespace {

struct SetOptions {
  ClientOptions client;
  std::string name;
  std::vector<std::string> regions;
  bool json = false;
};
struct ListOptions {
  ClientOptions client;
  bool json = false;
};

Result<Exit> run_set(Client& client, const SetOptions& options) {
  v1::Jurisdiction request;
  request.set_name(options.name);
  for (const std::string& region : options.regions) request.add_regions(region);
  const door::ResidencyDraft wanted = TRY(api::parse_residency(request));
  TRY(ensure_approved(client, api::residency_of(wanted)));
  const v1::KeepReply reply =
      TRY(client.call(*client.subjects, &v1::Subjects::Stub::SetResidency, request));
  if (options.json)
    print_json({{"record_index", std::to_string(reply.record_index())}});
  else
    print_line(fmt::format("jurisdiction {} is defined: record {} says so", options.name,
                           reply.record_index()));
  return Exit::ok;
}

OrderedJson json_of(const v1::Jurisdiction& one, const v1::KeepingReply& all) {
  OrderedJson classes = OrderedJson::array();
  for (const v1::RetentionClass& retention : all.classes())
    if (retention.residency() == one.name()) classes.push_back(retention.retention());
  OrderedJson regions = OrderedJson::array();
  for (const std::string& region : one.regions()) regions.push_back(region);
  return {{"name", one.name()},
          {"regions", std::move(regions)},
          {"classes", std::move(classes)},
          {"has_key", one.has_key()},
          {"held_here", one.held_here()},
          {"available", one.available()},
          {"turn", one.turn()},
          {"turning", one.turning()},
          {"older_keys", one.older_keys()}};
}

Result<Exit> run_list(Client& client, const ListOptions& options) {
  const v1::KeepingReply reply =
      TRY(client.call(*client.subjects, &v1::Subjects::Stub::Keeping, v1::KeepingRequest()));
  if (options.json) {
    OrderedJson list = OrderedJson::array();
    for (const v1::Jurisdiction& one : reply.jurisdictions()) list.push_back(json_of(one, reply));
    print_json({{"jurisdictions", std::move(list)}});
    return Exit::ok;
  }
  if (reply.jurisdictions().empty()) {
    print_line("no jurisdiction is defined: what is about persons can be read in every region");
    return Exit::ok;
  }
  std::vector<std::vector<std::string>> rows{
      {"NAME", "REGIONS", "CLASSES", "HERE", "WRITABLE", "TURN", "OLDER KEYS"}};
  for (const v1::Jurisdiction& one : reply.jurisdictions()) {
    std::vector<std::uint32_t> classes;
    for (const v1::RetentionClass& retention : reply.classes())
      if (retention.residency() == one.name()) classes.push_back(retention.retention());
    rows.push_back({one.name(), fmt::format("{}", fmt::join(one.regions(), ",")),
                    classes.empty() ? "-" : fmt::format("{}", fmt::join(classes, ",")),
                    one.held_here() ? "read" : "-",
                    !one.has_key()    ? "no key yet"
                    : one.available() ? "yes"
                                      : "no",
                    fmt::format("{}{}", one.turn(), one.turning() ? ", next is wanted" : ""),
                    std::to_string(one.older_keys())});
  }
  fmt::print("{}", format_table(rows, {}));
  return Exit::ok;
}

}  // namespace

void add_residency(CLI::App& app, Invocation& invocation) {
  CLI::App& residency =
      *app.add_subcommand("residency", "Say where personal data of some classes can be read");
  residency.require_subcommand(1);

  auto set = std::make_shared<SetOptions>();
  CLI::App& setting =
      *residency.add_subcommand("set", "Define a jurisdiction, or add regions to it");
  setting.add_option("NAME", set->name, "At most 24 characters")->required();
  setting
      .add_option("--regions", set->regions, "All of its regions, two or more: eu-west,eu-north")
      ->required()
      ->delimiter(',');
  setting.add_flag("--json", set->json, "Print JSON");
  setting.footer(
      "A jurisdiction keeps its name and its regions for good; further ones may be added, and "
      "read\n"
      "all that lives there from then on. `retention set --residency NAME` puts a class there.\n\n"
      "Example: meridian residency set eu --regions eu-west,eu-north");
  add_approval_options(setting, set->client);
  on_call(setting, invocation, set, run_set);

  auto list = std::make_shared<ListOptions>();
  CLI::App& listing =
      *residency.add_subcommand("list", "Show jurisdictions, as one replica sees them");
  listing.add_flag("--json", list->json, "Print JSON");
  listing.footer(
      "HERE: whether this replica reads all that lives there. TURN: how often the key was turned "
      "over;\nOLDER KEYS: how many are kept for what was sealed before (`meridian keys rotate "
      "residency`).\n\nExample: meridian residency list --server 127.0.0.1:7401");
  on_call(listing, invocation, list, run_list);
}

}  // namespace meridian::app
