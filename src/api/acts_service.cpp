#include <fmt/format.h>

#include "api/convert_acts.h"
#include "api/internal/unary_call.h"
#include "api/services.h"
#include "api/signed_caller.h"
#include "meridian/v1/acts.grpc.pb.h"

namespace meridian::api {
namespace {

using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;
using internal::UnaryCall;

constexpr std::string_view unknown_outcome =
    "the outcome is unknown: Acts.List (`meridian act list`) shows whether it was taken";

class ActsService final : public v1::Acts::CallbackService {
 public:
  explicit ActsService(Backend& backend) : backend_(backend) {}

  Reactor* List(Context* context, const v1::ActsRequest*, v1::ActsReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    return call.read([this, call] {
      auto answer = [this, call] {
        call.answer([&](v1::ActsReply& out) { fill_acts(backend_, call.asker(), out); });
      };
      if (backend_.acts == nullptr) return answer();
      backend_.acts->refresh(std::move(answer));
    });
  }

  Reactor* Propose(Context* context, const v1::ProposeActRequest* request,
                   v1::ProposeActReply* reply) override {
    UnaryCall call(backend_, context, reply, unknown_outcome);
    Result<mesh::SignedText> statement =
        signed_by_caller(backend_, call.asker(), request->statement());
    if (!statement) return call.refused(statement.error());
    const Result<mesh::ActStatement> act = mesh::parse_act(statement->text);
    if (!act) return call.refused(act.error());
    if (const meridian::Status may = call.asker().check(act->what.action); !may)
      return call.refused(may.error());
    if (backend_.acts == nullptr) return call.refused(no_acts());
    const crypto::Digest hash = mesh::act_hash(statement->text);
    backend_.acts->propose(
        call.actor(), std::move(*statement), [call, hash](const meridian::Status& done) {
          if (!done) return call.refuse(done.error());
          call.answer([&](v1::ProposeActReply& out) { out.set_hash(hash.data(), hash.size()); });
        });
    return call.reactor();
  }

  Reactor* Approve(Context* context, const v1::ApproveActRequest* request,
                   v1::ApproveActReply* reply) override {
    UnaryCall call(backend_, context, reply, unknown_outcome);
    Result<mesh::SignedText> approval =
        signed_by_caller(backend_, call.asker(), request->approval());
    if (!approval) return call.refused(approval.error());
    const Result<crypto::Digest> hash = parse_hash(request->hash());
    if (!hash) return call.refused(hash.error());
    if (backend_.acts == nullptr) return call.refused(no_acts());
    backend_.acts->approve(
        call.actor(), *hash, std::move(*approval),
        [asker = call.asker()](const mesh::ActHistory::Act& act) {
          return asker.check(act.statement.what.action);
        },
        [call](const meridian::Status& done) {
          if (!done) return call.refuse(done.error());
          call.answer([](v1::ApproveActReply&) {});
        });
    return call.reactor();
  }

  Reactor* BreakGlass(Context* context, const v1::BreakGlassRequest* request,
                      v1::BreakGlassReply* reply) override {
    UnaryCall call(backend_, context, reply, unknown_outcome);
    Result<mesh::SignedGlass> glass = mesh::read_glass(request->note());
    if (!glass) return call.refused(glass.error());
    const std::shared_ptr<const mesh::Policy> policy = backend_.access.policy();
    if (backend_.acts == nullptr || policy == nullptr) return call.refused(no_acts());
    if (call.asker().id() != glass->glass.to)
      return call.refused(
          fail(Code::permission_denied, fmt::format("break-glass: it is for {}", glass->glass.to)));
    if (const meridian::Status good = mesh::verify_glass(*glass, policy->glass_keys()); !good)
      return call.refused(good.error());
    const crypto::Digest hash = glass->hash;
    backend_.acts->break_glass(
        call.actor(), std::move(*glass), [call, hash](const meridian::Status& done) {
          if (!done) return call.refuse(done.error());
          call.answer([&](v1::BreakGlassReply& out) { out.set_hash(hash.data(), hash.size()); });
        });
    return call.reactor();
  }

 private:
  static Error no_acts() {
    return fail(Code::failed_precondition, "this process keeps no records of approvals");
  }

  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_acts_service(Backend& backend) {
  return std::make_unique<ActsService>(backend);
}

}  // namespace meridian::api
