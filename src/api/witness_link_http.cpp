#include "api/witness_link_http.h"

#include <fmt/format.h>

#include <utility>  // Boost 1.74 forgets it

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <memory>

#include "io/executor.h"

namespace meridian::api {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = net::ip::tcp;
using boost::system::error_code;

constexpr std::string_view scheme = "http://";
constexpr std::uint32_t header_bytes_max = 16 << 10;

struct Url {
  std::string host;    ///< As in the Host field, with the port if one was given.
  std::string name;    ///< What is resolved.
  std::string port;    ///< "80" if none was given.
  std::string prefix;  ///< Without a '/' at its end.
};

Result<Url> parse_url(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return fail(Code::invalid_argument,
                fmt::format("witness URL '{}': {}. expected http://host:port", text, why));
  };
  if (text.starts_with("https://"))
    return bad("TLS is not spoken here; let a proxy on this machine do that and name the proxy");
  if (!std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; }))
    return bad("it holds a space or bytes that are no ASCII");
  if (!text.starts_with(scheme)) return bad("it does not begin with http://");
  const std::string_view rest = text.substr(scheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  Url url;
  url.host = rest.substr(0, slash);
  url.prefix = rest.substr(slash);
  while (url.prefix.ends_with('/')) url.prefix.pop_back();
  if (url.prefix.find_first_of("?#") != std::string::npos) return bad("the path has a ? or #");
  std::string_view host = url.host;
  const bool is_ipv6 = host.starts_with('[');
  const std::size_t end = is_ipv6 ? host.find(']') : std::min(host.find(':'), host.size());
  if (end == std::string_view::npos) return bad("no ']' after the address");
  url.name = is_ipv6 ? host.substr(1, end - 1) : host.substr(0, end);
  host.remove_prefix(is_ipv6 ? end + 1 : end);
  url.port = host.empty() ? "80" : std::string(host.substr(1));
  const bool is_port = !url.port.empty() && url.port.size() <= 5 &&
                       url.port.find_first_not_of("0123456789") == std::string::npos;
  if ((!host.empty() && host.front() != ':') || !is_port) return bad("the port is no number");
  if (url.name.empty() || url.name.find('@') != std::string::npos)
    return bad("the host is missing or malformed");
  return url;
}

class HttpLink final : public witness::WitnessLink {
 public:
  HttpLink(Url url, io::Duration timeout)
      : url_(std::move(url)), timeout_(static_cast<std::int64_t>(timeout)) {}
  ~HttpLink() override {
    stopped_ = true;
    context_.stop();
    executor_.reset();
  }

  void add_checkpoint(std::string body, std::function<void(Result<Reply>)> done) override {
    executor_->post([this, body = std::move(body), done = std::move(done)]() mutable {
      Result<Reply> reply = call(std::move(body));
      if (!stopped_) done(std::move(reply));
    });
  }

 private:
  class Exchange;
  Result<Reply> call(std::string body);

  Url url_;
  std::chrono::nanoseconds timeout_;
  std::atomic<bool> stopped_{false};
  net::io_context context_{1};
  std::unique_ptr<io::Executor> executor_ = io::os_executor("witness-link");
};

/// One request and its answer; every step begins the next, an error ends it. Steps under way keep
/// it alive: a name may still be looked up when time has run out.
class HttpLink::Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(net::io_context& context, const Url& url, std::string body)
      : resolver_(context), stream_(context) {
    request_ = {http::verb::post, url.prefix + "/add-checkpoint", 11};
    request_.set(http::field::host, url.host);
    request_.set(http::field::user_agent, "meridian");
    request_.set(http::field::content_type, "text/plain; charset=utf-8");
    request_.set(http::field::connection, "close");
    request_.body() = std::move(body);
    request_.prepare_payload();
    parser_.header_limit(header_bytes_max);
    parser_.body_limit(witness_answer_bytes_max);
  }
  void begin(const Url& url) {
    resolver_.async_resolve(
        url.name, url.port, [self = shared_from_this()](error_code error, const auto& found) {
          if (self->failed(error)) return;
          self->stream_.async_connect(found, [self](error_code refused, const auto&) {
            if (!self->failed(refused)) self->write();
          });
        });
  }
  Result<Reply> end() {
    if (!error_ && !parser_.is_done()) {
      resolver_.cancel();
      stream_.close();
      return fail(Code::unavailable, "no answer in time");
    }
    if (error_) return fail(Code::unavailable, error_.message());
    return Reply{parser_.get().result_int(), std::move(parser_.get().body())};
  }

 private:
  bool failed(error_code error) {
    error_ = error;
    return static_cast<bool>(error);
  }
  void write() {
    http::async_write(
        stream_, request_, [self = shared_from_this()](error_code error, std::size_t) {
          // A server may answer and close before it has read all; its answer says why.
          const bool is_cut =
              error == net::error::broken_pipe || error == net::error::connection_reset;
          if (!is_cut && self->failed(error)) return;
          http::async_read(self->stream_, self->buffer_, self->parser_,
                           [self](error_code broken, std::size_t) { self->failed(broken); });
        });
  }

  tcp::resolver resolver_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response_parser<http::string_body> parser_;
  error_code error_;
};

Result<witness::WitnessLink::Reply> HttpLink::call(std::string body) {
  context_.restart();
  if (stopped_) return fail(Code::unavailable, "the server is stopping");
  auto exchange = std::make_shared<Exchange>(context_, url_, std::move(body));
  exchange->begin(url_);
  context_.run_for(timeout_);
  Result<Reply> reply = exchange->end();
  context_.restart();
  context_.poll();  // what was cut off lets go of it
  return reply;
}

}  // namespace

Result<std::unique_ptr<witness::WitnessLink>> make_witness_link(std::string_view url,
                                                                io::Duration timeout) {
  return std::unique_ptr<witness::WitnessLink>(
      std::make_unique<HttpLink>(TRY(parse_url(url)), timeout));
}

}  // namespace meridian::api
