#include "api/act_request.h"
#include "api/convert_members.h"
#include "api/internal/unary_call.h"
#include "api/second_person.h"
#include "api/services.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::api {
namespace {

using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;
using internal::UnaryCall;

constexpr std::string_view change_deadline_message =
    "the outcome is unknown: Members.List (`meridian node list`) shows whether the change was made";

class MembersService final : public v1::Members::CallbackService {
 public:
  explicit MembersService(Backend& backend) : backend_(backend) {}

  Reactor* List(Context* context, const v1::MembersRequest* request,
                v1::MembersReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    backend_.cell.replica().report([call, cell = backend_.cell_id, own = request->own_view()](
                                       const replica::Replica::Report& report) {
      if (!report.group) return call.refuse(no_group());
      if (!own && report.group->role != consensus::Role::leader)
        return call.refuse(not_the_leader(*report.group));
      call.answer([&](v1::MembersReply& out) { fill(*report.group, cell, out); });
    });
    return call.reactor();
  }

  Reactor* Change(Context* context, const v1::ChangeMembersRequest* request,
                  v1::ChangeMembersReply* reply) override {
    UnaryCall call(backend_, context, reply, change_deadline_message);
    Result<std::vector<replica::MemberStep>> steps = parse_steps(*request);
    if (!steps) return call.refused(steps.error());
    grpc::ServerUnaryReactor* reactor = call.reactor();
    mesh::ActRequest act = change_of_members(*steps);  // before they are moved
    begin_act(backend_, call.asker(), std::move(act),
              [this, call, steps = std::move(*steps)](const meridian::Status& may) mutable {
                if (!may) return call.refuse(may.error());
                backend_.cell.replica().change_members(
                    std::move(steps), [call](const meridian::Status& done) {
                      if (!done) return call.refuse(done.error());
                      call.answer([](v1::ChangeMembersReply&) {});
                    });
              });
    return reactor;
  }

 private:
  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_members_service(Backend& backend) {
  return std::make_unique<MembersService>(backend);
}

}  // namespace meridian::api
