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

class AccountsService final : public v1::Accounts::CallbackService {
 public:
  explicit AccountsService(Backend& backend) : backend_(backend) {}

  Reactor* Create(Context* context, const v1::CreateAccountsRequest* request,
                  v1::CreateReply* reply) override {
    UnaryCall call(backend_, context, reply, write_deadline_message);
    Result<Buffer> commands = pack(*request);
    if (!commands) return call.refused(commands.error());
    constexpr auto kind = ledger::CommandKind::create_account;
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
    constexpr auto kind = ledger::CommandKind::create_account;
    const Bytes commands = as_bytes(request->commands());
    if (Status may = check_packed_ledgers(call.asker(), kind, commands); !may)
      return call.refused(may.error());
    submit_packed(backend_, call.asker(), internal::metadata_of(*context, signature_key), kind,
                  commands, internal::answer_packed(call));
    return call.reactor();
  }

  Reactor* Lookup(Context* context, const v1::LookupRequest* request,
                  v1::LookupAccountsReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    Result<std::vector<u128>> ids = parse_ids(*request);
    if (!ids) return call.refused(ids.error());
    return call.read([this, call, ids = std::move(*ids)] {
      backend_.cell.lookup_accounts(ids, answer_states(call));
    });
  }

  Reactor* List(Context* context, const v1::ListAccountsRequest* request,
                v1::LookupAccountsReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    Result<std::uint64_t> limit = check_max(request->limit(), lookup_ids_max, "limit");
    if (!limit) return call.refused(limit.error());
    return call.read([this, call, first = request->first(), limit = *limit == 0 ? 100 : *limit] {
      backend_.cell.list_accounts(first, limit, answer_states(call));
    });
  }

  Reactor* Query(Context* context, const v1::QueryFilter* request,
                 v1::LookupAccountsReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    Result<ledger::QueryFilter> filter = parse_filter(*request);
    if (!filter) return call.refused(filter.error());
    return call.read([this, call, filter = *filter] {
      backend_.cell.query_accounts(filter, internal::answer_list<ledger::Account>(
                                               backend_, call, [](v1::LookupAccountsReply& out) {
                                                 return out.add_accounts();
                                               }));
    });
  }

  Reactor* Transfers(Context* context, const v1::AccountFilter* request,
                     v1::AccountTransfersReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    Result<ledger::AccountFilter> filter = parse_filter(*request);
    if (!filter) return call.refused(filter.error());
    return call.read([this, call, filter = *filter] {
      backend_.cell.account_transfers(
          filter,
          internal::answer_list<ledger::Transfer>(
              backend_, call, [](v1::AccountTransfersReply& out) { return out.add_transfers(); }));
    });
  }

  Reactor* Balances(Context* context, const v1::AccountFilter* request,
                    v1::AccountBalancesReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    Result<ledger::AccountFilter> filter = parse_filter(*request);
    if (!filter) return call.refused(filter.error());
    return call.read([this, call, filter = *filter] {
      check_account(backend_, call.asker(), filter.account_id,
                    [this, call, filter](const Status& may) {
                      if (!may) return call.refuse(may.error());
                      backend_.cell.account_balances(filter, answer_balances(call));
                    });
    });
  }

 private:
  std::function<void(Result<std::vector<ledger::AccountBalance>>)> answer_balances(
      UnaryCall<v1::AccountBalancesReply> call) {
    return internal::answer_list<ledger::AccountBalance>(
        backend_, std::move(call),
        [](v1::AccountBalancesReply& out) { return out.add_balances(); });
  }
  std::function<void(std::vector<ledger::AccountState>)> answer_states(
      UnaryCall<v1::LookupAccountsReply> call) {
    return [this, call = std::move(call)](std::vector<ledger::AccountState> states) {
      if (Status may = check_rows(call.asker(), states); !may) return call.refuse(may.error());
      internal::write_list(backend_, call, std::move(states),
                           [](const ledger::AccountState& state, v1::LookupAccountsReply& out) {
                             fill(state.account, *out.add_accounts());
                           });
    };
  }

  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_accounts_service(Backend& backend) {
  return std::make_unique<AccountsService>(backend);
}

}  // namespace meridian::api
