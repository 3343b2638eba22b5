// How many of a set of keys signed a note.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "base/result.h"
#include "proof/note.h"

namespace meridian::mesh::internal {

/// Keys of `keys` (type 0x01, distinct) with a good signature; each counts once, however often it
/// signed. Errors: permission_denied if a line claims to be of one of them and is not.
Result<std::size_t> count_signers(const proof::Note& note, std::span<const proof::VerifierKey> keys,
                                  std::string_view what);

}  // namespace meridian::mesh::internal
