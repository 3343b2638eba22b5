// A connection to a server, or to the replicas of a cell, as the client commands use it: deadlines,
// retries, unknown outcomes.
//
// What the server refuses for lack of room (RESOURCE_EXHAUSTED) is sent again with growing pauses
// until the timeout. A write whose answer got lost is sent again with the same ids: the ledger
// recognises them, so nothing happens twice. Of several servers, one that does not lead the cell,
// or does not answer, is left for the leader it names, or else for the next. One thread uses a
// Client (what its connections are for is thread-safe); `flights` runs many calls.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "commands.h"
#include "identity_directory.h"
#include "io/clock.h"
#include "meridian/v1/acts.grpc.pb.h"
#include "meridian/v1/issuances.grpc.pb.h"
#include "meridian/v1/keys.grpc.pb.h"
#include "meridian/v1/ledger.grpc.pb.h"
#include "meridian/v1/readings.grpc.pb.h"
#include "mesh/credentials.h"

namespace meridian::app {

struct ClientOptions {
  std::vector<std::string> servers{std::string(default_grpc)};
  std::uint32_t timeout_s = 30;
  std::string identity{};  ///< Directory; empty: what --dev made for this user.
  /// Of it, once it is open.
  std::shared_ptr<HeldIdentity> held{};
  /// Of commands that do dangerous acts: how long to wait for a second person, how long they may.
  std::uint32_t approval_wait_s = 0;
  std::uint32_t approval_valid_s = 3'600;
  /// What personal data is read for; empty: nothing is said.
  std::string purpose{};
  /// What this process shows, and judges servers by. Outlives the clients.
  const mesh::Credentials* credentials = nullptr;
};
/// --server, once or for each replica, --timeout and --identity.
void add_client_options(CLI::App& command, ClientOptions& options);
/// --purpose, of commands that read personal data.
void add_purpose_option(CLI::App& command, ClientOptions& options);
/// Opens the identity, and then `held` and `credentials` are set. Errors: as dev_caller and
/// IdentityDirectory::open.
Status open_identity(ClientOptions& options);

/// The same code and words; `is OK` statuses have no Error (asserted).
Error to_error(const grpc::Status& status);
/// "0x"-hexadecimal or decimal. Errors: invalid_argument naming `what`.
Result<u128> parse_id(std::string_view text, std::string_view what);
/// The same as a check of CLI11, before anything is done: what is wrong with `text`, or nothing.
std::string check_id(const std::string& text);

/// One server, with a connection of its own; a new one when our certificate was renewed.
/// Thread-safe.
class Connection {
 public:
  /// `credentials` as in ClientOptions; null: it is never connected (tests).
  explicit Connection(const std::string& address, const mesh::Credentials* credentials = nullptr);

  /// On the newest connection; good as long as this object.
  template <typename Stub>
  Stub& stub() {
    return *std::get<std::unique_ptr<Stub>>(newest().stubs);
  }
  const std::string& address() const { return address_; }
  /// Whether it is connected, after waiting up to `patience` for that.
  bool wait(io::Duration patience);

 private:
  template <typename... Service>
  using StubsOf = std::tuple<std::unique_ptr<typename Service::Stub>...>;

  struct Session {
    std::uint64_t version;  ///< Of the certificate it shows; 0 for want of one.
    std::shared_ptr<grpc::Channel> channel;
    StubsOf<v1::Accounts, v1::Transfers, v1::Streams, v1::Transactions, v1::Proofs, v1::Feed,
            v1::Subjects, v1::Schemas, v1::Admin, v1::Members, v1::Upgrade, v1::Policy, v1::Acts,
            v1::Readings, v1::Issuances, v1::Keys>
        stubs;
  };
  Session& newest();
  std::unique_ptr<Session> make_session(std::uint64_t version) const;

  std::string address_;
  const mesh::Credentials* credentials_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Session>> sessions_;  ///< Only grows: stubs were handed out.
};

class Client {
 public:
  static constexpr int message_bytes_max = 16 << 20;
  static constexpr io::Duration connect_patience = io::seconds(3);
  /// Of several servers, one that answers nothing for so long is left; twice as long each time.
  static constexpr io::Duration attempt_patience = io::seconds(5);
  static constexpr std::size_t connections_max = 32;

  /// Errors: unavailable if nothing answers there.
  static Result<std::unique_ptr<Client>> connect(const ClientOptions& options);
  explicit Client(const ClientOptions& options);

