#include "api/internal/unary_call.h"
#include "api/key_calls.h"
#include "api/services.h"
#include "meridian/v1/keys.grpc.pb.h"

namespace meridian::api {
namespace {

using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;
using internal::UnaryCall;

constexpr std::string_view rotate_deadline_message =
    "the outcome is unknown: Keys.List (`meridian keys list`) shows which versions there are";

class KeysService final : public v1::Keys::CallbackService {
 public:
  explicit KeysService(Backend& backend) : backend_(backend) {}

  Reactor* List(Context* context, const v1::NodeKeysRequest*, v1::NodeKeysReply* reply) override {
    UnaryCall call(backend_, context, reply, read_deadline_message);
    grpc::ServerUnaryReactor* reactor = call.reactor();
    list_keys(backend_, [call](Result<v1::NodeKeysReply> keys) {
      if (!keys) return call.refuse(keys.error());
      call.answer([&](v1::NodeKeysReply& out) { out = std::move(*keys); });
    });
    return reactor;
  }

  Reactor* Rotate(Context* context, const v1::RotateKeyRequest* request,
                  v1::RotateKeyReply* reply) override {
    UnaryCall call(backend_, context, reply, rotate_deadline_message);
    const Result<KeyRotation> what = parse_rotation(*request);
    if (!what) return call.refused(what.error());
    grpc::ServerUnaryReactor* reactor = call.reactor();
    rotate_key(backend_, call.asker(), *what, [call](const Result<Rotated>& rotated) {
      if (!rotated) return call.refuse(rotated.error());
      call.answer([&](v1::RotateKeyReply& out) { fill(*rotated, out); });
    });
    return reactor;
  }

 private:
  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_keys_service(Backend& backend) {
  return std::make_unique<KeysService>(backend);
}

}  // namespace meridian::api
