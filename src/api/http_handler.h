// What an HTTP server calls with each request, and what it takes back.
//
// Two handlers exist: the ledger's (http_api.h) and a witness's (witness_http.h); http_server.h
// serves either. Thread-safe; `respond` is called once, on the calling thread or an internal
// executor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "api/callers.h"
#include "base/result.h"

namespace meridian::api {

enum class HttpMethod : std::uint8_t { get, post, other };

struct HttpRequest {
  HttpMethod method = HttpMethod::get;
  std::string target;
  std::string content_type;
  std::string last_event_id{};  ///< What a broken EventSource sends to go on.
  std::string read{};           ///< The header `Meridian-Read` (read_wish.h).
  std::string purpose{};        ///< The header `Meridian-Purpose` (readings.h).
  std::string signature{};      ///< The header `Meridian-Signature` (request_signature.h).
  std::string body;
  CallerRef caller{};  ///< Null in the clear.
};

struct HttpReply {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body{};
  std::string cache_control = "no-store";
  std::string allow{};          ///< Of a 405.
  std::string position{};       ///< Of a local read: Backend::describe().
  std::optional<Code> error{};  ///< What it reports, if it is an error.
  std::string error_message{};
};

/// Server-sent events: asked for one page of text at a time, when the last one is written.
class HttpEvents {
 public:
  virtual ~HttpEvents() = default;
  virtual void next(std::function<void(Result<std::string>)> ready) = 0;
  /// Asked every second, any thread: whether whoever follows still may.
  virtual Status may_go_on() const = 0;
  /// Nothing is delivered any more.
  virtual void stop() = 0;
};

using HttpResponse = std::variant<HttpReply, std::shared_ptr<HttpEvents>>;
using Respond = std::function<void(HttpResponse)>;

unsigned http_status(Code code);
HttpReply error_reply(const Error& error);

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  virtual void handle(HttpRequest request, Respond respond) = 0;

  /// What was asked, for the one who answers when time has run out.
  struct Asked {
    HttpMethod method;
    std::string target;
  };
  virtual Error deadline_passed(const Asked& asked) const = 0;
};

}  // namespace meridian::api
