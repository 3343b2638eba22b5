// The state of this node by GET: never waits for others.
#include "api/convert_json.h"
#include "api/convert_policy.h"
#include "api/group_status.h"
#include "api/internal/http_routes.h"
#include "ledger/describe.h"

namespace meridian::api::internal {
namespace {

using Json = nlohmann::ordered_json;

Json group_json(const replica::GroupReport& group) {
  Json peers = Json::array();
  for (const replica::GroupReport::Peer& peer : group.peers) {
    Json json{{"id", std::to_string(peer.member.id)},
              {"region", peer.member.region},
              {"peer_address", peer.member.address},
              {"client_address", peer.client_address},
              {"votes", peer.votes}};
    if (group.role == consensus::Role::leader) {
      json["matched_index"] = std::to_string(peer.matched);
      json["lag_entries"] = std::to_string(peer.lag);
      json["state"] = name(peer.state);
      json["active"] = peer.is_active;
    }
    peers.push_back(std::move(json));
  }
  return {{"id", std::to_string(group.id)},
          {"region", group.region},
          {"role", name(group.role)},
          {"may_propose", group.may_propose},
          {"term", std::to_string(group.term)},
          {"leader", std::to_string(group.leader)},
          {"leader_address", group.leader_address},
          {"commit_index", std::to_string(group.commit_index)},
          {"applied_index", std::to_string(group.applied_index)},
          {"last_index", std::to_string(group.last_index)},
          {"global_index", std::to_string(group.global_index)},
          {"elections", std::to_string(group.elections)},
          {"failover_bound_ms", std::to_string(group.failover_bound_ms)},
          {"election_timeout_ms", std::to_string(group.election_timeout_ms)},
          {"lacks_room", group.lacks_room},
          {"peers", std::move(peers)}};
}

}  // namespace

void get_status(Backend& backend, const HttpApi::CallRef& call) {
  backend.cell.replica().report(
      [call, &backend, cell = backend.cell_id](const replica::Replica::Report& report) {
        Json json{{"version", version},
                  {"cell", ledger::opaque_hex(cell)},
                  {"records", std::to_string(report.counts.records)},
                  {"accounts", std::to_string(report.counts.accounts)},
                  {"streams", std::to_string(report.counts.streams)},
                  {"pendings", std::to_string(report.counts.pendings)},
                  {"last_entry_index", std::to_string(report.last_entry_index)},
                  {"term", std::to_string(report.term)},
                  {"checkpoint_record", std::to_string(report.checkpoint_record)},
                  {"debt_bytes", std::to_string(report.debt_bytes)},
                  {"at_capacity", report.at_capacity}};
        if (report.signed_head) {
          json["signed_records"] = std::to_string(raw(report.signed_head->size));
          json["signed_root"] = to_hex(report.signed_head->root);
        }
        if (backend.callers != nullptr) json["policy"] = policy_state_json(backend);
        if (report.group) json["group"] = group_json(*report.group);
        call->reply_json(json.dump());
      });
}

}  // namespace meridian::api::internal
