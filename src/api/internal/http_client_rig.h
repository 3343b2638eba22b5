// A client that sends any bytes to an HTTP server and waits a bounded time for what comes back.
//
// For tests only. Blocking; a server that hangs makes every call here return nothing, not hang too.
#pragma once

#include <utility>  // Boost 1.74 forgets it

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "api/listen_address.h"
#include "base/assert.h"

namespace meridian::api {

class HttpClient {
 public:
  struct Reply {
    unsigned status = 0;
    std::string body;
    boost::beast::http::fields fields;

    std::string field(const char* name) const { return std::string(fields[name]); }
    nlohmann::json json() const { return nlohmann::json::parse(body, nullptr, false); }
    /// "404 not_found: there is ..." of an error, so that one comparison sees all of it.
    std::string error() const {
      nlohmann::json error = json();
      if (!error.is_object() || !error.contains("error")) return "no error: " + body;
      return std::to_string(status) + " " + error["error"]["code"].get<std::string>() + ": " +
             error["error"]["message"].get<std::string>();
    }
  };

  explicit HttpClient(const ListenAddress& server) : socket_(context_) {
    boost::system::error_code error;
    socket_.connect({boost::asio::ip::make_address(server.ip), server.port}, error);
    ASSERT(!error);
  }

  /// False if the server closed before it took all.
  bool send(std::string_view bytes) {
    bool ok = false;
    boost::asio::async_write(socket_, boost::asio::buffer(bytes.data(), bytes.size()),
                             [&](boost::system::error_code error, std::size_t) { ok = !error; });
    return finished() && ok;
  }

  /// The next reply; status 0 if the server closed instead or said nothing in time.
  Reply receive(bool is_head = false) {
    namespace http = boost::beast::http;
    http::response_parser<http::string_body> parser;
    parser.body_limit(64 << 20);
    parser.skip(is_head);
    bool ok = false;
    http::async_read(socket_, buffer_, parser,
                     [&](boost::system::error_code error, std::size_t) { ok = !error; });
    if (!finished() || !ok) return {};
    auto message = parser.release();
    return {message.result_int(), std::move(message.body()), message.base()};
  }

  /// Reads on until `end` has come, which is included; empty if it does not come in time.
  std::string read_until(std::string_view end) {
    std::size_t size = 0;
    boost::asio::async_read_until(
        socket_, boost::asio::dynamic_buffer(text_), std::string(end),
        [&](boost::system::error_code error, std::size_t found) { size = error ? 0 : found; });
    if (!finished()) return {};
    std::string out = text_.substr(0, size);
    text_.erase(0, size);
    return out;
  }

  /// True when the server has closed the connection; what it still sends is dropped.
  bool is_closed() {
    std::array<char, 4'096> ignored{};
    bool ok = true;
    while (ok) {
      socket_.async_read_some(boost::asio::buffer(ignored),
                              [&](boost::system::error_code error, std::size_t) { ok = !error; });
      if (!finished()) return false;
    }
    return true;
  }

  Reply get(std::string_view target) { return call("GET", target); }
  Reply post(std::string_view target, std::string_view body) {
    return call("POST", target, body, "Content-Type: application/json\r\n");
  }
  Reply call(std::string_view method, std::string_view target, std::string_view body = {},
             std::string_view more_fields = {}) {
    send(request(method, target, body, more_fields));
    return receive(method == "HEAD");
  }
  static std::string request(std::string_view method, std::string_view target,
                             std::string_view body = {}, std::string_view more_fields = {}) {
    std::string out = std::string(method) + ' ' + std::string(target) +
                      " HTTP/1.1\r\nHost: localhost\r\n" + std::string(more_fields);
    if (!body.empty()) out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return out + "\r\n" + std::string(body);
  }

 private:
  /// Runs what was begun to its end. False, with it cancelled, if that takes too long.
  bool finished() {
    context_.restart();
    context_.run_for(std::chrono::seconds(20));
    if (context_.stopped()) return true;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
    context_.run();
    return false;
  }

  boost::asio::io_context context_;
  boost::asio::ip::tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
  std::string text_;
};

}  // namespace meridian::api
