#include "api/authority_http.h"

#include <string>

namespace meridian::api {
namespace {

class AuthorityHttp final : public HttpHandler {
 public:
  explicit AuthorityHttp(const metrics::Registry& metrics) : metrics_(metrics) {}

  void handle(HttpRequest request, Respond respond) override {
    if (request.method == HttpMethod::get && request.target == "/health")
      return respond(HttpReply{.body = "{\"status\":\"serving\"}\n"});
    if (request.method == HttpMethod::get && request.target == "/metrics")
      return respond(HttpReply{.content_type = std::string(metrics::Registry::text_content_type),
                               .body = metrics_.text()});
    respond(error_reply(
        fail(Code::not_found, "an authority answers GET /health and GET /metrics alone")));
  }

  Error deadline_passed(const Asked&) const override {
    return fail(Code::deadline_exceeded, "the authority has not answered in time");
  }

 private:
  const metrics::Registry& metrics_;
};

}  // namespace

std::unique_ptr<HttpHandler> make_authority_http(const metrics::Registry& metrics) {
  return std::make_unique<AuthorityHttp>(metrics);
}

}  // namespace meridian::api
