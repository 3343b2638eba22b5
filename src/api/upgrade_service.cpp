#include "api/act_request.h"
#include "api/convert_upgrade.h"
#include "api/internal/unary_call.h"
#include "api/second_person.h"
#include "api/services.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::api {
namespace {

using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;
using internal::UnaryCall;

constexpr std::string_view activate_deadline_message =
    "the outcome is unknown: Upgrade.Status (`meridian upgrade status`) shows which level is "
    "active";

class UpgradeService final : public v1::Upgrade::CallbackService {
 public:
  explicit UpgradeService(Backend& backend) : backend_(backend) {}

  Reactor* Status(Context* context, const v1::UpgradeStatusRequest*,
                  v1::UpgradeStatusReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    grpc::ServerUnaryReactor* reactor = call.reactor();
    backend_.cell.replica().levels([call](const replica::LevelReport& report) {
      call.answer([&](v1::UpgradeStatusReply& out) { fill(report, out); });
    });
    return reactor;
  }

  Reactor* Activate(Context* context, const v1::ActivateLevelRequest* request,
                    v1::ActivateLevelReply* reply) override {
    UnaryCall call(backend_, context, reply, activate_deadline_message);
    const Result<std::uint32_t> level = parse_activate(*request);
    if (!level) return call.refused(level.error());
    grpc::ServerUnaryReactor* reactor = call.reactor();
    begin_act(backend_, call.asker(), activation_of(*level),
              [this, call, level = *level](const meridian::Status& may) {
                if (!may) return call.refuse(may.error());
                backend_.cell.replica().activate_level(level, [call](const meridian::Status& done) {
                  if (!done) return call.refuse(done.error());
                  call.answer([](v1::ActivateLevelReply&) {});
                });
              });
    return reactor;
  }

 private:
  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_upgrade_service(Backend& backend) {
  return std::make_unique<UpgradeService>(backend);
}

}  // namespace meridian::api
