// The order of the checks is that of OpenID Connect Core section 3.1.3.7; each names its step.
#include "oidc/id_token.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "crypto/base64.h"
#include "oidc/internal/json_object.h"

namespace meridian::oidc {
namespace {

using nlohmann::json;

Error refuse(std::string_view what) {
  return fail(Code::permission_denied, fmt::format("ID token: {}", what));
}

/// The same, of a claim that does not have its form.
Error as_refusal(const Error& error) { return refuse(error.message); }

bool is_among(const std::vector<std::string>& all, const std::string& one) {
  return std::ranges::find(all, one) != all.end();
}

/// Steps 2 to 5.
Status check_parties(const json& claims, const Settings& settings) {
  const std::optional<std::string> issuer = TRY(internal::string_in(claims, "iss"));
  if (issuer != settings.issuer) return refuse("another issuer made it (iss)");
  const std::vector<std::string> audiences = TRY(internal::strings_in(claims, "aud"));
  const bool is_for_us =
      !audiences.empty() && std::ranges::all_of(audiences, [&](const std::string& one) {
        return is_among(settings.audiences, one);
      });
  if (!is_for_us)
    return refuse("it is for another audience (aud), or also for one that is not trusted");
  const std::optional<std::string> party = TRY(internal::string_in(claims, "azp"));
  if (party ? *party != settings.client_id : audiences.size() > 1)
    return refuse("it was made for another client (azp)");
  return {};
}

/// Steps 9 and 10; RFC 7519 section 4.1.
Status check_times(const json& claims, std::int64_t now) {
  const std::optional<std::int64_t> end = TRY(internal::seconds_in(claims, "exp"));
  const std::optional<std::int64_t> made = TRY(internal::seconds_in(claims, "iat"));
  const std::optional<std::int64_t> begin = TRY(internal::seconds_in(claims, "nbf"));
  if (!end || !made) return refuse("it does not say when it was made and when it ends (iat, exp)");
  if (now >= *end + token_leeway_seconds)
    return refuse(
        fmt::format("it ended {} s ago: sign in again, and compare the clocks", now - *end));
  if (*made > now + token_leeway_seconds || (begin && *begin > now + token_leeway_seconds))
    return refuse("it is from the future: compare this clock with the provider's");
  if (*made < now - token_age_max_seconds - token_leeway_seconds)
    return refuse("it was made too long ago to be taken: sign in again");
  return {};
}

Result<std::string> find_name(const json& claims, const Settings& settings) {
  const std::optional<std::string> claim =
      TRY(internal::string_in(claims, settings.person_claim.c_str()));
  if (!claim)
    return refuse(fmt::format("it has no `{}`, which names the person", settings.person_claim));
  // An address that nobody checked is anybody's claim.
  const auto checked = claims.find("email_verified");
  if (settings.person_claim == "email" &&
      (checked == claims.end() || !checked->is_boolean() || !checked->get<bool>()))
    return refuse("its e-mail address is not verified");
  const auto found = settings.people.find(*claim);
  if (found == settings.people.end())
    return refuse(
        "the provider knows who it is, and this authority does not: add the person to "
        "`people` in its settings");
  return found->second;
}

/// Steps 12 and 13.
Result<mesh::PersonEvidence> read_evidence(const json& claims, const Settings& settings,
                                           std::int64_t now) {
  mesh::PersonEvidence evidence;
  evidence.issuer = settings.issuer;
  evidence.auth_time = TRY(internal::seconds_in(claims, "auth_time"));
  if (evidence.auth_time.value_or(0) > now + token_leeway_seconds)
    return refuse("it says of an authentication that is still to come (auth_time)");
  evidence.methods = TRY(internal::strings_in(claims, "amr"));
  const std::optional<std::string> context = TRY(internal::string_in(claims, "acr"));
  evidence.is_mfa = (context && is_among(settings.mfa_classes, *context)) ||
                    std::ranges::any_of(evidence.methods, [&](const std::string& one) {
                      return is_among(settings.mfa_methods, one);
                    });
  if (!mesh::encode_person_evidence(evidence))
    return refuse("its methods (amr) are more or longer than a certificate holds");
  return evidence;
}

Result<SignedIn> judge(std::string_view content, const Settings& settings, std::string_view nonce,
                       std::int64_t now) {
  const json claims = TRY(internal::parse_object(content, "its content"));
  TRY(check_parties(claims, settings));
  TRY(check_times(claims, now));
  const std::optional<std::string> given = TRY(internal::string_in(claims, "nonce"));
  if (nonce.empty() || given != nonce)  // step 11
    return refuse("it was not made for this request (nonce): its key is another");
  const std::optional<std::string> subject = TRY(internal::string_in(claims, "sub"));
  if (!subject || subject->empty() || subject->size() > claim_size_max)
    return refuse("it does not say whom it is about (sub)");
  const std::string text = settings.issuer + "\n" + *subject;
  SignedIn who{TRY(find_name(claims, settings)), crypto::sha256(as_bytes(text)), {}};
  who.evidence = TRY(read_evidence(claims, settings, now));
  return who;
}

}  // namespace

std::string sign_in_nonce(const crypto::Digest& spki_digest, Bytes random) {
  crypto::Sha256 hash;
  hash.update(spki_digest).update(random);
  return crypto::to_base64url(hash.finish());
}

Result<SignedIn> judge_id_token(std::string_view content, const Settings& settings,
                                std::string_view nonce, std::int64_t now) {
  Result<SignedIn> who = judge(content, settings, nonce, now);
  if (!who && who.error().code != Code::permission_denied) return as_refusal(who.error());
  return who;
}

}  // namespace meridian::oidc
