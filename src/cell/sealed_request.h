// A request that a door sealed for another replica to order, and the answer to it, as bytes
// (docs/formats/keys.md). Pure. Decoding takes what encoding gives and nothing else.
#pragma once

#include <memory>

#include "base/result.h"
#include "ledger/entry.h"
#include "replica/replica.h"

namespace meridian::cell {

/// As an entry that holds it alone. Errors: those of ledger::check_request.
Result<Buffer> encode_request(const ledger::Request& request);
/// Errors: invalid_argument if it is none, or holds what clients do not ask for.
Result<std::unique_ptr<ledger::Request>> decode_request(Bytes bytes);

Buffer encode_answer(const Result<replica::Answer>& answer);
/// Errors: invalid_argument.
Result<Result<replica::Answer>> decode_answer(Bytes bytes);

}  // namespace meridian::cell
