// A client of one cell: finds the leader, repeats safely, and never guesses how a write ended.
//
// Writes carry ids that are made before the first attempt; each further attempt sends the same
// bytes, so the ledger does them once. Calls end at their deadline at the latest. Each comes in two
// forms: one that waits and one that takes a callback. Thread-safe; callbacks run on threads of the
// library, or on the caller's own before the call returns, must not block, and may start further
// callback calls (not waiting ones). No exceptions are thrown.
// How it finds the leader, what is repeated, what unknown means: docs/clients/cpp.md.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "meridian/answers.h"
#include "meridian/records.h"

namespace meridian::client {

class Calls;  // what is behind a Client: endpoints and what is under way

/// Who this program is, and whom it takes for the cell. All in PEM; read_identity
/// (meridian/identity.h) has it from a directory.
struct TlsOptions {
  std::string certificate_chain;  ///< An X.509-SVID, leaf first.
  std::string private_key;
  std::string authorities;   ///< The CAs of the cell's region, from its trust bundle.
  std::string trust_domain;  ///< Of that region: servers are its nodes and gateways.
};

struct ClientOptions {
  /// "host:port" of the replicas of one cell, nearest first: local reads go to the first that
  /// answers.
  std::vector<std::string> endpoints{};
  std::size_t outstanding_max = 64;  ///< Calls under way at once.
  std::size_t waiting_max = 4096;    ///< Calls waiting for one of those; more are refused.
  /// How long one endpoint may take before another is tried too; doubled from try to try.
  std::chrono::milliseconds attempt_timeout{1000};
  std::chrono::milliseconds pause_first{5};  ///< Before the second try, with jitter; doubled.
  std::chrono::milliseconds pause_max{250};
  /// How long after its last attempt a write may still arrive; resolve says not_done only then.
  std::chrono::milliseconds settle{2000};
  /// Fills with random bytes, from any thread; empty: the system's. For ids and jitter.
  std::function<void(std::span<std::byte>)> random{};
  /// Servers speak nothing else; none: in the clear, to what ends TLS on this machine.
  std::optional<TlsOptions> tls{};
  /// The cell that is meant, as a UUID: of what is signed. A server of another one refuses it.
  std::string cell{};
};

struct WriteOptions {
  std::chrono::milliseconds timeout{30'000};
  /// Sign it with the key of ClientOptions::tls, so that the cell keeps evidence of it; accounts
  /// may require that. About a thousand commands in one call. What an event holds is signed under
  /// a salt that is sealed with it, so that a person in it can still be forgotten; its data, if it
  /// is JSON, must not have a name twice or nest deeper than 32 levels.
  bool sign = false;
};
struct ReadOptions {
  std::chrono::milliseconds timeout{30'000};
  /// Whatever the asked replica has now, instead of everything acknowledged before the call began.
  bool local = false;
  /// Of a local read: if what the replica has may be older than that, it asks the leader first.
  std::optional<std::chrono::milliseconds> staleness_max{};
};

template <typename T>
using Callback = std::function<void(T)>;

class Client {
 public:
  static constexpr std::size_t batch_max = 8190;  ///< Commands of one call, or ids of a lookup.

  /// Does not wait for a connection. Errors: invalid_argument for endpoints or bounds.
  static Result<std::unique_ptr<Client>> create(ClientOptions options);
  /// Ends what is under way (writes as unknown if they may have arrived) and waits for callbacks.
  /// Not from a callback.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// From now on connections are made with these: before the certificate ends, and when there is
  /// another trust bundle. Calls under way go on. Errors: invalid_argument, then nothing changed.
  Result<bool> renew(const TlsOptions& tls);

  /// 48 bits of milliseconds since 1970, then 80 random bits: ids that grow with time.
  u128 make_id();

  /// Up to batch_max commands, each for itself unless `linked`. `exists` counts as done.
  WriteResult create_accounts(std::vector<Account> accounts, WriteOptions options = {});
  void create_accounts(std::vector<Account> accounts, WriteOptions options,
                       Callback<WriteResult> then);
  WriteResult create_transfers(std::vector<Transfer> transfers, WriteOptions options = {});
  void create_transfers(std::vector<Transfer> transfers, WriteOptions options,
                        Callback<WriteResult> then);
  WriteResult append_events(std::vector<NewEvent> events, WriteOptions options = {});
  void append_events(std::vector<NewEvent> events, WriteOptions options,
                     Callback<WriteResult> then);

  /// What became of them: done, refused (the id was taken by something else), not_done, or still
  /// unknown. Says not_done only after `settle`, and after a command of its own went through the
  /// log behind them.
  WriteResult resolve(const Unknown& unknown, WriteOptions options = {});
  void resolve(const Unknown& unknown, WriteOptions options, Callback<WriteResult> then);

  /// Those that exist, in the order asked.
  using Accounts = Result<Answer<std::vector<Account>>>;
  Accounts lookup_accounts(std::vector<u128> ids, ReadOptions options = {});
  void lookup_accounts(std::vector<u128> ids, ReadOptions options, Callback<Accounts> then);
  using Transfers = Result<Answer<std::vector<Transfer>>>;
  Transfers lookup_transfers(std::vector<u128> ids, ReadOptions options = {});
  void lookup_transfers(std::vector<u128> ids, ReadOptions options, Callback<Transfers> then);

  using Events = Result<Answer<EventPage>>;
  Events read_events(EventQuery query, ReadOptions options = {});
  void read_events(EventQuery query, ReadOptions options, Callback<Events> then);

  /// What the ledger keeps under an id; nullopt if nothing.
  using Outcome = Result<Answer<std::optional<Record>>>;
  Outcome outcome(Kind kind, u128 id, ReadOptions options = {});
  void outcome(Kind kind, u128 id, ReadOptions options, Callback<Outcome> then);

  /// A receipt (C2SP tlog-proof) for `meridian receipt verify`; a checkpoint (signed note).
  using Text = Result<Answer<std::string>>;
  Text receipt(Kind kind, u128 id, ReadOptions options = {});
  void receipt(Kind kind, u128 id, ReadOptions options, Callback<Text> then);
  Text checkpoint(ReadOptions options = {});
  void checkpoint(ReadOptions options, Callback<Text> then);

 private:
  explicit Client(std::shared_ptr<Calls> calls);
  std::shared_ptr<Calls> calls_;
};

}  // namespace meridian::client
