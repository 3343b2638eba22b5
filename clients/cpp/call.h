// One request to the cell, repeated until it is answered or its time is over.
//
// Knows nothing of what is asked: `Start` sends it to an endpoint. Between attempts it follows the
// leader and pauses; at the end it tells whether any attempt may have reached a server without an
// answer, which is what makes a write's outcome uncertain.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "endpoints.h"
#include "meridian/client.h"
#include "system.h"

namespace meridian::client {

class Calls;

struct CallSpec {
  Time end;
  bool local = false;
  std::optional<std::chrono::milliseconds> staleness_max{};
};

struct CallEnd {
  grpc::Status status;  ///< The answer, or why there is none.
  /// An attempt other than the answered one may have arrived at a server, or may yet.
  bool may_have_arrived = false;
  Time ended;  ///< Of the last attempt.
  std::optional<std::string> position;
  std::optional<std::chrono::milliseconds> staleness;
  bool ok() const { return status.ok(); }
};

class Call : public std::enable_shared_from_this<Call> {
 public:
  /// Sends to `endpoint`; calls the last argument once, later, on another thread.
  using Start = std::function<void(const Endpoint& endpoint, grpc::ClientContext* context,
                                   std::function<void(grpc::Status)> answered)>;
  using Done = std::function<void(CallEnd)>;

  Call(std::shared_ptr<Calls> calls, const CallSpec& spec, Start start, Done done);
  void attempt();
  /// Ends it soon.
  void cancel();

 private:
  void answered(const grpc::Status& status);
  /// True if this kind of answer may be another one at another time or place.
  bool is_worth_repeating(grpc::StatusCode code) const;
  void go_on(const grpc::Status& status, bool is_redirected);
  void pause(Duration duration);
  void finish(const grpc::Status& status);
  void finish_late();

  const std::shared_ptr<Calls> calls_;
  const CallSpec spec_;
  const Start start_;
  Done done_;

  // Only the attempt under way touches these; attempts follow one another.
  std::shared_ptr<Endpoint> endpoint_;
  std::uint32_t tries_ = 0;
  Time attempt_began_{};
  std::uint32_t pauses_ = 0;
  std::uint32_t redirects_ = 0;  // in a row
  CallEnd end_;
  std::string trouble_;  // what the last attempt died of
  grpc::StatusCode trouble_code_ = grpc::StatusCode::UNAVAILABLE;

  std::mutex mutex_;  // what cancel() also touches
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::Alarm> alarm_;
  bool is_cancelled_ = false;
};

}  // namespace meridian::client
