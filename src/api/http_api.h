// What each HTTP request means: routes, parameters, replies. No sockets here: http_server.h has
// those. The routes with examples: docs/api.md.
//
// Thread-safe. `respond` is called once, on the calling thread or on an internal executor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/backend.h"
#include "api/http_target.h"
#include "base/result.h"

namespace meridian::api {

enum class HttpMethod : std::uint8_t { get, post, other };

struct HttpRequest {
  HttpMethod method = HttpMethod::get;
  std::string target;
  std::string content_type;
  std::string last_event_id;  ///< What a broken EventSource sends to go on.
  std::string body;
};

struct HttpReply {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body{};
  std::string cache_control = "no-store";
  std::string allow{};          ///< Of a 405.
  std::optional<Code> error{};  ///< What it reports, if it is an error.
};

/// Server-sent events: asked for one page of text at a time, when the last one is written.
class HttpEvents {
 public:
  virtual ~HttpEvents() = default;
  virtual void next(std::function<void(Result<std::string>)> ready) = 0;
  /// Nothing is delivered any more.
  virtual void stop() = 0;
};

using HttpResponse = std::variant<HttpReply, std::shared_ptr<HttpEvents>>;
using Respond = std::function<void(HttpResponse)>;

unsigned http_status(Code code);
HttpReply error_reply(const Error& error);

class HttpApi {
 public:
  explicit HttpApi(Backend& backend);
  void handle(HttpRequest request, Respond respond);

  /// What was asked, for the one who answers when time has run out.
  struct Asked {
    HttpMethod method;
    std::string target;
  };
  static Error deadline_passed(const Asked& asked);

  /// What a handler gets; kept until it has responded.
  struct Call {
    HttpRequest request;
    HttpTarget target;
    Respond respond;
    /// The segments that stand for `*` in the route.
    std::vector<std::string> arguments;

    void reply(HttpReply reply) const { respond(std::move(reply)); }
    void reply_json(std::string text) const;
    void refuse(const Error& error) const { respond(error_reply(error)); }
  };
  using CallRef = std::shared_ptr<Call>;
  using Handler = void (*)(Backend&, const CallRef&);
  struct Route {
    HttpMethod method;
    std::string_view path;  ///< "v1/accounts/*": a `*` is any one segment.
    Handler handler;
  };

 private:
  Backend& backend_;
  std::vector<Route> routes_;
};

}  // namespace meridian::api
