// Where a browser comes back to after a sign-in: a page on loopback, for as long as one command
// runs (RFC 8252 section 7.3).
//
// Anybody on this machine can reach it, and any web page can send a browser there: what is not the
// answer to this attempt is told so, and the wait goes on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "api/http_server.h"
#include "base/result.h"
#include "io/clock.h"
#include "oidc/provider.h"
#include "oidc/sign_in.h"

namespace meridian::app {

class RedirectListener {
 public:
  /// `port`: 0 for any. Errors: unavailable if it is in use.
  static Result<std::unique_ptr<RedirectListener>> start(std::uint16_t port);
  ~RedirectListener();

  /// "http://127.0.0.1:49152/callback"
  const std::string& uri() const { return uri_; }
  /// From now on the answer to `attempt` is taken: before anybody learns of it, as it may come at
  /// once.
  void expect(oidc::Provider provider, oidc::SignInAttempt attempt);
  /// The code in that answer. Errors: permission_denied if the provider refused; unavailable if
  /// nobody came back.
  Result<std::string> wait(io::Duration patience);

 private:
  class Handler;
  RedirectListener();

  metrics::Registry metrics_;
  api::CallCounts calls_;
  api::LiveCalls live_;
  Handler* handler_ = nullptr;  ///< The server's.
  std::string uri_;
  std::unique_ptr<api::HttpServer> server_;
};

}  // namespace meridian::app
