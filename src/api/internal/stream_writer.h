// Writes the pages of a follower to a gRPC stream, one page and one message at a time.
//
//   pulling --page--> writing --all written--> pulling ...      finished: Finish was called, once
// The next page is read only when the last message of this one is written: backpressure reaches
// the disk. Cancellation, errors and a stopping server end it from either state.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "api/backend.h"
#include "api/follow.h"
#include "api/internal/grpc_credentials.h"
#include "api/internal/unary_call.h"

namespace meridian::api::internal {

template <typename Message>
class StreamWriter final : public grpc::ServerWriteReactor<Message> {
 public:
  using Messages = std::vector<Message>;
  struct Source {
    std::shared_ptr<Follower> follower;
    /// Asks the follower for its next page as messages. An empty page ends the stream.
    std::function<void(std::function<void(Result<Messages>)>)> pull;
  };

  /// Whether a caller may follow what it asked for: asked at the beginning and every second.
  using May = std::function<Status(const Asker&)>;

  /// Begins to write; frees itself when gRPC has done with it.
  static grpc::ServerWriteReactor<Message>* begin(Backend& backend,
                                                  const grpc::CallbackServerContext& context,
                                                  Source source, May may) {
    std::shared_ptr<StreamWriter> writer(new StreamWriter(backend, std::move(source)));
    writer->self_ = writer;
    auto stop = [weak = std::weak_ptr<StreamWriter>(writer)](
                    const std::optional<LiveCalls::Refusal>& refusal) {
      auto self = weak.lock();
      if (!self) return;
      if (refusal && refusal->is_unknown)
        return self->end(refusal->error, grpc::StatusCode::UNAUTHENTICATED);
      if (refusal) return self->end(refusal->error);
      self->end(fail(Code::unavailable,
                     "the server is stopping; go on later from the last position seen"));
    };
    StreamWriter* reactor = writer.get();
    CallerRef caller;
    if (backend.callers != nullptr) {
      Result<CallerRef> found = caller_of(context, backend);
      if (!found) {
        reactor->end(found.error(), grpc::StatusCode::UNAUTHENTICATED);
        return reactor;
      }
      caller = std::move(*found);
    }
    if (Status allowed = may(backend.access.asker(caller)); !allowed) {
      reactor->end(allowed.error());
      return reactor;
    }
    auto may_go_on = [&backend, caller,
                      may = std::move(may)]() -> std::optional<LiveCalls::Refusal> {
      if (!caller) return std::nullopt;
      if (Status good = backend.callers->check(*caller); !good)
        return LiveCalls::Refusal{good.error(), true};
      if (Status allowed = may(backend.access.asker(caller)); !allowed)
        return LiveCalls::Refusal{allowed.error(), false};
      return std::nullopt;
    };
    Result<std::uint64_t> token = backend.live.add(stop, std::move(may_go_on));
    if (token) {
      reactor->token_ = *token;
      reactor->pull();
    } else {
      reactor->end(token.error());
    }
    return reactor;
  }

  /// For a request that is wrong: ends at once.
  static grpc::ServerWriteReactor<Message>* refused(Backend& backend, const Error& error) {
    std::shared_ptr<StreamWriter> writer(new StreamWriter(backend, {}));
    writer->self_ = writer;
    writer->end(error);
    return writer.get();
  }

  void OnWriteDone(bool ok) override {
    if (!ok) {
      {
        std::lock_guard lock(mutex_);
        writing_ = false;
      }
      return end(fail(Code::unavailable, "the stream is broken"));
    }
    write_or_pull();
  }
  void OnCancel() override { end(fail(Code::deadline_exceeded, "cancelled, or out of time")); }
  void OnDone() override {
    backend_.live.remove(token_);
    std::shared_ptr<StreamWriter> self = std::move(self_);  // callbacks may hold it a little longer
  }

 private:
  StreamWriter(Backend& backend, Source source) : backend_(backend), source_(std::move(source)) {}

  void pull() {
    source_.pull([weak = std::weak_ptr<StreamWriter>(self_)](Result<Messages> page) {
      auto self = weak.lock();
      if (!self) return;
      if (!page) return self->end(page.error());
      if (page->empty()) return self->end(std::nullopt);
      {
        std::lock_guard lock(self->mutex_);
        if (self->finished_) return;
        self->page_ = std::move(*page);
        self->next_ = 0;
        self->writing_ = true;
      }
      self->write_or_pull();
    });
  }

  void write_or_pull() {
    const Message* message = nullptr;
    bool finish = false;
    {
      std::lock_guard lock(mutex_);
      if (finished_) return;
      if (ending_) {
        finish = finished_ = true;
      } else if (next_ < page_.size()) {
        message = &page_[next_++];
      } else {
        writing_ = false;
      }
    }
    if (finish) return finish_now();
    if (message != nullptr) return this->StartWrite(message);
    pull();
  }

  /// Ends the stream now, or when the write that is under way is done. The first call decides.
  /// `as`: gRPC's code for it, if it is not the one of the error.
  void end(std::optional<Error> why, std::optional<grpc::StatusCode> as = std::nullopt) {
    if (source_.follower) source_.follower->stop();
    {
      std::lock_guard lock(mutex_);
      if (finished_) return;
      if (!ending_) {
        why_ = std::move(why);
        as_ = as;
      }
      ending_ = true;
      if (writing_) return;
      finished_ = true;
    }
    finish_now();
  }

  void finish_now() {
    if (why_) {
      backend_.grpc_calls.failed(why_->code);
      const grpc::Status status = to_status(*why_);
      this->Finish(as_ ? grpc::Status(*as_, why_->message) : status);
    } else {
      backend_.grpc_calls.ok();
      this->Finish(grpc::Status::OK);
    }
  }

  Backend& backend_;
  Source source_;
  std::shared_ptr<StreamWriter> self_;  // until OnDone
  std::uint64_t token_ = 0;

  std::mutex mutex_;
  bool writing_ = false;  // page_ is gRPC's to read
  bool ending_ = false;
  bool finished_ = false;
  std::optional<Error> why_;
  std::optional<grpc::StatusCode> as_;
  Messages page_;
  std::size_t next_ = 0;
};

}  // namespace meridian::api::internal
