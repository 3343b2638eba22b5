// What each HTTP request means: routes, parameters, replies. No sockets here: http_server.h has
// those. The routes with examples: docs/api.md.
//
// Thread-safe. `respond` is called once, on the calling thread or on an internal executor.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/backend.h"
#include "api/http_handler.h"
#include "api/http_target.h"
#include "base/result.h"

namespace meridian::api {

class HttpApi final : public HttpHandler {
 public:
  explicit HttpApi(Backend& backend);
  void handle(HttpRequest request, Respond respond) override;
  Error deadline_passed(const Asked& asked) const override;

  /// What a handler gets; kept until it has responded.
  struct Call {
    HttpRequest request;
    HttpTarget target;
    Respond respond;
    Asker asker{};
    /// The segments that stand for `*` in the route.
    std::vector<std::string> arguments{};

    void reply(HttpReply reply) const { respond(std::move(reply)); }
    void reply_json(std::string text) const;
    void refuse(const Error& error) const { respond(error_reply(error)); }
  };
  using CallRef = std::shared_ptr<Call>;
  using Handler = void (*)(Backend&, const CallRef&);
  struct Route {
    HttpMethod method;
    std::string_view path;  ///< "v1/accounts/*": a `*` is any one segment.
    Needs needs;
    Handler handler;
    bool is_read = false;  ///< Of state that others may have changed: linearizable unless local.
  };
  const std::vector<Route>& routes() const { return routes_; }

 private:
  void run(const Route& route, const CallRef& call);

  Backend& backend_;
  std::vector<Route> routes_;
};

}  // namespace meridian::api
