// Judges what the ledger answered for each command of a batch, in the light of earlier attempts.
//
// Pure. An earlier attempt without an answer may have been applied, or may still arrive: then
// `exists` is our own success, and only a refusal that can never turn into success is final.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "meridian/answers.h"

namespace meridian::client {

struct Verdict {
  State state = State::unknown;
  bool existed = false;
  /// A lookup tells more: the record's timestamp (done), or whether it was done after all.
  bool ask = false;
};

/// `linked[i]` binds command i to the next. `may_have_arrived`: some earlier attempt.
/// A chain that is sent again answers `exists` for its first command and linked_event_failed for
/// the others, done or not: those are asked for; if not found they count as `state`.
std::vector<Verdict> judge(Kind kind, std::span<const std::uint32_t> statuses,
                           const std::vector<bool>& linked, bool may_have_arrived);

}  // namespace meridian::client
