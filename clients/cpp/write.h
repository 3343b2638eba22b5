// Writes of one batch: send, repeat, judge each command, never guess.
#pragma once

#include <memory>
#include <vector>

#include "calls.h"
#include "find.h"

namespace meridian::client {

/// Accounts or transfers, with their ids; at least one.
void write_packed(const std::shared_ptr<Calls>& calls, Asked batch, Time end,
                  Callback<WriteResult> then);
/// The same, signed: each attempt with a signature that is not old.
void write_signed(const std::shared_ptr<Calls>& calls, Asked batch, Time end,
                  Callback<WriteResult> then);
/// Events with their ids; at least one.
void write_events(const std::shared_ptr<Calls>& calls, const std::vector<NewEvent>& events,
                  Time end, bool sign, Callback<WriteResult> then);
/// Client::resolve.
void resolve_unknown(const std::shared_ptr<Calls>& calls, const Unknown& unknown, Time end,
                     Callback<WriteResult> then);

/// One end per id, all of `state`.
WriteResult all_of(const Asked& batch, State state, Error why);
/// Fills in what is known from `found`.
void mark_found(CommandEnd& end, const Found& found);
/// Collects the commands of State::unknown.
Unknown collect_unknown(const Asked& batch, const WriteResult& result, Time ended);

}  // namespace meridian::client
