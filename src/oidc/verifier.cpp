#include "oidc/verifier.h"

#include <fmt/format.h>

#include "io/unix_time.h"
#include "oidc/provider.h"

namespace meridian::oidc {

Result<KeySet> Verifier::fetch_keys() const {
  const Provider provider = TRY(discover(fetch_, settings_.issuer, ca_pem_));
  const HttpsAnswer answer = TRY(fetch_({.url = provider.jwks_uri, .ca_pem = ca_pem_}));
  TRY(check_status(answer, provider.jwks_uri));
  return KeySet::parse(answer.body);
}

Status Verifier::ask_for_keys() {
  if (tried_at_ && clock_.monotonic() < *tried_at_ + tries_apart)
    return fail(Code::unavailable, why_);
  Result<KeySet> keys = fetch_keys();
  if (!keys) {
    tried_at_ = clock_.monotonic();
    why_ = fmt::format("the identity provider does not answer as it should, so nobody signs in: {}",
                       keys.error().message);
    return fail(Code::unavailable, why_);
  }
  tried_at_.reset();
  keys_ = *std::move(keys);
  keys_at_ = clock_.monotonic();
  return {};
}

Result<SignedIn> Verifier::verify(std::string_view token, std::string_view nonce) {
  const TokenHead head = TRY(read_token_head(token, settings_.algorithms));
  if (!keys_ || clock_.monotonic() >= keys_at_ + keys_kept) TRY(ask_for_keys());
  Result<std::string> content = keys_->verify(token, head);
  if (!content && content.error().code == Code::not_found &&
      clock_.monotonic() >= keys_at_ + asks_apart) {
    TRY(ask_for_keys());
    content = keys_->verify(token, head);
  }
  if (!content && content.error().code == Code::not_found)
    return fail(Code::permission_denied,
                content.error().message +
                    " (if it has just changed its keys: they are asked for once a minute)");
  if (!content) return content.error();
  return judge_id_token(*content, settings_, nonce, io::unix_seconds(clock_));
}

}  // namespace meridian::oidc
