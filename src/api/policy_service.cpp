#include "api/convert_policy.h"
#include "api/internal/unary_call.h"
#include "api/services.h"
#include "api/signed_caller.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::api {
namespace {

using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;
using internal::UnaryCall;

constexpr std::string_view unknown_outcome =
    "the outcome is unknown: Policy.Show (`meridian policy proposals`) shows whether it was taken";

class PolicyService final : public v1::Policy::CallbackService {
 public:
  explicit PolicyService(Backend& backend) : backend_(backend) {}

  Reactor* Show(Context* context, const v1::PolicyRequest*, v1::PolicyReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    return call.read([this, call] {
      auto answer = [this, call] {
        call.answer([this](v1::PolicyReply& out) { fill_policy(backend_, out); });
      };
      if (backend_.policies == nullptr) return answer();
      backend_.policies->refresh(std::move(answer));
    });
  }

  Reactor* Propose(Context* context, const v1::ProposePolicyRequest* request,
                   v1::ProposePolicyReply* reply) override {
    UnaryCall call(backend_, context, reply, unknown_outcome);
    Result<mesh::SignedText> statement =
        signed_by_caller(backend_, call.asker(), request->statement());
    if (!statement) return call.refused(statement.error());
    const crypto::Digest hash = crypto::sha256(as_bytes(statement->text));
    backend_.policies->propose(
        call.actor(), std::move(*statement), request->policy(),
        [call, hash](const meridian::Status& done) {
          if (!done) return call.refuse(done.error());
          call.answer([&](v1::ProposePolicyReply& out) { out.set_hash(hash.data(), hash.size()); });
        });
    return call.reactor();
  }

  Reactor* Approve(Context* context, const v1::ApprovePolicyRequest* request,
                   v1::ApprovePolicyReply* reply) override {
    UnaryCall call(backend_, context, reply, unknown_outcome);
    Result<mesh::SignedText> approval =
        signed_by_caller(backend_, call.asker(), request->approval());
    if (!approval) return call.refused(approval.error());
    const Result<crypto::Digest> hash = parse_hash(request->hash());
    if (!hash) return call.refused(hash.error());
    backend_.policies->approve(
        call.actor(), *hash, std::move(*approval), [this, call](const meridian::Status& done) {
          if (!done) return call.refuse(done.error());
          call.answer(
              [this](v1::ApprovePolicyReply& out) { fill_state(backend_, *out.mutable_state()); });
        });
    return call.reactor();
  }

 private:
  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_policy_service(Backend& backend) {
  return std::make_unique<PolicyService>(backend);
}

}  // namespace meridian::api
