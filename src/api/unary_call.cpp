#include "api/internal/unary_call.h"

#include <grpc/support/time.h>

#include <algorithm>

#include "api/internal/grpc_credentials.h"

namespace meridian::api::internal {
namespace {

grpc::StatusCode to_grpc(Code code) {
  switch (code) {
    case Code::invalid_argument: return grpc::StatusCode::INVALID_ARGUMENT;
    case Code::not_found: return grpc::StatusCode::NOT_FOUND;
    case Code::already_exists: return grpc::StatusCode::ALREADY_EXISTS;
    case Code::failed_precondition: return grpc::StatusCode::FAILED_PRECONDITION;
    case Code::out_of_range: return grpc::StatusCode::OUT_OF_RANGE;
    case Code::permission_denied: return grpc::StatusCode::PERMISSION_DENIED;
    case Code::resource_exhausted: return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case Code::unavailable: return grpc::StatusCode::UNAVAILABLE;
    case Code::deadline_exceeded: return grpc::StatusCode::DEADLINE_EXCEEDED;
    case Code::data_loss: return grpc::StatusCode::DATA_LOSS;
    case Code::unimplemented: return grpc::StatusCode::UNIMPLEMENTED;
    case Code::internal: return grpc::StatusCode::INTERNAL;
  }
  return grpc::StatusCode::INTERNAL;
}

/// Once the deadline has passed the client answers itself, and the reason would be lost.
constexpr std::int64_t margin_ns_max = 20'000'000;

}  // namespace

grpc::Status to_status(const Error& error) { return {to_grpc(error.code), error.message}; }

std::string metadata_of(const grpc::ServerContextBase& context, std::string_view key) {
  const auto found = context.client_metadata().find(grpc::string_ref(key.data(), key.size()));
  if (found == context.client_metadata().end()) return {};
  return {found->second.data(), found->second.size()};
}

class CallCore::Reactor final : public grpc::ServerUnaryReactor {
 public:
  explicit Reactor(std::shared_ptr<CallCore> core) : core_(std::move(core)) {}
  void OnCancel() override { core_->expire(false); }
  void OnDone() override { delete this; }

 private:
  std::shared_ptr<CallCore> core_;
};

std::shared_ptr<CallCore> CallCore::begin(Backend& backend, grpc::CallbackServerContext& context,
                                          std::string_view deadline_message) {
  std::shared_ptr<CallCore> core(new CallCore(backend, context, deadline_message));
  core->reactor_ = new Reactor(core);  // deletes itself in OnDone, which comes after Finish
  core->arm(context);
  core->find_asker();
  return core;
}

void CallCore::find_asker() {
  CallerRef caller;
  if (backend_.callers != nullptr) {
    Result<CallerRef> found = caller_of(context_, backend_);
    if (!found) {
      // It was let in a moment ago. From here on it is nobody, who may do nothing.
      if (claim())
        finish(found.error(), {grpc::StatusCode::UNAUTHENTICATED, found.error().message});
      return;
    }
    caller = std::move(*found);
  }
  asker_ = backend_.access.asker(caller);
}

void CallCore::arm(grpc::CallbackServerContext& context) {
  gpr_timespec deadline = context.raw_deadline();
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return;
  gpr_timespec wall = gpr_convert_clock_type(deadline, GPR_CLOCK_REALTIME);
  auto now = static_cast<std::int64_t>(backend_.clock.now().time);
  std::int64_t left = wall.tv_sec * 1'000'000'000 + wall.tv_nsec - now;
  std::int64_t margin = std::clamp<std::int64_t>(left / 8, 0, margin_ns_max);
  has_alarm_ = true;
  alarm_.Set(gpr_time_sub(deadline, gpr_time_from_nanos(margin, GPR_TIMESPAN)),
             [weak = weak_from_this()](bool fired) {  // an alarm keeps its callback while it lives
               std::shared_ptr<CallCore> self = weak.lock();
               if (fired && self) self->expire(true);
             });
}

void CallCore::when_readable(std::function<void()> read) {
  const Result<ReadWish> wish = parse_read_wish(metadata_of(context_, read_key));
  if (!wish) {
    if (claim()) finish(wish.error());
    return;
  }
  local_read_ = backend_.begin_local_read(*wish);
  if (local_read_) return read();
  backend_.when_current([self = shared_from_this(), read = std::move(read)](const Status& current) {
    if (current) return read();
    if (self->claim()) self->finish(current.error());
  });
}

void CallCore::finish() {
  if (has_alarm_) alarm_.Cancel();
  if (local_read_)
    context_.AddTrailingMetadata(std::string(position_key), backend_.describe(*local_read_));
  backend_.grpc_calls.ok();
  reactor_->Finish(grpc::Status::OK);  // reactor and reply may be gone when it returns
}

void CallCore::finish(const Error& error, const grpc::Status& status) {
  if (has_alarm_) alarm_.Cancel();
  backend_.grpc_calls.failed(error.code);
  if (error.code == Code::unavailable) {
    const std::string leader = backend_.cell.replica().leader_address();
    if (!leader.empty()) context_.AddTrailingMetadata(std::string(leader_key), leader);
  }
  reactor_->Finish(status);
}

void CallCore::expire(bool from_alarm) {
  if (!claim()) return;
  if (from_alarm) has_alarm_ = false;  // it is running: nothing is left to cancel
  finish(fail(Code::deadline_exceeded, std::string(deadline_message_)));
}

}  // namespace meridian::api::internal
