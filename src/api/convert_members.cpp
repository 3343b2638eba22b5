#include "api/convert_members.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/convert.h"
#include "api/group_status.h"
#include "api/internal/json_fields.h"
#include "ledger/describe.h"

namespace meridian::api {

namespace {

using Part = replica::GroupReport::Part;
using Peer = replica::GroupReport::Peer;
using Kind = consensus::MemberChange::Kind;
using Step = v1::ChangeMembersRequest::Step;
using Json = nlohmann::ordered_json;

static_assert(static_cast<int>(v1::Member::LEAVING) == static_cast<int>(Part::leaving));

bool leads(const replica::GroupReport& report) { return report.role == consensus::Role::leader; }

/// The one that reports, as the others are reported.
Peer self_of(const replica::GroupReport& report) {
  Peer self;
  self.member = {report.id, report.region, report.address};
  self.client_address = report.client_address;
  self.storage = report.storage;
  self.part = report.part;
  self.matched = report.last_index;
  self.state = consensus::PeerProgress::State::replicate;
  self.is_active = true;
  return self;
}

std::vector<Peer> everybody(const replica::GroupReport& report) {
  std::vector<Peer> all = report.peers;
  if (report.part != Part::none) all.push_back(self_of(report));
  std::sort(all.begin(), all.end(),
            [](const Peer& a, const Peer& b) { return a.member.id < b.member.id; });
  return all;
}

Error bad_step(std::size_t number, std::string_view why) {
  return {Code::invalid_argument, fmt::format("steps[{}]: {}", number, why)};
}

Status check_count(std::size_t count) {
  if (count >= 1 && count <= member_steps_max) return {};
  return fail(Code::invalid_argument,
              fmt::format("steps: {} are given, 1 to {} are needed", count, member_steps_max));
}

Result<Kind> parse_kind(Step::Kind kind, std::size_t number) {
  if (kind == Step::ADD) return Kind::learner;
  if (kind == Step::PROMOTE) return Kind::voter;
  if (kind == Step::REMOVE) return Kind::remove;
  return bad_step(number, "kind: expected ADD, PROMOTE or REMOVE");
}

/// One step has exactly one member, its kind.
Result<replica::MemberStep> parse_step_json(const nlohmann::json& json, std::size_t number) {
  const std::string path = fmt::format("steps[{}]", number);
  internal::JsonFields fields(json, path);
  replica::MemberStep step{};
  int kinds = 0;
  const auto has = [&](std::string_view kind) {
    const bool is_there = fields.has(kind);
    kinds += is_there ? 1 : 0;
    return is_there;
  };
  if (has("add")) {
    internal::JsonFields add(*fields.find("add"), path + ".add");
    step.change = Kind::learner;
    step.member = {add.number("id"), add.text("region"), add.text("peer_address")};
    TRY(add.finish());
  }
  if (has("promote")) {
    step.change = Kind::voter;
    step.member.id = fields.number("promote");
  }
  if (has("remove")) {
    step.change = Kind::remove;
    step.member.id = fields.number("remove");
  }
  TRY(fields.finish());
  if (kinds != 1) return bad_step(number, "expected one of add, promote and remove");
  return step;
}

}  // namespace

Result<std::vector<replica::MemberStep>> parse_steps(const v1::ChangeMembersRequest& request) {
  TRY(check_count(static_cast<std::size_t>(request.steps_size())));
  std::vector<replica::MemberStep> steps;
  for (const Step& step : request.steps()) {
    const std::size_t number = steps.size();
    const Kind kind = TRY(parse_kind(step.kind(), number));
    if (kind != Kind::learner && !(step.region().empty() && step.peer_address().empty()))
      return bad_step(number, "region and peer_address are said of who is added only");
    steps.push_back({{step.id(), step.region(), step.peer_address()}, kind});
  }
  return steps;
}

Result<std::vector<replica::MemberStep>> parse_steps_json(std::string_view body) {
  const nlohmann::json json = TRY(internal::parse_json(body));
  internal::JsonFields fields(json, "");
  const nlohmann::json* list = fields.find("steps");
  TRY(fields.finish());
  if (list == nullptr || !list->is_array())
    return fail(Code::invalid_argument, "steps: expected a list");
  TRY(check_count(list->size()));
  std::vector<replica::MemberStep> steps;
  for (const nlohmann::json& one : *list) steps.push_back(TRY(parse_step_json(one, steps.size())));
  return steps;
}

void fill(const replica::GroupReport& report, u128 cell, v1::MembersReply& reply) {
  reply.set_cell(format_u128(cell));
  reply.set_answered_by(report.id);
  reply.set_term(report.term);
  reply.set_leader(report.leader);
  reply.set_leader_address(report.leader_address);
  reply.set_changing(report.is_changing);
  for (const Peer& peer : everybody(report)) {
    v1::Member& to = *reply.add_members();
    to.set_id(peer.member.id);
    to.set_region(peer.member.region);
    to.set_peer_address(peer.member.address);
    to.set_client_address(peer.client_address);
    if (peer.storage != 0) to.set_storage(format_u128(peer.storage));
    to.set_part(static_cast<v1::Member::Part>(peer.part));
    if (!leads(report)) continue;
    to.set_matched_index(peer.matched);
    to.set_lag_entries(peer.lag);
    to.set_state(std::string(name(peer.state)));
    to.set_active(peer.is_active);
  }
  for (const std::uint64_t id : report.ids_left) reply.add_ids_left(id);
}

Json members_json(const replica::GroupReport& report, u128 cell) {
  Json members = Json::array();
  for (const Peer& peer : everybody(report)) {
    Json one{{"id", std::to_string(peer.member.id)},
             {"region", peer.member.region},
             {"peer_address", peer.member.address},
             {"client_address", peer.client_address},
             {"storage", peer.storage == 0 ? "" : ledger::opaque_hex(peer.storage)},
             {"part", name(peer.part)}};
    if (leads(report)) {
      one["matched_index"] = std::to_string(peer.matched);
      one["lag_entries"] = std::to_string(peer.lag);
      one["state"] = name(peer.state);
      one["active"] = peer.is_active;
    }
    members.push_back(std::move(one));
  }
  Json left = Json::array();
  for (const std::uint64_t id : report.ids_left) left.push_back(std::to_string(id));
  return {{"cell", ledger::opaque_hex(cell)},        {"answered_by", std::to_string(report.id)},
          {"term", std::to_string(report.term)},     {"leader", std::to_string(report.leader)},
          {"leader_address", report.leader_address}, {"changing", report.is_changing},
          {"members", std::move(members)},           {"ids_left", std::move(left)}};
}

std::string_view name(Part part) {
  switch (part) {
    case Part::none: return "";
    case Part::learner: return "learner";
    case Part::voter: return "voter";
    case Part::leaving: return "leaving";
  }
  return {};
}

Error not_the_leader(const replica::GroupReport& report) {
  if (report.leader == 0 || report.leader == report.id)
    return {Code::unavailable, "the cell has no leader now: nothing was done"};
  return {
      Code::unavailable,
      fmt::format("replica {} leads the cell and knows how far its members are: nothing was done",
                  report.leader)};
}

Error no_group() {
  return {Code::failed_precondition,
          "this node is alone, and no replica of a cell: see `meridian serve --help` for how to "
          "start several"};
}

}  // namespace meridian::api
