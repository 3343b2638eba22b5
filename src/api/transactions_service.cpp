#include <fmt/format.h>

#include "api/convert.h"
#include "api/internal/answers.h"
#include "api/internal/unary_call.h"
#include "api/scope_checks.h"
#include "api/services.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::api {
namespace {

using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;
using internal::UnaryCall;

Result<ledger::CommandKind> kind_of(v1::OutcomeRequest::Kind kind) {
  switch (static_cast<int>(kind)) {  // open enum: any number may come
    case v1::OutcomeRequest::TRANSFER: return ledger::CommandKind::create_transfer;
    case v1::OutcomeRequest::EVENT: return ledger::CommandKind::append_event;
    case v1::OutcomeRequest::ACCOUNT: return ledger::CommandKind::create_account;
    default:
      return fail(Code::invalid_argument, fmt::format("kind: {} is none of 0 transfer, 1 event, "
                                                      "2 account",
                                                      static_cast<int>(kind)));
  }
}

class TransactionsService final : public v1::Transactions::CallbackService {
 public:
  explicit TransactionsService(Backend& backend) : backend_(backend) {}

  Reactor* Transact(Context* context, const v1::TransactRequest* request,
                    v1::CreateReply* reply) override {
    UnaryCall call(backend_, context, reply, write_deadline_message);
    Result<Drafts> drafts = parse_transact(*request);
    if (!drafts) return call.refused(drafts.error());
    if (meridian::Status may = check_drafts(call.asker(), drafts->commands); !may)
      return call.refused(may.error());
    submit_drafts(backend_, call.asker(), internal::metadata_of(*context, signature_key),
                  std::move(drafts->commands),
                  internal::answer_create(backend_, call, std::move(drafts->kinds)));
    return call.reactor();
  }

  Reactor* Outcome(Context* context, const v1::OutcomeRequest* request,
                   v1::OutcomeReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    Result<ledger::CommandKind> kind = kind_of(request->kind());
    if (!kind) return call.refused(kind.error());
    Result<u128> id = parse_u128(request->id(), "id");
    if (!id) return call.refused(id.error());
    return call.read([this, call, kind = *kind, id = *id] {
      backend_.cell.outcome(kind, id,
                            [call](Result<std::optional<cell::LocalCell::KnownOutcome>> outcome) {
                              if (!outcome) return call.refuse(outcome.error());
                              call.answer([&](v1::OutcomeReply& out) {
                                out.set_known(outcome->has_value());
                                if (outcome->has_value())
                                  fill((*outcome)->header, *out.mutable_result());
                              });
                            });
    });
  }

 private:
  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_transactions_service(Backend& backend) {
  return std::make_unique<TransactionsService>(backend);
}

}  // namespace meridian::api
