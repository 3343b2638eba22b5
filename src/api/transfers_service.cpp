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

class TransfersService final : public v1::Transfers::CallbackService {
 public:
  explicit TransfersService(Backend& backend) : backend_(backend) {}

  Reactor* Create(Context* context, const v1::CreateTransfersRequest* request,
                  v1::CreateReply* reply) override {
    UnaryCall call(backend_, context, reply, write_deadline_message);
    Result<Buffer> commands = pack(*request);
    if (!commands) return call.refused(commands.error());
    constexpr auto kind = ledger::CommandKind::create_transfer;
    if (Status may = check_packed_ledgers(call.asker(), kind, *commands); !may)
      return call.refused(may.error());
    submit_packed(backend_, call.asker(), internal::metadata_of(*context, signature_key), kind,
                  *commands, internal::answer_create(backend_, call, {kind}));
    return call.reactor();
  }

  Reactor* CreatePacked(Context* context, const v1::PackedRequest* request,
                        v1::PackedReply* reply) override {
    UnaryCall call(backend_, context, reply, write_deadline_message);
    if (Status sound = check_packed(request->commands()); !sound)
      return call.refused(sound.error());
    constexpr auto kind = ledger::CommandKind::create_transfer;
    const Bytes commands = as_bytes(request->commands());
    if (Status may = check_packed_ledgers(call.asker(), kind, commands); !may)
      return call.refused(may.error());
    submit_packed(backend_, call.asker(), internal::metadata_of(*context, signature_key), kind,
                  commands, internal::answer_packed(call));
    return call.reactor();
  }

  Reactor* Lookup(Context* context, const v1::LookupRequest* request,
                  v1::LookupTransfersReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    Result<std::vector<u128>> ids = parse_ids(*request);
    if (!ids) return call.refused(ids.error());
    return call.read([this, call, ids = std::move(*ids)] {
      backend_.cell.lookup_transfers(ids, answer_transfers(call));
    });
  }

  Reactor* Query(Context* context, const v1::QueryFilter* request,
                 v1::LookupTransfersReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    Result<ledger::QueryFilter> filter = parse_filter(*request);
    if (!filter) return call.refused(filter.error());
    return call.read([this, call, filter = *filter] {
      backend_.cell.query_transfers(filter, answer_transfers(call));
    });
  }

 private:
  std::function<void(Result<std::vector<ledger::Transfer>>)> answer_transfers(
      UnaryCall<v1::LookupTransfersReply> call) {
    return internal::answer_list<ledger::Transfer>(
        backend_, std::move(call),
        [](v1::LookupTransfersReply& reply) { return reply.add_transfers(); });
  }

  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_transfers_service(Backend& backend) {
  return std::make_unique<TransfersService>(backend);
}

}  // namespace meridian::api