  /// One call, repeated while the server has no room, and of several servers until one answers.
  /// `Stub` says which service; whose connection it is, is settled anew for each attempt. Errors:
  /// deadline_exceeded or unavailable if a write's outcome is unknown.
  template <typename Stub, typename Request, typename Reply>
  Result<Reply> call(Stub&,
                     grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                     const Request& request) {
    Attempts attempts{deadline()};
    for (;;) {
      Connection& at = connection();
      grpc::ClientContext context;
      set_deadline(context, attempt_deadline(attempts));
      Reply reply;
      const grpc::Status status = (at.stub<Stub>().*method)(&context, request, &reply);
      if (status.ok()) return reply;
      const std::optional<io::Duration> wait = may_repeat(attempts, at, context, status);
      if (!wait) return last_error(attempts, status);
      pause_for(*wait);
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

  // --- for who makes its own calls; thread-safe ---
  /// Of one request, however often it is sent.
  struct Attempts {
    io::MonotonicTime end;
    std::uint32_t count = 0;      ///< That failed.
    std::uint32_t timed_out = 0;  ///< Of those, without any answer.
    bool may_be_done = false;     ///< One of them may have happened.
  };
  /// Who is asked now. Lives as long as the client.
  Connection& connection();
  io::MonotonicTime attempt_deadline(const Attempts& attempts) const;
  /// After a failed attempt at `at`: how long to wait before the next, which asks connection();
  /// none: repeating does not help, or there is no time left.
  std::optional<io::Duration> may_repeat(Attempts& attempts, const Connection& at,
                                         const grpc::ClientContext& context,
                                         const grpc::Status& status);
  /// What to say when no more is tried: an outcome that is open stays open.
  static Error last_error(const Attempts& attempts, const grpc::Status& status);

  /// What calls from here on carry of what was signed (api/request_signature.h). Before others use
  /// this client.
  void carry_signature(std::string signature) { signature_ = std::move(signature); }

  /// And set_purpose(), and the signature.
  void set_deadline(grpc::ClientContext& context, io::MonotonicTime end) const;
  /// What the options say.
  void set_purpose(grpc::ClientContext& context) const;
  io::MonotonicTime deadline() const;
  /// Pauses; false if that would pass `end`.
  bool back_off(std::uint32_t attempt, io::MonotonicTime end) const;
  /// Until some server is connected, which is asked from then on.
  bool wait_connected(io::Duration patience);

  io::Clock& clock() { return *clock_; }
  const ClientOptions& options() const { return options_; }

  /// A service of who is asked now.
  template <typename Stub>
  class Service {
   public:
    explicit Service(Client& client) : client_(client) {}
    Stub& operator*() const { return client_.connection().stub<Stub>(); }
    Stub* operator->() const { return &**this; }

   private:
    Client& client_;
  };
  const Service<v1::Accounts::Stub> accounts{*this};
  const Service<v1::Transfers::Stub> transfers{*this};
  const Service<v1::Streams::Stub> streams{*this};
  const Service<v1::Transactions::Stub> transactions{*this};
  const Service<v1::Proofs::Stub> proofs{*this};
  const Service<v1::Feed::Stub> feed{*this};
  const Service<v1::Subjects::Stub> subjects{*this};
  const Service<v1::Schemas::Stub> schemas{*this};
  const Service<v1::Admin::Stub> admin{*this};
  const Service<v1::Policy::Stub> policy{*this};
  const Service<v1::Acts::Stub> acts{*this};
  const Service<v1::Readings::Stub> readings{*this};
  const Service<v1::Issuances::Stub> issuances{*this};
  const Service<v1::Keys::Stub> keys{*this};

 private:
  bool has_choice() const;
  void leave(const Connection& from, const std::string& leader);
  static void pause_for(io::Duration duration);

  ClientOptions options_;
  std::string signature_;
  std::unique_ptr<io::Clock> clock_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> connections_;  ///< Only grows.
  std::size_t current_ = 0;
};

/// Sleeps; the calling thread has nothing else to do.
void pause(io::Duration duration);

/// The statuses that need an action of the caller: "created" (or "exists"), or else its name.
bool is_created(const v1::CommandResult& result);
bool is_created_or_exists(const v1::CommandResult& result);

}  // namespace meridian::app
