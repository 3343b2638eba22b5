// A person's half of a sign-in: authorization code with PKCE, as a native app (RFC 6749, RFC 7636,
// RFC 8252; OpenID Connect Core section 3.1).
//
//   make_attempt -> authorization_url -> (the person, in a browser) -> read_redirect ->
//   token_request -> read_token_answer -> the authority
// What comes back is bytes from strangers until state, issuer and the provider's TLS say
// otherwise; the token itself is the authority's to check (verifier.h). Pure, but for make_attempt.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/sha256.h"
#include "io/entropy.h"
#include "oidc/https.h"
#include "oidc/provider.h"

namespace meridian::oidc {

/// How long ago a sign-in at the provider may be, where no fresh one is asked for.
inline constexpr std::int64_t session_age_max_seconds = 12 * 3600;

/// What the authority tells those who sign in.
struct SignInTerms {
  std::string issuer, client_id;
  std::vector<std::string> scopes;       ///< Beside `openid`.
  std::vector<std::string> mfa_classes;  ///< `acr` values to ask for.
  std::string ca_pem;  ///< Who vouches for the provider's TLS; empty: the system's.
};

/// The secrets of one try.
struct SignInAttempt {
  Buffer random;             ///< The authority makes the nonce of it again.
  std::string nonce, state;  ///< base64url, as the next
  std::string code_verifier;
  std::string redirect_uri;  ///< "http://127.0.0.1:49152/callback"
};
SignInAttempt make_attempt(const crypto::Digest& spki_digest, std::string redirect_uri,
                           io::Entropy& entropy);

/// For the person's browser. `is_fresh`: they are to prove it again, with a second factor.
std::string authorization_url(const Provider& provider, const SignInTerms& terms,
                              const SignInAttempt& attempt, bool is_fresh);

using Parameters = std::vector<std::pair<std::string, std::string>>;
/// The code in the redirect's query. Errors: permission_denied with the provider's words if it
/// refused; invalid_argument if it is no answer to this attempt, which is then still open.
Result<std::string> read_redirect(const Parameters& query, const Provider& provider,
                                  const SignInAttempt& attempt);

/// `client_secret`: for providers that want one even of apps; empty: none.
HttpsAsk token_request(const Provider& provider, const SignInTerms& terms,
                       const SignInAttempt& attempt, std::string_view code,
                       std::string_view client_secret);
/// The ID token. Errors: permission_denied with the provider's words; unavailable if it answers
/// something else.
Result<std::string> read_token_answer(const HttpsAnswer& answer);

}  // namespace meridian::oidc
