// Requests to an identity provider, by libcurl: HTTPS alone, bounded, without redirects.
//
// The provider may be broken or somebody else's: an answer has at most answer_size_max bytes and
// comes within https_patience, from the first byte of the connection to the last of the answer.
// Blocks. Thread-safe.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "io/clock.h"

namespace meridian::oidc {

inline constexpr std::size_t answer_size_max = 1 << 20;
inline constexpr io::Duration https_patience = io::seconds(10);

struct HttpsAsk {
  std::string url;
  std::string form{};    ///< Posted, as application/x-www-form-urlencoded; empty: a GET.
  std::string ca_pem{};  ///< Who vouches for the server; empty: whom the system believes.
};
struct HttpsAnswer {
  long status = 0;
  std::string body;
};
using Fetch = std::function<Result<HttpsAnswer>(const HttpsAsk&)>;

/// Errors: unavailable saying what is wrong with whom (name, connection, TLS, time);
/// resource_exhausted for an answer that is too big.
Result<HttpsAnswer> fetch_https(const HttpsAsk& ask);

}  // namespace meridian::oidc
