// A person who signs what they propose or approve, with the key of the identity they named.
#pragma once

#include <memory>
#include <string>

#include "client.h"
#include "mesh/signed_text.h"

namespace meridian::app {

mesh::SignedText signed_text(const mesh::OwnIdentity& own, const std::string& text);
v1::SignedText signed_by(const mesh::OwnIdentity& own, const std::string& text);
/// HASH of the command line. Errors: invalid_argument; `listing` shows them.
Result<crypto::Digest> parse_hash(std::string_view hex, std::string_view listing);

}  // namespace meridian::app
