// The way to a witness over HTTP (witness/witness_link.h).
//
// Owns one thread; each request is a connection of its own. Plain HTTP: what is sent is public and
// what comes back is signed, so nothing but the fact of talking needs TLS; where the witness is
// reached over TLS, a proxy on this machine does that (docs/operations/witness.md).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/clock.h"
#include "witness/witness_link.h"

namespace meridian::api {

/// Of one request, from resolving the name to the last byte of the answer.
inline constexpr io::Duration witness_timeout = io::seconds(10);
inline constexpr std::uint64_t witness_answer_bytes_max = 64 << 10;

/// Errors: invalid_argument unless `url` is http://host[:port][/prefix].
Result<std::unique_ptr<witness::WitnessLink>> make_witness_link(
    std::string_view url, io::Duration timeout = witness_timeout);

}  // namespace meridian::api
