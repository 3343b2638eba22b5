// Ids for clients: time-ordered, so that the ledger's id index grows at one end.
#pragma once

#include "base/u128.h"
#include "io/clock.h"
#include "io/entropy.h"

namespace meridian::app {

/// 48 bits of milliseconds since 1970, then 80 random bits. Never 0 and never 2^128 - 1.
u128 time_ordered_id(io::Clock& clock, io::Entropy& entropy);

}  // namespace meridian::app
