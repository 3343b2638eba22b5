#include "api/convert.h"
#include "api/convert_policy.h"
#include "api/group_status.h"
#include "api/internal/unary_call.h"
#include "api/services.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::api {
namespace {

using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;
using internal::UnaryCall;

void fill(const replica::GroupReport& group, v1::GroupStatus& out) {
  out.set_id(group.id);
  out.set_region(group.region);
  out.set_role(static_cast<v1::GroupStatus::Role>(group.role));
  out.set_may_propose(group.may_propose);
  out.set_term(group.term);
  out.set_leader(group.leader);
  out.set_leader_address(group.leader_address);
  out.set_commit_index(group.commit_index);
  out.set_applied_index(group.applied_index);
  out.set_last_index(group.last_index);
  out.set_global_index(group.global_index);
  out.set_elections(group.elections);
  out.set_failover_bound_ms(group.failover_bound_ms);
  out.set_election_timeout_ms(group.election_timeout_ms);
  out.set_lacks_room(group.lacks_room);
  for (const replica::GroupReport::Peer& peer : group.peers) {
    v1::GroupStatus::Peer& to = *out.add_peers();
    to.set_id(peer.member.id);
    to.set_region(peer.member.region);
    to.set_peer_address(peer.member.address);
    to.set_client_address(peer.client_address);
    to.set_votes(peer.votes);
    if (group.role != consensus::Role::leader) continue;
    to.set_matched_index(peer.matched);
    to.set_lag_entries(peer.lag);
    to.set_state(std::string(name(peer.state)));
    to.set_active(peer.is_active);
  }
}

static_assert(static_cast<int>(v1::GroupStatus::LEADER) ==
              static_cast<int>(consensus::Role::leader));

class AdminService final : public v1::Admin::CallbackService {
 public:
  explicit AdminService(Backend& backend) : backend_(backend) {}

  Reactor* Status(Context* context, const v1::StatusRequest*, v1::StatusReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    backend_.cell.replica().report(
        [call, &backend = backend_](const replica::Replica::Report& report) {
          call.answer([&](v1::StatusReply& out) {
            if (backend.callers != nullptr) fill_state(backend, *out.mutable_policy());
            out.set_version(std::string(version));
            out.set_cell(format_u128(backend.cell_id));
            out.set_records(report.counts.records);
            out.set_accounts(report.counts.accounts);
            out.set_streams(report.counts.streams);
            out.set_pendings(report.counts.pendings);
            out.set_last_entry_index(report.last_entry_index);
            out.set_checkpoint_record(report.checkpoint_record);
            out.set_debt_bytes(report.debt_bytes);
            out.set_at_capacity(report.at_capacity);
            out.set_term(report.term);
            if (report.signed_head) {
              out.set_signed_records(raw(report.signed_head->size));
              out.set_signed_root(report.signed_head->root.data(), report.signed_head->root.size());
            }
            if (report.group) fill(*report.group, *out.mutable_group());
          });
        });
    return call.reactor();
  }

  Reactor* Settle(Context* context, const v1::SettleRequest*, v1::SettleReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    backend_.cell.replica().settle([call] { call.answer([](v1::SettleReply&) {}); });
    return call.reactor();
  }

  Reactor* Metrics(Context* context, const v1::MetricsRequest*, v1::MetricsReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    call.answer([this](v1::MetricsReply& out) { out.set_text(backend_.metrics_text()); });
    return call.reactor();
  }

 private:
  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_admin_service(Backend& backend) {
  return std::make_unique<AdminService>(backend);
}

}  // namespace meridian::api
