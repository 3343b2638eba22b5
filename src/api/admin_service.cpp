#include "api/convert.h"
#include "api/internal/unary_call.h"
#include "api/services.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::api {
namespace {

using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;
using internal::UnaryCall;

class AdminService final : public v1::Admin::CallbackService {
 public:
  explicit AdminService(Backend& backend) : backend_(backend) {}

  Reactor* Status(Context* context, const v1::StatusRequest*, v1::StatusReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    backend_.cell.replica().report(
        [call, cell = backend_.cell_id](const replica::Replica::Report& report) {
          call.answer([&](v1::StatusReply& out) {
            out.set_version(std::string(version));
            out.set_cell(format_u128(cell));
            out.set_records(report.counts.records);
            out.set_accounts(report.counts.accounts);
            out.set_streams(report.counts.streams);
            out.set_pendings(report.counts.pendings);
            out.set_last_entry_index(report.last_entry_index);
            out.set_checkpoint_record(report.checkpoint_record);
            out.set_debt_bytes(report.debt_bytes);
            out.set_at_capacity(report.at_capacity);
          });
        });
    return call.reactor();
  }

  Reactor* Settle(Context* context, const v1::SettleRequest*, v1::SettleReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    backend_.cell.replica().settle([call] { call.answer([](v1::SettleReply&) {}); });
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
