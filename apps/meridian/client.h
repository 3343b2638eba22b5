// A connection to a server, as the client commands use it: deadlines, retries, unknown outcomes.
//
// What the server refuses for lack of room (RESOURCE_EXHAUSTED) is sent again with growing pauses
// until the timeout. A write whose answer got lost is sent again with the same ids: the ledger
// recognises them, so nothing happens twice. One thread uses a Client; `flights` runs many calls.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/u128.h"
#include "commands.h"
#include "io/clock.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::app {

struct ClientOptions {
  std::string server{default_grpc};
  std::uint32_t timeout_s = 30;
};
/// --server and --timeout.
void add_client_options(CLI::App& command, ClientOptions& options);

/// The same code and words; `is OK` statuses have no Error (asserted).
Error to_error(const grpc::Status& status);
/// "0x"-hexadecimal or decimal. Errors: invalid_argument naming `what`.
Result<u128> parse_id(std::string_view text, std::string_view what);

class Client {
 public:
  static constexpr int message_bytes_max = 16 << 20;
  static constexpr io::Duration connect_patience = io::seconds(3);

  /// Errors: unavailable if nothing answers there.
  static Result<std::unique_ptr<Client>> connect(const ClientOptions& options);
  explicit Client(const ClientOptions& options);

  template <typename Service, typename Request, typename Reply>
  using Method = grpc::Status (Service::Stub::*)(grpc::ClientContext*, const Request&, Reply*);

  /// One call, repeated while the server has no room. Errors: deadline_exceeded or unavailable if
  /// a write's outcome is unknown.
  template <typename Stub, typename Request, typename Reply>
  Result<Reply> call(Stub& stub,
                     grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                     const Request& request) {
    const io::MonotonicTime end = deadline();
    for (std::uint32_t attempt = 0;; ++attempt) {
      grpc::ClientContext context;
      set_deadline(context, end);
      Reply reply;
      const grpc::Status status = (stub.*method)(&context, request, &reply);
      if (status.ok()) return reply;
      if (status.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED || !back_off(attempt, end))
        return to_error(status);
    }
  }
  /// A write that may be repeated because its commands carry ids: also repeated when its answer
  /// got lost. Errors: deadline_exceeded if the outcome is still unknown at the timeout.
  template <typename Stub, typename Request, typename Reply>
  Result<Reply> write(Stub& stub,
                      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                      const Request& request) {
    const io::MonotonicTime end = deadline();
    for (std::uint32_t attempt = 0;; ++attempt) {
      Result<Reply> reply = call(stub, method, request);
      if (reply || reply.error().code != Code::unavailable) return reply;
      if (!back_off(attempt, end))
        return fail(
            Code::deadline_exceeded,
            "the connection broke before the answer came and the server did not come back (" +
                reply.error().message + "). repeat the command with the same id");
    }
  }

  /// What became of the command with `id`, asked after its answer got lost. Unknown to the ledger:
  /// nullopt.
  Result<std::optional<v1::CommandResult>> outcome(v1::OutcomeRequest::Kind kind, u128 id);

  void set_deadline(grpc::ClientContext& context, io::MonotonicTime end) const;
  io::MonotonicTime deadline() const;
  /// Pauses; false if that would pass `end`.
  bool back_off(std::uint32_t attempt, io::MonotonicTime end) const;
  bool wait_connected(io::Duration patience) const;

  io::Clock& clock() { return *clock_; }
  const ClientOptions& options() const { return options_; }

  std::unique_ptr<v1::Accounts::Stub> accounts;
  std::unique_ptr<v1::Transfers::Stub> transfers;
  std::unique_ptr<v1::Streams::Stub> streams;
  std::unique_ptr<v1::Transactions::Stub> transactions;
  std::unique_ptr<v1::Proofs::Stub> proofs;
  std::unique_ptr<v1::Feed::Stub> feed;
  std::unique_ptr<v1::Subjects::Stub> subjects;
  std::unique_ptr<v1::Admin::Stub> admin;

 private:
  ClientOptions options_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<io::Clock> clock_;
};

/// Sleeps; the calling thread has nothing else to do.
void pause(io::Duration duration);

/// The statuses that need an action of the caller: "created" (or "exists"), or else its name.
bool is_created(const v1::CommandResult& result);
bool is_created_or_exists(const v1::CommandResult& result);

}  // namespace meridian::app
