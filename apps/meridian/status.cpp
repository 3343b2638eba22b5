#include <fmt/format.h>

#include "api/group_status.h"
#include "ledger/describe.h"
#include "mesh/break_glass.h"
#include "output.h"
#include "run_with.h"

namespace meridian::app {

namespace {

struct StatusOptions {
  ClientOptions client;
  bool json = false;
};
struct OutcomeOptions {
  ClientOptions client;
  std::string transfer, event, account;
  bool json = false;
};

bool is_leader(const v1::GroupStatus& group) { return group.role() == v1::GroupStatus::LEADER; }

/// The peers are left out.
OrderedJson group_json(const v1::GroupStatus& group) {
  OrderedJson out;
  out["id"] = group.id();
  out["region"] = group.region();
  out["role"] = api::name(static_cast<consensus::Role>(group.role()));
  out["takes_writes"] = group.may_propose();
  out["term"] = group.term();
  out["leader"] = group.leader();
  out["leader_address"] = group.leader_address();
  out["commit_index"] = group.commit_index();
  out["applied_index"] = group.applied_index();
  out["last_index"] = group.last_index();
  if (is_leader(group)) out["global_index"] = group.global_index();
  out["elections"] = group.elections();
  out["failover_bound_ms"] = group.failover_bound_ms();
  out["election_timeout_ms"] = group.election_timeout_ms();
  if (group.lacks_room()) out["lacks_room"] = true;
  return out;
}

OrderedJson peer_json(const v1::GroupStatus::Peer& peer, bool of_leader) {
  OrderedJson out;
  out["id"] = peer.id();
  out["region"] = peer.region();
  out["peer_address"] = peer.peer_address();
  out["client_address"] = peer.client_address();
  out["votes"] = peer.votes();
  if (!of_leader) return out;
  out["matched_index"] = peer.matched_index();
  out["lag_entries"] = peer.lag_entries();
  out["state"] = peer.state();
  out["active"] = peer.active();
  return out;
}

std::vector<std::vector<std::string>> rows_of(const OrderedJson& object) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, value] : object.items())
    rows.push_back({name, value.is_string() ? value.get<std::string>() : value.dump()});
  return rows;
}

void print_group(const v1::GroupStatus& group) {
  print_line("\nThis replica in its group:");
  fmt::print("{}", format_table(rows_of(group_json(group)), {}));
  print_line(is_leader(group) ? "\nIts peers, as far as a leader knows:" : "\nIts peers:");
  std::vector<std::vector<std::string>> rows;
  for (const v1::GroupStatus::Peer& peer : group.peers()) {
    const std::vector<std::vector<std::string>> fields = rows_of(peer_json(peer, is_leader(group)));
    if (rows.empty()) {
      rows.emplace_back();
      for (const auto& field : fields) rows.front().push_back(field[0]);
    }
    rows.emplace_back();
    for (const auto& field : fields) rows.back().push_back(field[1]);
  }
  fmt::print("{}", format_table(rows, {}));
}

Result<Exit> run_status(Client& client, const StatusOptions& options) {
  const v1::StatusReply reply =
      TRY(client.call(*client.admin, &v1::Admin::Stub::Status, v1::StatusRequest()));
  OrderedJson out;
  out["version"] = reply.version();
  out["cell"] = ledger::opaque_hex(to_u128(reply.cell()));
  out["records"] = reply.records();
  out["accounts"] = reply.accounts();
  out["streams"] = reply.streams();
  out["pendings"] = reply.pendings();
  out["last_entry_index"] = reply.last_entry_index();
  out["checkpoint_record"] = reply.checkpoint_record();
  out["debt_bytes"] = reply.debt_bytes();
  out["at_capacity"] = reply.at_capacity();
  out["term"] = reply.term();
  if (reply.has_policy()) {
    const v1::PolicyState& policy = reply.policy();
    out["policy"] = policy.digest().empty() ? "none: nothing but the status is answered"
                                            : to_hex(as_bytes(policy.digest()));
    out["policy_version"] = policy.version();
    out["policy_bootstrap"] = policy.bootstrap();
    for (const std::string& text : policy.glass())
      if (const Result<mesh::Glass> glass = mesh::parse_glass(text))
        out["ALARM"].push_back(fmt::format("the glass is broken until {}, for {}: {}",
                                           iso_seconds(glass->until_s), glass->to, glass->reason));
  }
  if (!reply.signed_root().empty()) {
    out["signed_records"] = reply.signed_records();
    out["signed_root"] = to_hex(as_bytes(reply.signed_root()));
  }
  if (options.json) {
    if (reply.has_group()) {
      out["group"] = group_json(reply.group());
      out["group"]["peers"] = OrderedJson::array();
      for (const v1::GroupStatus::Peer& peer : reply.group().peers())
        out["group"]["peers"].push_back(peer_json(peer, is_leader(reply.group())));
    }
    print_json(out);
    return Exit::ok;
  }
  fmt::print("{}", format_table(rows_of(out), {}));
  if (reply.has_group()) print_group(reply.group());
  return Exit::ok;
}

Result<Exit> run_outcome(Client& client, const OutcomeOptions& options) {
  const auto [kind, text] =
      !options.transfer.empty() ? std::pair(v1::OutcomeRequest::TRANSFER, options.transfer)
      : !options.event.empty()  ? std::pair(v1::OutcomeRequest::EVENT, options.event)
                                : std::pair(v1::OutcomeRequest::ACCOUNT, options.account);
  const u128 id = TRY(parse_id(text, "id"));
  const std::optional<v1::CommandResult> result = TRY(client.outcome(kind, id));
  if (options.json) {
    OrderedJson out = result ? json_of(*result) : OrderedJson::object();
    out["known"] = result.has_value();
    print_json(out);
  } else if (result) {
    print_line(fmt::format("{}: record {} at {}", result->name(), result->record_index(),
                           ledger::iso_time(result->timestamp())));
  } else {
    print_line("unknown: it never reached the ledger. send it again with the same id");
  }
  return result ? Exit::ok : Exit::refused;
}

}  // namespace

void add_status(CLI::App& app, Invocation& invocation) {
  auto status = std::make_shared<StatusOptions>();
  CLI::App& asking = *app.add_subcommand("status", "Show what the server holds");
  asking.add_flag("--json", status->json, "Print JSON");
  asking.footer(
      "Asks the one server that answers first and is given first; the state of a replica is its "
      "own\nview. Of a group it shows who leads, what is committed, how far the others are (on the "
      "leader),\nand how long a failover takes at most.\n\n"
      "Example: meridian status --server 127.0.0.1:7401");
  on_call(asking, invocation, status, run_status);

  auto outcome = std::make_shared<OutcomeOptions>();
  CLI::App& outcomes =
      *app.add_subcommand("outcome", "Tell what became of a command whose answer got lost");
  CLI::Option_group& which = *outcomes.add_option_group("which", "The command, one of");
  which.add_option("--transfer", outcome->transfer, "Id of a transfer")->check(check_id);
  which.add_option("--event", outcome->event, "Id of an event")->check(check_id);
  which.add_option("--account", outcome->account, "Id of an account")->check(check_id);
  which.require_option(1);
  outcomes.add_flag("--json", outcome->json, "Print JSON");
  outcomes.footer(
      "Exit code 0 if the ledger knows the id, 1 if it never arrived.\n\n"
      "Example: meridian outcome --transfer 77");
  on_call(outcomes, invocation, outcome, run_outcome);
}

}  // namespace meridian::app
