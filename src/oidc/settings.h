// What an authority is told about the identity provider of its people: whose word it takes, for
// which of them, and what it takes for a second factor.
//
//   meridian-oidc: 1
//   issuer: https://login.bank.example/realms/staff
//   client_id: meridian
//   people:
//     8f2c9a1e-0f4d-4a53-9f0e-2b1c4d5e6f70: ada
//   mfa:
//     amr: [mfa, otp, hwk]
//
// Who is not in the table gets no certificate. Keys that nobody knows are refused.
// Pure values. Words and defaults: docs/security/identities.md.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace meridian::oidc {

inline constexpr std::size_t settings_size_max = 1 << 20;
inline constexpr std::size_t people_max = 10'000;
inline constexpr std::size_t words_max = 32;  ///< In one list.
inline constexpr std::size_t claim_size_max = 512;
inline constexpr std::size_t url_size_max = 2'048;

/// How the provider signs (RFC 7518). There is no other: neither `none`, nor one with a shared key.
enum class Algorithm : std::uint8_t { rs256, ps256, es256 };
std::string_view name(Algorithm algorithm);  ///< "RS256"

struct Settings {
  std::string issuer;  ///< As the `iss` of its tokens; https.
  std::string client_id;
  std::vector<std::string> audiences;  ///< What `aud` may name; the client alone if not given.
  std::string person_claim = "sub";
  std::map<std::string, std::string, std::less<>> people;  ///< The claim's value -> "ada".
  std::vector<std::string> mfa_methods, mfa_classes;       ///< Any of `amr`, or `acr`: it was MFA.
  std::int64_t lifetime_seconds = 3600;                    ///< Of a person's certificate.
  std::vector<std::string> scopes;                         ///< Beside `openid`.
  std::vector<Algorithm> algorithms{Algorithm::rs256, Algorithm::ps256, Algorithm::es256};
  std::string ca_file;  ///< Who vouches for its TLS; empty: whom the system believes.
};

/// Errors: invalid_argument naming the line and what to write instead.
Result<Settings> parse_settings(std::string_view yaml);

/// "https://…", printable, without user, spaces or fragment, at most url_size_max.
bool is_https_url(std::string_view text);

}  // namespace meridian::oidc
