// What a provider says of itself (OpenID Connect Discovery section 3).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "oidc/https.h"

namespace meridian::oidc {

struct Provider {
  std::string issuer;
  std::string authorization_endpoint, token_endpoint, jwks_uri;
  bool says_issuer = false;  ///< Its answers name it (RFC 9207).
  bool operator==(const Provider&) const = default;
};

/// Errors: invalid_argument if it is no such document, of another issuer, has an address that is
/// not https, or does not take PKCE with S256 (nothing said of it: it may).
Result<Provider> parse_provider(std::string_view json, std::string_view issuer);

/// Asks for it. Errors: as `fetch`; unavailable if it answers something else.
Result<Provider> discover(const Fetch& fetch, const std::string& issuer, const std::string& ca_pem);

/// "HTTP 503", or nothing is wrong with the status.
Status check_status(const HttpsAnswer& answer, std::string_view url);

}  // namespace meridian::oidc
