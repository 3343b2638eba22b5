// What a person hands in who signs it: in their own name, with a certificate that is good now.
#pragma once

#include <string>

#include "api/backend.h"
#include "base/result.h"
#include "meridian/v1/ledger.pb.h"
#include "mesh/signed_text.h"

namespace meridian::api {

/// Errors: failed_precondition in the clear; permission_denied, invalid_argument.
Result<mesh::SignedText> signed_by_caller(const Backend& backend, const Asker& asker,
                                          const v1::SignedText& from);
/// Errors: invalid_argument.
Result<crypto::Digest> parse_hash(const std::string& bytes);

}  // namespace meridian::api
