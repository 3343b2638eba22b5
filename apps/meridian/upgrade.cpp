// `meridian upgrade`: which feature levels the replicas of a cell run, and activating the next.
//
//   every replica runs N --start a version of N and N+1, one by one--> every replica runs both
//     <--the way back, any time--                        --activate--> the cell is at N+1, for good
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "act_calls.h"
#include "api/act_request.h"
#include "commands.h"
#include "leader_call.h"
#include "output.h"
#include "run_with.h"

namespace meridian::app {

namespace {

struct StatusOptions {
  ClientOptions client;
  bool json = false;
};
struct ActivateOptions {
  ClientOptions client;
  std::uint32_t level = 0;  ///< 0: the next.
  bool json = false;
};

Result<v1::UpgradeStatusReply> ask_status(Client& client) {
  return call_leader(client, client.deadline(), Repeat::always, "", &v1::Upgrade::Stub::Status,
                     v1::UpgradeStatusRequest());
}

/// As the HTTP interface has it.
OrderedJson json_of(const v1::UpgradeStatusReply& reply) {
  OrderedJson members = OrderedJson::array();
  for (const v1::MemberLevels& member : reply.members()) {
    OrderedJson one{{"id", std::to_string(member.id())}, {"region", member.region()}};
    one["oldest"] = member.newest() != 0 ? OrderedJson(member.oldest()) : nullptr;
    one["newest"] = member.newest() != 0 ? OrderedJson(member.newest()) : nullptr;
    members.push_back(std::move(one));
  }
  return {{"answered_by", std::to_string(reply.answered_by())},
          {"leader", std::to_string(reply.leader())},
          {"leader_address", reply.leader_address()},
          {"active_level", reply.active_level()},
          {"activatable_level", reply.activatable_level()},
          {"members", std::move(members)}};
}

void print(const v1::UpgradeStatusReply& reply) {
  std::vector<std::vector<std::string>> rows{{"id", "region", "runs levels"}};
  for (const v1::MemberLevels& member : reply.members()) {
    std::string levels = fmt::format("{} to {}", member.oldest(), member.newest());
    if (member.oldest() == member.newest()) levels = std::to_string(member.newest());
    if (member.newest() == 0) levels = "has not said (down, or a version of level 1 only)";
    rows.push_back({std::to_string(member.id()), member.region(), levels});
  }
  fmt::print("{}\nfeature level {} is active\n", format_table(rows, {}), reply.active_level());
  if (reply.activatable_level() != 0)
    fmt::print(
        "level {} is run by every member: `meridian upgrade activate` makes it the cell's. until "
        "then there is a way back\n",
        reply.activatable_level());
}

Result<Exit> run_status(Client& client, const StatusOptions& options) {
  const v1::UpgradeStatusReply reply = TRY(ask_status(client));
  if (options.json)
    print_json(json_of(reply));
  else
    print(reply);
  return Exit::ok;
}

Result<Exit> run_activate(Client& client, const ActivateOptions& options) {
  v1::ActivateLevelRequest request;
  request.set_level(options.level);
  if (options.level == 0) request.set_level(TRY(ask_status(client)).active_level() + 1);
  TRY(ensure_approved(client, api::activation_of(request.level())));
  TRY(call_leader(client, client.deadline(), Repeat::only_undone,
                  "it is unknown whether the level was activated: see with `meridian upgrade "
                  "status`, then repeat the command if it was not",
                  &v1::Upgrade::Stub::Activate, request));
  if (options.json) {
    print_json({{"active_level", request.level()}});
    return Exit::ok;
  }
  print_line(
      fmt::format("feature level {} is active now. it is never taken back: versions that do "
                  "not run it cannot be started any more",
                  request.level()));
  return Exit::ok;
}

}  // namespace

void add_upgrade(CLI::App& app, Invocation& invocation) {
  CLI::App& upgrade = *app.add_subcommand(
      "upgrade", "Show which feature levels a cell's replicas run, and activate the next");
  upgrade.require_subcommand(1);
  upgrade.footer(
      "A version runs the newest feature level it knows and the one before. Start the new version "
      "on one\nreplica after the other; the cell goes on at the old level, and each may go back. "
      "Once all run the new\none, activate it: that is a record of the ledger and has no way "
      "back.");

  auto looking = std::make_shared<StatusOptions>();
  CLI::App& status = *upgrade.add_subcommand("status", "Show what each replica runs");
  status.add_flag("--json", looking->json, "Print JSON");
  status.footer("Example: meridian upgrade status --server 127.0.0.1:7401,127.0.0.1:7402");
  on_call(status, invocation, looking, run_status);

  auto activating = std::make_shared<ActivateOptions>();
  CLI::App& activate = *upgrade.add_subcommand("activate", "Make a level the cell's, for good");
  activate
      .add_option("--level", activating->level, "The level (else the one after the active one)")
      ->check(CLI::Range(1, 1'000'000))
      ->type_name("N");
  activate.add_flag("--json", activating->json, "Print JSON");
  activate.footer(
      "Refused, naming who, unless every member said within the last seconds that it runs the "
      "level.\n\nExample: meridian upgrade activate --server 127.0.0.1:7401,127.0.0.1:7402");
  add_approval_options(activate, activating->client);
  on_call(activate, invocation, activating, run_activate);
}

}  // namespace meridian::app
