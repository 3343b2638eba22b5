#include "member_calls.h"

#include <fmt/format.h>

#include <algorithm>

#include "act_calls.h"
#include "api/act_request.h"
#include "api/convert_members.h"
#include "leader_call.h"
#include "ledger/describe.h"
#include "replica/member_checks.h"

namespace meridian::app {

namespace {

constexpr io::Duration leader_patience = io::seconds(5);
constexpr io::Duration ask_period = io::milliseconds(500);
constexpr io::Duration tell_period = io::seconds(2);

constexpr std::string_view change_unknown =
    "it is unknown whether the members were changed: see with `meridian node list`, then repeat "
    "the "
    "command if they were not";

const char* part_name(v1::Member::Part part) {
  if (part == v1::Member::LEARNER) return "learner";
  if (part == v1::Member::VOTER) return "voter";
  return part == v1::Member::LEAVING ? "leaving" : "";
}

bool of_leader(const v1::MembersReply& reply) {
  return reply.leader() != 0 && reply.leader() == reply.answered_by();
}

std::string cell_text(const v1::MembersReply& reply) {
  return ledger::opaque_hex(to_u128(reply.cell()));
}

std::string storage_text(const v1::Member& member) {
  return member.storage().empty() ? std::string() : ledger::opaque_hex(to_u128(member.storage()));
}

}  // namespace

Result<v1::MembersReply> members_of_leader(Client& client) {
  const io::MonotonicTime end =
      std::min(client.deadline(), client.clock().monotonic() + leader_patience);
  return call_leader(client, end, Repeat::always, "", &v1::Members::Stub::List,
                     v1::MembersRequest());
}

Result<v1::MembersReply> members_seen(Client& client) {
  Result<v1::MembersReply> reply = members_of_leader(client);
  if (reply ||
      (reply.error().code != Code::unavailable && reply.error().code != Code::deadline_exceeded))
    return reply;
  v1::MembersRequest request;
  request.set_own_view(true);
  if (!client.wait_connected(Client::connect_patience)) return reply;
  return call_leader(client, client.deadline(), Repeat::always, "", &v1::Members::Stub::List,
                     request);
}

Status change_members(Client& client, const v1::ChangeMembersRequest& request) {
  const std::vector<replica::MemberStep> steps = TRY(api::parse_steps(request));
  TRY(ensure_approved(client, api::change_of_members(steps)));
  TRY(call_leader(client, client.deadline(), Repeat::only_undone, change_unknown,
                  &v1::Members::Stub::Change, request));
  return {};
}

const v1::Member* find_member(const v1::MembersReply& reply, std::uint64_t id) {
  for (const v1::Member& member : reply.members())
    if (member.id() == id) return &member;
  return nullptr;
}

bool has_left(const v1::MembersReply& reply, std::uint64_t id) {
  return std::find(reply.ids_left().begin(), reply.ids_left().end(), id) != reply.ids_left().end();
}

bool may_vote(const v1::Member& learner) {
  return learner.active() && learner.state() == "replicate" &&
         learner.lag_entries() <= replica::promotion_lag_max;
}

std::string progress_of(const v1::Member& learner) {
  if (!learner.active()) return "does not answer";
  return fmt::format("{}, lacks {} entries",
                     learner.state() == "snapshot" ? "copying the state" : "catching up",
                     learner.lag_entries());
}

std::string join_command(const v1::MembersReply& reply, std::uint64_t id, const std::string& region,
                         const std::string& peer_address) {
  std::string text = fmt::format(
      "meridian serve --data DIR --identity DIR --replica-id {} --region {} --peer-listen {} "
      "--cell {}",
      id, region, peer_address, cell_text(reply));
  for (const v1::Member& member : reply.members())
    if (member.part() == v1::Member::VOTER && member.id() != id && member.active())
      text += fmt::format(" --join {}={}@{}", member.id(), member.region(), member.peer_address());
  return text;
}

OrderedJson json_of(const v1::MembersReply& reply) {
  OrderedJson members = OrderedJson::array();
  for (const v1::Member& member : reply.members()) {
    OrderedJson one{
        {"id", std::to_string(member.id())},     {"region", member.region()},
        {"peer_address", member.peer_address()}, {"client_address", member.client_address()},
        {"storage", storage_text(member)},       {"part", part_name(member.part())}};
    if (of_leader(reply)) {
      one["matched_index"] = std::to_string(member.matched_index());
      one["lag_entries"] = std::to_string(member.lag_entries());
      one["state"] = member.state();
      one["active"] = member.active();
    }
    members.push_back(std::move(one));
  }
  OrderedJson left = OrderedJson::array();
  for (const std::uint64_t id : reply.ids_left()) left.push_back(std::to_string(id));
  return {{"cell", cell_text(reply)},
          {"answered_by", std::to_string(reply.answered_by())},
          {"term", std::to_string(reply.term())},
          {"leader", std::to_string(reply.leader())},
          {"leader_address", reply.leader_address()},
          {"changing", reply.changing()},
          {"members", std::move(members)},
          {"ids_left", std::move(left)}};
}

std::string table_of(const v1::MembersReply& reply) {
  const bool knows_all = of_leader(reply);
  std::vector<std::vector<std::string>> rows;
  rows.push_back({"id", "region", "peers at", "clients at", "part", "storage"});
  if (knows_all) rows.back().insert(rows.back().end(), {"has entry", "lacks", "state", "answers"});
  for (const v1::Member& member : reply.members()) {
    const bool leads = member.id() == reply.leader();
    std::vector<std::string> row{std::to_string(member.id()),
                                 member.region(),
                                 member.peer_address(),
                                 member.client_address(),
                                 leads ? "leader" : part_name(member.part()),
                                 storage_text(member).substr(0, 8)};
    if (knows_all)
      row.insert(row.end(),
                 {std::to_string(member.matched_index()), std::to_string(member.lag_entries()),
                  leads ? "" : member.state(), member.active() ? "yes" : "no"});
    rows.push_back(std::move(row));
  }
  std::string text = format_table(rows, {6, 7});
  text += fmt::format("\ncell {}, term {}", cell_text(reply), reply.term());
  if (reply.ids_left_size() > 0) {
    text += "; ids that left:";
    for (const std::uint64_t id : reply.ids_left()) text += fmt::format(" {}", id);
  }
  text += "\n";
  if (reply.changing()) text += "a change of members is under way\n";
  if (!knows_all)
    text +=
        fmt::format("there is no leader now: this is what replica {} knows\n", reply.answered_by());
  return text;
}

Result<v1::MembersReply> wait_members(Client& client, io::Duration patience, const WaitStep& step) {
  const io::MonotonicTime end = client.clock().monotonic() + patience;
  io::MonotonicTime tell_at = client.clock().monotonic() + tell_period;
  std::string told;
  for (;;) {
    std::string progress;
    const Result<v1::MembersReply> seen = members_of_leader(client);
    if (seen) {
      if (const auto done = TRY(step(*seen, progress))) return *done;
    } else if (seen.error().code == Code::unavailable ||
               seen.error().code == Code::deadline_exceeded) {
      progress = "no leader answers: " + seen.error().message;
    } else {
      return seen.error();
    }
    const io::MonotonicTime now = client.clock().monotonic();
    if (progress != told && now >= tell_at) {
      fmt::print(stderr, "{}\n", progress);
      told = progress;
      tell_at = now + tell_period;
    }
    if (now + ask_period >= end)
      return fail(
          Code::deadline_exceeded,
          fmt::format("not complete in time ({}). `meridian node list` shows how far it is; "
                      "the same command goes on from there",
                      progress));
    pause(ask_period);
  }
}

Result<v1::MembersReply> wait_complete(Client& client, io::Duration patience) {
  return wait_members(client, patience, [](const v1::MembersReply& seen, std::string& progress) {
    progress = "the change was taken and is being completed";
    return Result<std::optional<v1::MembersReply>>(seen.changing() ? std::nullopt
                                                                   : std::optional(seen));
  });
}

}  // namespace meridian::app
