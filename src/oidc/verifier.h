// Takes an ID token for true, or says why not: asks the provider for its keys when it has to.
//
// Keys are kept for an hour. A key that is not known makes it ask again, once a minute at most, so
// that tokens of strangers do not turn into questions; after a failure it does not ask for five
// seconds. Whether a token was used before is for whoever issues to remember.
// One thread. Cost: 100 us; when it asks, up to 20 s.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/clock.h"
#include "oidc/https.h"
#include "oidc/id_token.h"
#include "oidc/key_set.h"
#include "oidc/settings.h"

namespace meridian::oidc {

class Verifier {
 public:
  static constexpr io::Duration keys_kept = io::seconds(3'600);
  static constexpr io::Duration asks_apart = io::seconds(60);
  static constexpr io::Duration tries_apart = io::seconds(5);

  /// `ca_pem`: the content of settings.ca_file. `clock` outlives it.
  Verifier(Settings settings, std::string ca_pem, Fetch fetch, io::Clock& clock)
      : settings_(std::move(settings)),
        ca_pem_(std::move(ca_pem)),
        fetch_(std::move(fetch)),
        clock_(clock) {}

  /// Errors: permission_denied saying what is wrong with the token; unavailable if the provider
  /// does not answer, or not as it should.
  Result<SignedIn> verify(std::string_view token, std::string_view nonce);

  const Settings& settings() const { return settings_; }
  const std::string& ca_pem() const { return ca_pem_; }

 private:
  Status ask_for_keys();
  Result<KeySet> fetch_keys() const;

  const Settings settings_;
  const std::string ca_pem_;
  const Fetch fetch_;
  io::Clock& clock_;
  std::optional<KeySet> keys_;
  io::MonotonicTime keys_at_{0};               ///< When they came.
  std::optional<io::MonotonicTime> tried_at_;  ///< When it failed last, since then.
  std::string why_;                            ///< It failed.
};

}  // namespace meridian::oidc
