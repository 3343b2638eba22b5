// The body of a client command: connect, run, report.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <utility>

#include "client.h"

namespace meridian::app {

/// Sets `invocation.run` when `command` was parsed: connects and runs `body(client, options)`.
template <typename Options>
void on_call(CLI::App& command, Invocation& invocation, std::shared_ptr<Options> options,
             Result<Exit> (*body)(Client&, const Options&)) {
  add_client_options(command, options->client);
  command.callback([options = std::move(options), body, &invocation] {
    invocation.run = [options, body] {
      Result<std::unique_ptr<Client>> client = Client::connect(options->client);
      if (!client) return report(client.error());
      const Result<Exit> done = body(**client, *options);
      return done ? *done : report(done.error());
    };
  });
}

/// One write of one command with `id`: if its answer got lost, the ledger is asked what became of
/// it.
template <typename Stub, typename Request>
Result<v1::CommandResult> write_one(Client& client, Stub& stub,
                                    grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                 const Request&, v1::CreateReply*),
                                    const Request& request, v1::OutcomeRequest::Kind kind,
                                    u128 id) {
  Result<v1::CreateReply> reply = client.call(stub, method, request);
  if (!reply) {
    const Code code = reply.error().code;
    if (code != Code::unavailable && code != Code::deadline_exceeded) return reply.error();
    if (client.wait_connected(Client::connect_patience)) {
      const Result<std::optional<v1::CommandResult>> known = client.outcome(kind, id);
      if (known && known->has_value()) return **known;
      // It may still be under way; the same id makes a second one harmless.
      reply = client.write(stub, method, request);
    }
  }
  if (!reply)
    return fail(Code::deadline_exceeded,
                "it is unknown whether the command happened (" + reply.error().message +
                    "). ask with `meridian outcome`, or repeat it with --id " + to_decimal(id));
  if (reply->results_size() != 1)
    return fail(Code::internal, "the server answered with another number of results");
  return reply->results(0);
}

}  // namespace meridian::app
