// One unary gRPC call whose answer comes later, on another thread, or never in time.
//
// A handle: copied into callbacks, it keeps what they need alive after the call itself is gone.
// Whoever comes first (answer, error, deadline, cancellation) ends the call; the rest do nothing.
// With a deadline set, the call ends a moment before it, so that the reason reaches the client.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "api/backend.h"

namespace meridian::api::internal {

/// Code maps one to one on gRPC's.
grpc::Status to_status(const Error& error);
/// What the caller sent under `key`; empty if nothing.
std::string metadata_of(const grpc::ServerContextBase& context, std::string_view key);

class CallCore : public std::enable_shared_from_this<CallCore> {
 public:
  static std::shared_ptr<CallCore> begin(Backend& backend, grpc::CallbackServerContext& context,
                                         std::string_view deadline_message);
  grpc::ServerUnaryReactor* reactor() const { return reactor_; }
  /// Who calls, and what they may do.
  const Asker& asker() const { return asker_; }
  /// True for the first caller, who then fills the reply and calls one of the next two.
  bool claim() { return !claimed_.exchange(true, std::memory_order_acq_rel); }
  void finish();
  void finish(const Error& error) { finish(error, to_status(error)); }
  /// Runs `read` when what it reads is linearizable, or at once if the caller asked for a local
  /// read; then the answer says what it is at least as new as.
  void when_readable(std::function<void()> read);
  /// The deadline is near, or the client went away.
  void expire(bool from_alarm);

 private:
  class Reactor;
  CallCore(Backend& backend, grpc::CallbackServerContext& context,
           std::string_view deadline_message)
      : backend_(backend), context_(context), deadline_message_(deadline_message) {}
  void arm(grpc::CallbackServerContext& context);
  void find_asker();
  /// Counted as `error`, and told as `status`.
  void finish(const Error& error, const grpc::Status& status);

  Backend& backend_;                      // outlives the call, which is what claim() guards
  grpc::CallbackServerContext& context_;  // gRPC's until OnDone; used only by the claimer
  std::string_view deadline_message_;
  Asker asker_;
  std::optional<Backend::LocalRead> local_read_;
  grpc::ServerUnaryReactor* reactor_ = nullptr;  // gRPC's until OnDone; used only by the claimer
  std::atomic<bool> claimed_ = false;
  bool has_alarm_ = false;
  grpc::Alarm alarm_;
};

template <typename Reply>
class UnaryCall {
 public:
  UnaryCall(Backend& backend, grpc::CallbackServerContext* context, Reply* reply,
            std::string_view deadline_message)
      : core_(CallCore::begin(backend, *context, deadline_message)), reply_(reply) {}

  grpc::ServerUnaryReactor* reactor() const { return core_->reactor(); }
  const Asker& asker() const { return core_->asker(); }
  u128 actor() const { return asker().actor(); }

  /// Ends the call with what `fill(reply)` writes.
  template <typename Fill>
  void answer(Fill&& fill) const {
    if (!core_->claim()) return;
    fill(*reply_);
    core_->finish();
  }
  /// Answers later, from `read()`: linearizable unless the caller asked for a local read. As the
  /// last word of the method that began the call.
  template <typename Read>
  grpc::ServerUnaryReactor* read(Read&& read) const {
    grpc::ServerUnaryReactor* reactor = core_->reactor();
    core_->when_readable(std::forward<Read>(read));
    return reactor;
  }
  void refuse(const Error& error) const {
    if (core_->claim()) core_->finish(error);
  }
  /// refuse(), as the last word of the method that began the call.
  grpc::ServerUnaryReactor* refused(const Error& error) const {
    grpc::ServerUnaryReactor* reactor = core_->reactor();
    refuse(error);
    return reactor;
  }

 private:
  std::shared_ptr<CallCore> core_;
  Reply* reply_;  // gRPC's until the call ends
};

}  // namespace meridian::api::internal
