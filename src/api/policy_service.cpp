#include <algorithm>

#include "api/convert_policy.h"
#include "api/internal/unary_call.h"
#include "api/services.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::api {
namespace {

using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;
using internal::UnaryCall;

constexpr std::string_view unknown_outcome =
    "the outcome is unknown: Policy.Show (`meridian policy proposals`) shows whether it was taken";

Result<crypto::Digest> parse_hash(const std::string& bytes) {
  crypto::Digest hash{};
  if (bytes.size() != hash.size())
    return fail(Code::invalid_argument, "hash: 32 bytes, as a proposal's answer has it");
  std::ranges::copy(as_bytes(bytes), hash.begin());
  return hash;
}

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
    Result<mesh::SignedText> statement = signed_by_caller(call.asker(), request->statement());
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
    Result<mesh::SignedText> approval = signed_by_caller(call.asker(), request->approval());
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
  /// Its certificate is good now, and is the caller's: who hands in signs for themselves.
  Result<mesh::SignedText> signed_by_caller(const Asker& asker, const v1::SignedText& from) const {
    if (backend_.policies == nullptr || asker.caller() == nullptr)
      return fail(Code::failed_precondition,
                  "in the clear nobody is told apart, so nobody can propose or approve");
    const mesh::CertificateChain chain = TRY(mesh::parse_pem_chain(from.certificate()));
    mesh::WantedPeer wanted;
    wanted.kinds = {mesh::IdKind::person};
    const std::vector<Bytes> ders = {chain[0].der()};
    const mesh::PeerIdentity signer = TRY(backend_.callers->credentials().verify(ders, wanted));
    if (signer.id != asker.caller()->identity.id)
      return fail(Code::permission_denied, "the certificate is another's than the caller's");
    return mesh::SignedText{from.text(), chain[0].pem(), to_buffer(as_bytes(from.signature()))};
  }

  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_policy_service(Backend& backend) {
  return std::make_unique<PolicyService>(backend);
}

}  // namespace meridian::api
