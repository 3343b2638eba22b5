#include "api/witness_http.h"

#include <string>
#include <string_view>
#include <utility>

#include "api/http_target.h"

namespace meridian::api {
namespace {

constexpr std::string_view text_utf8 = "text/plain; charset=utf-8";
constexpr std::string_view size_type = "text/x.tlog.size";  // of a 409, by tlog-witness

Code code_of(witness::Verdict verdict) {
  using witness::Verdict;
  switch (verdict) {
    case Verdict::cosigned: break;
    case Verdict::malformed: return Code::invalid_argument;
    case Verdict::not_signed: return Code::permission_denied;
    case Verdict::unknown_log: return Code::not_found;
    case Verdict::other_old_size: return Code::failed_precondition;
    case Verdict::inconsistent: return Code::failed_precondition;
    case Verdict::failed: return Code::internal;
  }
  return Code::internal;
}

HttpReply reply_of(witness::Answer answer) {
  using witness::Verdict;
  HttpReply reply{.status = static_cast<unsigned>(answer.verdict),
                  .content_type = std::string(text_utf8),
                  .body = std::move(answer.body)};
  if (answer.verdict == Verdict::cosigned) return reply;
  reply.error = code_of(answer.verdict);
  if (answer.verdict == Verdict::other_old_size) {
    reply.content_type = size_type;
  } else {
    reply.body += '\n';
  }
  return reply;
}

HttpReply refusal(unsigned status, Code code, std::string_view why) {
  return {.status = status,
          .content_type = std::string(text_utf8),
          .body = std::string(why) + "\n",
          .error = code};
}

class WitnessHttp final : public HttpHandler {
 public:
  WitnessHttp(witness::Witness& witness, io::Executor& executor, metrics::Registry& metrics)
      : witness_(witness), executor_(executor), metrics_(metrics) {}

  void handle(HttpRequest request, Respond respond) override {
    const std::string_view target = request.target;
    if (target == "/add-checkpoint") {
      if (request.method == HttpMethod::post) return add_checkpoint(std::move(request), respond);
      HttpReply reply = refusal(405, Code::invalid_argument, "this path answers POST only");
      reply.allow = "POST";
      return respond(std::move(reply));
    }
    if (request.method != HttpMethod::get) return respond(nothing_here());
    if (target == "/health") return respond(HttpReply{.body = "{\"status\":\"serving\"}\n"});
    if (target == "/metrics")
      return respond(HttpReply{.content_type = std::string(metrics::Registry::text_content_type),
                               .body = metrics_.text()});
    get_checkpoint(target, std::move(respond));
  }

  Error deadline_passed(const Asked&) const override {
    return fail(Code::deadline_exceeded,
                "the witness has not answered in time; send it again, which is harmless");
  }

 private:
  static HttpReply nothing_here() {
    return refusal(404, Code::not_found,
                   "there is no such path; this is a witness by https://c2sp.org/tlog-witness");
  }

  void add_checkpoint(HttpRequest request, Respond respond) {
    executor_.post([this, body = std::move(request.body), respond = std::move(respond)] {
      respond(reply_of(witness_.add_checkpoint(body)));
    });
  }

  void get_checkpoint(std::string_view target, Respond respond) {
    constexpr std::string_view last = "/checkpoint";
    constexpr std::size_t hash_size = 64;
    if (target.size() != 1 + hash_size + last.size() || !target.ends_with(last))
      return respond(nothing_here());
    executor_.post(
        [this, hash = std::string(target.substr(1, hash_size)), respond = std::move(respond)] {
          Result<std::string> note = witness_.checkpoint(hash);
          if (!note) return respond(refusal(404, Code::not_found, note.error().message));
          respond(HttpReply{.content_type = std::string(text_utf8),
                            .body = std::move(*note),
                            .cache_control = "no-cache"});
        });
  }

  witness::Witness& witness_;
  io::Executor& executor_;
  metrics::Registry& metrics_;
};

}  // namespace

std::unique_ptr<HttpHandler> make_witness_http(witness::Witness& witness, io::Executor& executor,
                                               metrics::Registry& metrics) {
  return std::make_unique<WitnessHttp>(witness, executor, metrics);
}

}  // namespace meridian::api
