// attempt -> answered -> finish                      answered, refused for good, or out of time
//               |------> attempt                     sent to the leader that the server named
//               '------> pause -> attempt            else; elsewhere unless the server had no room
#include "call.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "calls.h"
#include "grpc_time.h"

namespace meridian::client {
namespace {

constexpr const char* leader_key = "meridian-leader";
constexpr const char* read_key = "meridian-read";
constexpr const char* position_key = "meridian-position";
/// Two servers that name each other are asked so often before the first pause.
constexpr std::uint32_t redirects_max = 3;
constexpr std::uint32_t doublings_max = 16;

std::optional<std::string> trailing(const grpc::ClientContext& context, const char* key) {
  const auto& all = context.GetServerTrailingMetadata();
  const auto found = all.find(key);
  if (found == all.end()) return std::nullopt;
  return std::string(found->second.data(), found->second.size());
}

std::string wish_of(const CallSpec& spec) {
  if (!spec.staleness_max) return "local";
  return "local max-staleness-ms=" + std::to_string(spec.staleness_max->count());
}

std::optional<std::chrono::milliseconds> staleness_in(std::string_view position) {
  constexpr std::string_view name = "staleness-ms=";
  const std::size_t at = position.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view digits = position.substr(at + name.size());
  std::int64_t ms = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), ms);
  if (error != std::errc() || ms < 0) return std::nullopt;
  return std::chrono::milliseconds(ms);
}

/// Waits until `channel` has a connection; false if it fails to, at `end`, or when `is_over`.
/// gRPC cannot tell afterwards whether a call that failed was sent, so none begins before this.
/// While no call is under way nothing of gRPC's waits for the socket: each look does it, else only
/// its backup poller would, every 5 s.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<grpc::Channel> channel, Time end, std::function<bool()> is_over,
             std::function<void(bool)> then)
      : end_(end),
        is_over_(std::move(is_over)),
        then_(std::move(then)),
        channel_(std::move(channel)) {}
  ~Connection() {
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) continue;  // `watch` at the longest
  }

  void look() {
    constexpr std::chrono::milliseconds pause{2};  // only until there is a connection
    poll();
    const grpc_connectivity_state state = channel_->GetState(true);
    switch (state) {
      case GRPC_CHANNEL_READY: return then_(true);
      case GRPC_CHANNEL_TRANSIENT_FAILURE:
      case GRPC_CHANNEL_SHUTDOWN: return then_(false);
      case GRPC_CHANNEL_IDLE:
      case GRPC_CHANNEL_CONNECTING: break;
    }
    if (now() + pause >= end_ || is_over_()) return then_(false);
    if (!std::exchange(is_watching_, true))
      channel_->NotifyOnStateChange(state, to_grpc(now() + watch), &queue_, this);
    auto alarm = std::make_shared<grpc::Alarm>();
    // The callback holds its alarm, until it has run: Call holds nothing of this.
    alarm->Set(to_grpc(now() + pause), [self = shared_from_this(), alarm](bool) mutable {
      const std::shared_ptr<grpc::Alarm> last = std::move(alarm);
      self->look();
    });
  }

 private:
  static constexpr std::chrono::milliseconds watch{10};
  /// Without waiting: what the socket has to say, as the watch below is of this queue.
  void poll() {
    void* tag = nullptr;
    bool ok = false;
    if (queue_.AsyncNext(&tag, &ok, gpr_time_0(GPR_CLOCK_MONOTONIC)) ==
        grpc::CompletionQueue::GOT_EVENT)
      is_watching_ = false;
  }

  const Time end_;
  const std::function<bool()> is_over_;
  const std::function<void(bool)> then_;
  const std::shared_ptr<grpc::Channel> channel_;  // goes before what keeps the client's own
  grpc::CompletionQueue queue_;
  bool is_watching_ = false;
};

}  // namespace

Call::Call(std::shared_ptr<Calls> calls, const CallSpec& spec, Start start, Done done)
    : calls_(std::move(calls)), spec_(spec), start_(std::move(start)), done_(std::move(done)) {}

void Call::attempt() {
  const Time begin = now();
  if (begin >= spec_.end) return finish_late();
  endpoint_ = spec_.local ? calls_->endpoints.nearest(tries_) : calls_->endpoints.leader();
  const Duration patience =
      calls_->options.attempt_timeout * (1U << std::min(tries_, doublings_max));
  const Time end = std::min(spec_.end, begin + patience);
  ++tries_;
  attempt_began_ = begin;
  const auto is_cancelled = [self = shared_from_this()] {
    const std::lock_guard lock(self->mutex_);
    return self->is_cancelled_;
  };
  if (is_cancelled()) return finish({grpc::StatusCode::CANCELLED, "the client was closed"});
  const auto send = [self = shared_from_this(), end](bool is_connected) {
    if (!is_connected)
      return self->go_on({grpc::StatusCode::UNAVAILABLE, "there is no connection"}, false);
    grpc::ClientContext* context = nullptr;
    {
      const std::lock_guard lock(self->mutex_);
      self->context_ = std::make_unique<grpc::ClientContext>();
      context = self->context_.get();
      if (self->is_cancelled_) context->TryCancel();
    }
    context->set_deadline(to_grpc(end));
    if (self->spec_.local) context->AddMetadata(read_key, wish_of(self->spec_));
    self->start_(*self->endpoint_, context,
                 [self](const grpc::Status& status) { self->answered(status); });
  };
  std::make_shared<Connection>(endpoint_->channel, end, is_cancelled, send)->look();
}

