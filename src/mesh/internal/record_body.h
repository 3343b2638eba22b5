// The JSON of records that keep signed texts.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/sha256.h"
#include "mesh/signed_text.h"

namespace meridian::mesh::internal {

/// An object with exactly these members, all texts. Errors: invalid_argument.
Result<nlohmann::ordered_json> parse_body(std::string_view json,
                                          std::initializer_list<const char*> members);
/// `text`, with the members "certificate" and "signature" of a body that was parsed.
Result<SignedText> signed_text(const nlohmann::ordered_json& body, std::string text);
/// Adds those two.
void add_signature(nlohmann::ordered_json& body, const SignedText& given);
/// Of an approval, of a policy or of an act.
std::string approved_json(const crypto::Digest& proposal, const SignedText& approval);

}  // namespace meridian::mesh::internal
