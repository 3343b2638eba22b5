// What getting a certificate from an authority takes, by a token or by signing in: to find the
// authority, to know it by its bundle, and not to write over anybody else.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "api/authority_client.h"
#include "base/result.h"
#include "crypto/sha256.h"
#include "mesh/spiffe_id.h"
#include "mesh/trust_bundle.h"
#include "trust_directory.h"

namespace meridian::app {

/// A digest in hexadecimal, or a file that holds the bundle.
Result<crypto::Digest> told_digest(const std::string& text);

TrustFiles files_of(const api::TrustNotes& notes);

/// An identity of somebody else is not written over. Errors: already_exists.
Status check_output(const std::string& output, const mesh::SpiffeId& id);

/// Tried at each address, until one answers.
template <typename Call>
auto at_any(const std::vector<std::string>& addresses, Call call)
    -> decltype(call(std::declval<api::AuthorityClient&>())) {
  for (std::size_t i = 0;; ++i) {
    api::AuthorityClient client(addresses[i]);
    auto answer = call(client);
    if (answer || answer.error().code != Code::unavailable || i + 1 == addresses.size())
      return answer ? std::move(answer)
                    : decltype(answer)(with_context(answer.error(), "authority " + addresses[i]));
  }
}

}  // namespace meridian::app
