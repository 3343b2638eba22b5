// One call to whoever leads the cell, for commands that change how it goes on: such a change is not
// sent again once it may have been made, as a second one would be judged against another state.
#pragma once

#include <fmt/format.h>

#include <string_view>

#include "client.h"

namespace meridian::app {

enum class Repeat : std::uint8_t { always, only_undone };

/// A leader that stopped just now is left for the next after this.
inline constexpr io::Duration leader_connect = io::milliseconds(500);

/// Errors: what the server refuses it for; deadline_exceeded with `unknown` if it may have been
/// made.
template <typename Stub, typename Request, typename Reply>
Result<Reply> call_leader(Client& client, io::MonotonicTime end, Repeat repeat,
                          std::string_view unknown,
                          grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                       Reply*),
                          const Request& request) {
  Client::Attempts attempts{end};
  for (;;) {
    Connection& at = client.connection();
    grpc::ClientContext context;
    client.set_deadline(context,
                        repeat == Repeat::always ? client.attempt_deadline(attempts) : end);
    Reply reply;
    // Who is not connected gets nothing, so that nothing is unknown.
    const grpc::Status status =
        at.wait(leader_connect)
            ? (at.stub<Stub>().*method)(&context, request, &reply)
            : grpc::Status(grpc::StatusCode::UNAVAILABLE,
                           fmt::format("no server answers at {}: nothing was done", at.address()));
    if (status.ok()) return reply;
    const std::optional<io::Duration> wait = client.may_repeat(attempts, at, context, status);
    if (repeat == Repeat::only_undone && attempts.may_be_done)
      return fail(Code::deadline_exceeded, fmt::format("{} ({})", unknown, status.error_message()));
    if (!wait) return Client::last_error(attempts, status);
    pause(*wait);
  }
}

}  // namespace meridian::app
