#include "oidc/provider.h"

#include <fmt/format.h>

#include <algorithm>

#include "oidc/internal/json_object.h"
#include "oidc/settings.h"

namespace meridian::oidc {
namespace {

Result<std::string> address_in(const nlohmann::json& document, const char* key) {
  const std::optional<std::string> address = TRY(internal::string_in(document, key));
  if (!address || !is_https_url(*address))
    return fail(Code::invalid_argument, fmt::format("`{}` is no https:// address", key));
  return *address;
}

}  // namespace

Result<Provider> parse_provider(std::string_view json, std::string_view issuer) {
  const nlohmann::json document = TRY(internal::parse_object(json, "the provider's document"));
  const std::optional<std::string> own = TRY(internal::string_in(document, "issuer"));
  if (own != issuer)
    return fail(Code::invalid_argument,
                fmt::format("the provider says that it is another issuer than {}", issuer));
  Provider provider;
  provider.issuer = issuer;
  provider.authorization_endpoint = TRY(address_in(document, "authorization_endpoint"));
  provider.token_endpoint = TRY(address_in(document, "token_endpoint"));
  provider.jwks_uri = TRY(address_in(document, "jwks_uri"));
  const std::vector<std::string> challenges =
      TRY(internal::strings_in(document, "code_challenge_methods_supported"));
  if (!challenges.empty() && std::ranges::find(challenges, "S256") == challenges.end())
    return fail(Code::invalid_argument, "the provider does not take PKCE with S256");
  const auto says = document.find("authorization_response_iss_parameter_supported");
  provider.says_issuer = says != document.end() && says->is_boolean() && says->get<bool>();
  return provider;
}

Status check_status(const HttpsAnswer& answer, std::string_view url) {
  if (answer.status == 200) return {};
  return fail(Code::unavailable, fmt::format("{}: HTTP {}", url, answer.status));
}

Result<Provider> discover(const Fetch& fetch, const std::string& issuer,
                          const std::string& ca_pem) {
  // Discovery section 4: a slash at the issuer's end is not doubled.
  std::string url = issuer;
  if (url.ends_with('/')) url.pop_back();
  url += "/.well-known/openid-configuration";
  const HttpsAnswer answer = TRY(fetch({.url = url, .ca_pem = ca_pem}));
  TRY(check_status(answer, url));
  Result<Provider> provider = parse_provider(answer.body, issuer);
  if (!provider)
    return fail(Code::unavailable, fmt::format("{}: {}", url, provider.error().message));
  return provider;
}

}  // namespace meridian::oidc
