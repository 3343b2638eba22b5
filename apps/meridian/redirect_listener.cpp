#include "redirect_listener.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "api/http_target.h"

namespace meridian::app {

namespace {

constexpr std::string_view path = "/callback";
/// For the page to be written before the listener goes.
constexpr io::Duration page_patience = io::seconds(2);

api::HttpReply page(unsigned status, std::string_view words) {
  return {.status = status,
          .content_type = "text/html; charset=utf-8",
          .body = fmt::format("<!doctype html><title>meridian</title><p>{}</p>\n", words)};
}

}  // namespace

class RedirectListener::Handler final : public api::HttpHandler {
 public:
  void handle(api::HttpRequest request, api::Respond respond) override {
    const std::lock_guard lock(mutex_);
    const Result<api::HttpTarget> target = api::parse_http_target(request.target);
    if (request.method != api::HttpMethod::get || !target || target->path != path)
      return respond(page(404, "There is nothing here."));
    if (!wanted_ || answer_) return respond(page(409, "No sign-in is under way."));
    Result<std::string> code =
        oidc::read_redirect(target->query, wanted_->provider, wanted_->attempt);
    if (!code && code.error().code == Code::invalid_argument)
      return respond(page(400, "This is no answer to the sign-in under way."));
    respond(code ? page(200, "The sign-in goes on in the terminal. You can close this page.")
                 : page(200, "The sign-in was refused; the terminal says why."));
    answer_ = std::move(code);
    has_come_.notify_all();
  }

  Error deadline_passed(const Asked&) const override {
    return fail(Code::deadline_exceeded, "too late");
  }

  void expect(oidc::Provider provider, oidc::SignInAttempt attempt) {
    const std::lock_guard lock(mutex_);
    wanted_ = {std::move(provider), std::move(attempt)};
  }

  Result<std::string> wait(io::Duration patience) {
    std::unique_lock lock(mutex_);
    has_come_.wait_for(lock, std::chrono::nanoseconds(static_cast<std::int64_t>(patience)),
                       [this] { return answer_.has_value(); });
    wanted_.reset();
    if (answer_) return *std::move(answer_);
    return fail(
        Code::unavailable,
        "nobody came back from the identity provider in time; nothing was done: begin again");
  }

 private:
  struct Wanted {
    oidc::Provider provider;
    oidc::SignInAttempt attempt;
  };
  std::mutex mutex_;  // guards the rest
  std::condition_variable has_come_;
  std::optional<Wanted> wanted_;
  std::optional<Result<std::string>> answer_;
};

RedirectListener::RedirectListener() : calls_(metrics_, "http") {}

RedirectListener::~RedirectListener() {
  if (server_) server_->stop(page_patience);
}

Result<std::unique_ptr<RedirectListener>> RedirectListener::start(std::uint16_t port) {
  std::unique_ptr<RedirectListener> listener(new RedirectListener);
  auto handler = std::make_unique<Handler>();
  listener->handler_ = handler.get();
  listener->server_ = TRY(api::HttpServer::start(
      {std::move(handler), listener->live_, listener->calls_}, {.ip = "127.0.0.1", .port = port}));
  listener->uri_ =
      fmt::format("http://{}{}", api::format_listen_address(listener->server_->address()), path);
  return listener;
}

void RedirectListener::expect(oidc::Provider provider, oidc::SignInAttempt attempt) {
  handler_->expect(std::move(provider), std::move(attempt));
}

Result<std::string> RedirectListener::wait(io::Duration patience) {
  return handler_->wait(patience);
}

}  // namespace meridian::app
