#include "api/http_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/convert_json.h"
#include "api/internal/http_routes.h"
#include "api/method_needs.h"

namespace meridian::api {
namespace {

using mesh::Action;

void get_health(Backend&, const HttpApi::CallRef& call) {
  call->reply_json(R"({"status":"serving"})");
}

void get_metrics(Backend& backend, const HttpApi::CallRef& call) {
  call->reply({.content_type = std::string(metrics::Registry::text_content_type),
               .body = backend.metrics_text()});
}

std::vector<std::string_view> split_route(std::string_view path) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= path.size();) {
    std::size_t end = std::min(path.find('/', at), path.size());
    parts.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

bool matches(std::string_view route, const std::vector<std::string>& segments,
             std::vector<std::string>& arguments) {
  std::vector<std::string_view> parts = split_route(route);
  if (parts.size() != segments.size()) return false;
  arguments.clear();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == "*") {
      arguments.push_back(segments[i]);
    } else if (parts[i] != segments[i]) {
      return false;
    }
  }
  return true;
}

/// Upper and lower case are one, and parameters such as a charset change nothing (RFC 9110, 8.3.1).
bool is_json(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  return std::ranges::equal(type, std::string_view("application/json"), [](char given, char lower) {
    return given == lower || (given >= 'A' && given <= 'Z' && given - 'A' + 'a' == lower);
  });
}

/// POSTs whose body is a question: they change nothing.
bool is_read(std::string_view path) {
  return path == "/v1/accounts/lookup" || path == "/v1/transfers/lookup" ||
         path == "/v1/subjects/status" || path == "/v1/subjects/erasures" || path == "/v1/settle";
}

/// Who is sent away is told where the leader is, if that is known.
Respond with_leader(Backend& backend, Respond respond) {
  if (backend.cell.replica().is_alone()) return respond;
  return [&backend, respond = std::move(respond)](HttpResponse response) {
    auto* reply = std::get_if<HttpReply>(&response);
    // A stopping server may have closed its cell.
    if (reply != nullptr && reply->error == Code::unavailable && !backend.live.is_stopped()) {
      const std::string leader = backend.cell.replica().leader_address();
      if (!leader.empty())
        reply->body = error_json_text({Code::unavailable, reply->error_message}, leader);
    }
    respond(std::move(response));
  };
}

}  // namespace

unsigned http_status(Code code) {
  switch (code) {
    case Code::invalid_argument: return 400;
    case Code::not_found: return 404;
    case Code::already_exists: return 409;
    case Code::failed_precondition: return 409;
    case Code::out_of_range: return 404;
    case Code::permission_denied: return 403;
    case Code::resource_exhausted: return 429;
    case Code::unavailable: return 503;
    case Code::deadline_exceeded: return 504;
    case Code::data_loss: return 500;
    case Code::unimplemented: return 501;
    case Code::internal: return 500;
  }
  return 500;
}

HttpReply error_reply(const Error& error) {
  return {.status = http_status(error.code),
          .body = error_json_text(error),
          .error = error.code,
          .error_message = error.message};
}

void HttpApi::Call::reply_json(std::string text) const {
  text += '\n';
  respond(HttpReply{.body = std::move(text)});
}

HttpApi::HttpApi(Backend& backend) : backend_(backend) {
  routes_.push_back({HttpMethod::get, "health", Action::status_read, get_health});
  routes_.push_back({HttpMethod::get, "metrics", Action::metrics_read, get_metrics});
  internal::add_write_routes(routes_);
  internal::add_read_routes(routes_);
  internal::add_event_routes(routes_);
  internal::add_proof_routes(routes_);
  internal::add_member_routes(routes_);
  internal::add_upgrade_routes(routes_);
  internal::add_key_routes(routes_);
  internal::add_policy_routes(routes_);
}

Error HttpApi::deadline_passed(const Asked& asked) const {
  std::string_view target = asked.target;
  if (asked.method != HttpMethod::post || is_read(target.substr(0, target.find('?')))) {
    return fail(Code::deadline_exceeded, std::string(read_deadline_message));
  }
  if (target == "/v1/members")
    return fail(Code::deadline_exceeded,
                "the outcome is unknown: GET /v1/members shows whether the change was made");
  if (target == "/v1/node/keys")
    return fail(Code::deadline_exceeded,
                "the outcome is unknown: GET /v1/node/keys shows which versions there are");
  return fail(Code::deadline_exceeded,
              "the outcome is unknown: ask GET /v1/outcomes with the same id, or send it again");
}

void HttpApi::run(const Route& route, const CallRef& call) {
  if (!route.is_read) return route.handler(backend_, call);
  const Result<ReadWish> wish = parse_read_wish(call->request.read);
  if (!wish) return call->refuse(wish.error());
  if (const std::optional<Backend::LocalRead> read = backend_.begin_local_read(*wish)) {
    call->respond = [&backend = backend_, read = *read,
                     respond = std::move(call->respond)](HttpResponse response) {
      if (auto* reply = std::get_if<HttpReply>(&response)) reply->position = backend.describe(read);
      respond(std::move(response));
    };
    return route.handler(backend_, call);
  }
  backend_.when_current(
      [&backend = backend_, call, handler = route.handler](const Status& current) {
        if (!current) return call->refuse(current.error());
        handler(backend, call);
      });
}

void HttpApi::handle(HttpRequest request, Respond respond) {
  Result<HttpTarget> target = parse_http_target(request.target);
  if (!target) return respond(error_reply(target.error()));
  auto call = std::make_shared<Call>(
      Call{std::move(request), std::move(*target), with_leader(backend_, std::move(respond))});
  call->asker = backend_.access.asker(call->request.caller);
  if (call->request.method == HttpMethod::get && call->target.path.starts_with("/log/tile/")) {
    if (Status may = call->asker.check(needs_of_tile(call->target.path)); !may)
      return call->refuse(may.error());
    return internal::serve_tile(backend_, call);
  }
  std::string allow;
  for (const Route& route : routes_) {
    if (!matches(route.path, call->target.segments, call->arguments)) continue;
    if (route.method == call->request.method) {
      if (Status may = call->asker.check(route.needs); !may) return call->refuse(may.error());
      // Any page of any site may send a form or plain text here; JSON it may not.
      if (route.method == HttpMethod::post && !is_json(call->request.content_type)) {
        HttpReply reply = error_reply(
            fail(Code::invalid_argument, "send the body with Content-Type: application/json"));
        reply.status = 415;
        return call->reply(std::move(reply));
      }
      return run(route, call);
    }
    allow += fmt::format("{}{}", allow.empty() ? "" : ", ",
                         route.method == HttpMethod::get ? "GET, HEAD" : "POST");
  }
  if (allow.empty()) {
    return call->refuse(fail(Code::not_found, "there is no such path; see docs/api.md"));
  }
  HttpReply reply =
      error_reply(fail(Code::invalid_argument, fmt::format("this path answers {} only", allow)));
  reply.status = 405;
  reply.allow = allow;
  call->reply(std::move(reply));
}

}  // namespace meridian::api
