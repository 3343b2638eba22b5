// What all calls of one client share, and the way to start one.
//
// Thread-safe. Held by shared_ptr: a call keeps it until it has ended.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_set>
#include <utility>

#include "call.h"
#include "endpoints.h"
#include "gate.h"
#include "meridian/client.h"

namespace meridian::client {

class Signer;

class Calls : public std::enable_shared_from_this<Calls> {
 public:
  explicit Calls(ClientOptions the_options);

  /// Calls `then(CallEnd, Reply&)` once, perhaps from here. `send(endpoint, context, request,
  /// reply, answered)` starts one attempt.
  template <typename Reply, typename Request, typename Send, typename Then>
  void call(const CallSpec& spec, Request request, Send send, Then then) {
    struct Messages {
      Request request;
      Reply reply;
    };
    auto messages = std::make_shared<Messages>(Messages{std::move(request), {}});
    begin(
        spec,
        [messages, send](const Endpoint& endpoint, grpc::ClientContext* context,
                         std::function<void(grpc::Status)> answered) {
          messages->reply.Clear();
          send(endpoint, context, &messages->request, &messages->reply, std::move(answered));
        },
        [messages, then = std::move(then)](CallEnd end) mutable {
          then(std::move(end), messages->reply);
        });
  }

  u128 make_id();
  /// 0 to `max`, both included.
  std::int64_t jitter(std::int64_t max);
  /// Ends everything soon; what begins later ends at once.
  void stop();
  void remove(const std::shared_ptr<Call>& call);

  /// By the newest identity; null if there is none that can sign.
  std::shared_ptr<const Signer> signer() const;
  void use_signer(std::shared_ptr<const Signer> signer);

  const ClientOptions options;
  Endpoints endpoints;
  const std::shared_ptr<Gate> gate;

 private:
  void begin(const CallSpec& spec, Call::Start start, Call::Done done);

  mutable std::mutex mutex_;
  std::shared_ptr<const Signer> signer_;
  std::unordered_set<std::shared_ptr<Call>> calls_;
  bool is_stopped_ = false;
};

/// The Error of a status that is not OK.
Error to_error(const grpc::Status& status);
/// Why a gate did not let an operation in.
Error to_error(Gate::Entry entry);

}  // namespace meridian::client