void Call::answered(const grpc::Status& status) {
  bool is_cancelled = false;
  std::optional<std::string> leader;
  {
    const std::lock_guard lock(mutex_);
    leader = trailing(*context_, leader_key);
    end_.position = trailing(*context_, position_key);
    end_.staleness = staleness_in(end_.position.value_or(""));
    context_.reset();
    is_cancelled = is_cancelled_;
  }
  end_.ended = now();
  // Whatever part of the attempt came after the server's look at its clock.
  if (end_.staleness)
    *end_.staleness += std::chrono::ceil<std::chrono::milliseconds>(end_.ended - attempt_began_);
  if (status.ok()) return finish(status);
  const bool is_redirected = status.error_code() == grpc::StatusCode::UNAVAILABLE && leader;
  switch (status.error_code()) {
    // The server judged the request itself, or had no room: nothing was done (docs/api.md).
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::OUT_OF_RANGE:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::UNIMPLEMENTED:
    case grpc::StatusCode::RESOURCE_EXHAUSTED: break;
    case grpc::StatusCode::OK:
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::DATA_LOSS:
    case grpc::StatusCode::DO_NOT_USE:
      // A server that names the leader did nothing. Without that word the connection may have
      // broken after the request was taken.
      if (!is_redirected) end_.may_have_arrived = true;
      break;
  }
  if (is_cancelled || !is_worth_repeating(status.error_code())) return finish(status);
  if (is_redirected) calls_->endpoints.lead(*leader);
  go_on(status, is_redirected);
}

bool Call::is_worth_repeating(grpc::StatusCode code) const {
  switch (code) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::CANCELLED:  // by the server
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::ABORTED: return true;
    case grpc::StatusCode::OK:
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::OUT_OF_RANGE:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::UNIMPLEMENTED:
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::DATA_LOSS:
    case grpc::StatusCode::DO_NOT_USE: return false;
  }
  return false;
}

void Call::go_on(const grpc::Status& status, bool is_redirected) {
  const bool has_no_room = status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED;
  trouble_ = endpoint_->address + ": " + status.error_message();
  trouble_code_ = status.error_code();
  if (!is_redirected && !has_no_room) calls_->endpoints.failed(*endpoint_);
  if (is_redirected && ++redirects_ <= redirects_max) return attempt();
  redirects_ = 0;
  const Duration longest = calls_->options.pause_max;
  const Duration doubled =
      calls_->options.pause_first * (std::int64_t{1} << std::min(pauses_++, doublings_max));
  const Duration full = std::min(longest, doubled);
  pause(full / 2 + Duration(calls_->jitter(full.count() / 2)));
}

void Call::pause(Duration duration) {
  if (now() + duration >= spec_.end) return finish_late();
  grpc::Alarm* alarm = nullptr;
  {
    const std::lock_guard lock(mutex_);
    // A new one each time: the last one may still be in its callback.
    alarm_ = std::make_unique<grpc::Alarm>();
    alarm = alarm_.get();
  }
  // Not under the lock, as it may call back from here. A cancel() that comes before it is seen at
  // the end of this pause.
  alarm->Set(to_grpc(now() + duration), [self = shared_from_this()](bool) { self->attempt(); });
}

void Call::cancel() {
  const std::lock_guard lock(mutex_);
  is_cancelled_ = true;
  if (context_) context_->TryCancel();
  if (alarm_) alarm_->Cancel();
}

void Call::finish_late() {
  if (tries_ == 0) return finish({grpc::StatusCode::DEADLINE_EXCEEDED, "no time was left"});
  // Where nothing arrived the reason is worth more than that time ran out.
  const bool is_known = !end_.may_have_arrived && trouble_code_ != grpc::StatusCode::CANCELLED &&
                        trouble_code_ != grpc::StatusCode::DEADLINE_EXCEEDED;
  const grpc::StatusCode code = end_.may_have_arrived ? grpc::StatusCode::DEADLINE_EXCEEDED
                                : is_known            ? trouble_code_
                                                      : grpc::StatusCode::UNAVAILABLE;
  finish({code, "no answer after " + std::to_string(tries_) +
                    (tries_ == 1 ? " attempt" : " attempts") + "; the last: " + trouble_});
}

void Call::finish(const grpc::Status& status) {
  end_.status = status;
  std::unique_ptr<grpc::Alarm> alarm;  // its callback holds this call
  {
    const std::lock_guard lock(mutex_);
    alarm = std::move(alarm_);
  }
  const Done done = std::move(done_);
  calls_->remove(shared_from_this());
  done(std::move(end_));
}

}  // namespace meridian::client
