// Headers of every kind and section of docs/formats/header.md, a function of the index alone: what
// the independent verifiers have to decode. Built by hand on purpose, apart from ledger/'s codec.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace meridian::interop {

/// The header of record `index`: eight shapes in turn.
Buffer sample_header(std::uint64_t index);

}  // namespace meridian::interop
