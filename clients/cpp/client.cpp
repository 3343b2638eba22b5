#include "meridian/client.h"

#include <algorithm>
#include <bit>
#include <condition_variable>
#include <future>
#include <mutex>

#include "calls.h"
#include "signing.h"
#include "tls.h"
#include "wire.h"
#include "write.h"

namespace meridian::client {
namespace {

constexpr std::chrono::hours timeout_max{24};

Time end_of(std::chrono::milliseconds timeout) {
  return now() +
         std::clamp<std::chrono::milliseconds>(timeout, std::chrono::milliseconds(0), timeout_max);
}

/// The form that waits, of a form with a callback. The callback comes at the call's deadline at the
/// latest.
template <typename T, typename Begin>
T wait(Begin begin) {
  auto promise = std::make_shared<std::promise<T>>();
  std::future<T> future = promise->get_future();
  begin([promise](T value) { promise->set_value(std::move(value)); });
  return future.get();
}

std::optional<Error> check(const ClientOptions& options) {
  const auto wrong = [](std::string message) {
    return std::optional(Error{Code::invalid_argument, std::move(message)});
  };
  if (options.endpoints.empty()) return wrong("endpoints: give at least one host:port");
  for (const std::string& address : options.endpoints)
    if (!is_address(address)) return wrong("endpoints: '" + address + "' is no host:port");
  if (options.tls)
    if (std::optional<std::string> fault = check_tls(*options.tls)) return wrong(*fault);
  if (options.outstanding_max == 0) return wrong("outstanding_max: must be 1 or more");
  const auto is_sound = [](std::chrono::milliseconds value) {
    return std::chrono::milliseconds(0) < value && value <= timeout_max;
  };
  if (!is_sound(options.attempt_timeout)) return wrong("attempt_timeout: must be 1 ms to 24 h");
  if (!is_sound(options.pause_first)) return wrong("pause_first: must be 1 ms to 24 h");
  if (!is_sound(options.pause_max)) return wrong("pause_max: must be 1 ms to 24 h");
  if (options.settle < std::chrono::milliseconds(0) || options.settle > timeout_max)
    return wrong("settle: must be 0 to 24 h");
  return std::nullopt;
}

std::optional<Error> check_count(std::size_t count, std::string_view what) {
  if (1 <= count && count <= Client::batch_max) return std::nullopt;
  return Error{Code::invalid_argument, std::to_string(count) + " " + std::string(what) +
                                           " in one call: 1 to 8190 are possible"};
}

/// Ids for those that have none.
template <typename Command>
void name_all(Calls& calls, std::vector<Command>& commands) {
  for (Command& command : commands)
    if (command.id == 0) command.id = calls.make_id();
}

template <typename Command>
Asked ask_for(Kind kind, const std::vector<Command>& commands) {
  Asked batch{.kind = kind, .ids = {}, .packed = {}};
  for (const Command& command : commands) {
    batch.ids.push_back(command.id);
    if constexpr (sizeof(Command) == sizeof(Packed))
      batch.packed.push_back(std::bit_cast<Packed>(command));
  }
  return batch;
}

template <typename Command>
void create(const std::shared_ptr<Calls>& calls, Kind kind, std::vector<Command> commands,
            const WriteOptions& options, Callback<WriteResult> then) {
  name_all(*calls, commands);
  Asked batch = ask_for(kind, commands);
  if (std::optional<Error> error = check_count(commands.size(), "commands"))
    return then(all_of(batch, State::not_done, std::move(*error)));
  const Time end = end_of(options.timeout);
  if (options.sign) return write_signed(calls, std::move(batch), end, std::move(then));
  write_packed(calls, std::move(batch), end, std::move(then));
}

/// A read: one call inside the gate. `convert(reply)` makes the value.
template <typename Value, typename Reply, typename Request, typename Send, typename Convert>
void read(const std::shared_ptr<Calls>& calls, const ReadOptions& options, Request request,
          Send send, Convert convert, Callback<Result<Answer<Value>>> then) {
  const CallSpec spec{.end = end_of(options.timeout),
                      .local = options.local,
                      .staleness_max = options.staleness_max};
  calls->gate->enter(spec.end, [calls, spec, request = std::move(request), send, convert,
                                then = std::move(then)](Gate::Entry entry) mutable {
    if (entry != Gate::Entry::admitted) return then(to_error(entry));
    calls->call<Reply>(
        spec, std::move(request), send,
        [calls, convert, then = std::move(then)](const CallEnd& end, Reply& reply) {
          if (end.ok())
            then(Answer<Value>{
                .value = convert(reply), .position = end.position, .staleness = end.staleness});
          else
            then(to_error(end.status));
          calls->gate->leave();
        });
  });
}

v1::ReadRequest to_request(const EventQuery& query) {
  v1::ReadRequest request;
  if (!query.stream.empty())
    request.set_stream(query.stream);
  else if (!query.category.empty())
    request.set_category(query.category);
  else
    request.set_all(true);
  request.set_position(query.position);
  request.set_from_end(query.from_end);
  request.set_backwards(query.backwards);
  request.set_limit(query.limit);
  return request;
}

EventPage to_page(const v1::ReadReply& reply) {
  EventPage page{.events = {},
                 .end = reply.end(),
                 .stream_deleted = reply.stream_deleted(),
                 .next = reply.next()};
  for (const v1::RecordedEvent& event : reply.events()) page.events.push_back(to_event(event));
  return page;
}

template <typename Record, typename Messages, typename Convert>
std::vector<Record> to_all(const Messages& messages, Convert convert) {
  std::vector<Record> all;
  for (const auto& message : messages) all.push_back(convert(message));
  return all;
}

}  // namespace

Client::Client(std::shared_ptr<Calls> calls) : calls_(std::move(calls)) {}

Client::~Client() {
  calls_->stop();
  // gRPC 1.51 must not lose its last channel on one of its own callback threads, as that would wait
  // for itself. Those that have answered are about to let go of theirs.
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  while (calls_.use_count() > 1) never.wait_for(lock, std::chrono::microseconds(200));
}

Result<std::unique_ptr<Client>> Client::create(ClientOptions options) {
  if (std::optional<Error> error = check(options)) return std::move(*error);
  return std::unique_ptr<Client>(new Client(std::make_shared<Calls>(std::move(options))));
}

Result<bool> Client::renew(const TlsOptions& tls) {
  if (std::optional<std::string> fault = check_tls(tls))
    return Error{Code::invalid_argument, std::move(*fault)};
  calls_->endpoints.renew(make_credentials(tls));
  if (Result<std::shared_ptr<const Signer>> made = Signer::create(tls)) calls_->use_signer(*made);
  return true;
}

u128 Client::make_id() { return calls_->make_id(); }

void Client::create_accounts(std::vector<Account> accounts, WriteOptions options,
                             Callback<WriteResult> then) {
  client::create(calls_, Kind::account, std::move(accounts), options, std::move(then));
}

void Client::create_transfers(std::vector<Transfer> transfers, WriteOptions options,
                              Callback<WriteResult> then) {
  client::create(calls_, Kind::transfer, std::move(transfers), options, std::move(then));
}

void Client::append_events(std::vector<NewEvent> events, WriteOptions options,
                           Callback<WriteResult> then) {
  name_all(*calls_, events);
  if (std::optional<Error> error = check_count(events.size(), "events"))
    return then(all_of(ask_for(Kind::event, events), State::not_done, std::move(*error)));
  write_events(calls_, events, end_of(options.timeout), options.sign, std::move(then));
}

void Client::resolve(const Unknown& unknown, WriteOptions options, Callback<WriteResult> then) {
  if (unknown.empty()) return then({});
  const Asked asked{.kind = unknown.kind, .ids = unknown.ids, .packed = {}};
  std::optional<Error> error = check_count(unknown.ids.size(), "ids");
  if (!unknown.commands.empty() && unknown.commands.size() != unknown.ids.size())
    error = Error{Code::invalid_argument, "unknown.commands: give one per id, or none"};
  if (!error) return resolve_unknown(calls_, unknown, end_of(options.timeout), std::move(then));
  WriteResult result = all_of(asked, State::unknown, std::move(*error));
  result.unknown = unknown;
  then(std::move(result));
}

void Client::lookup_accounts(std::vector<u128> ids, ReadOptions options, Callback<Accounts> then) {
  if (std::optional<Error> error = check_count(ids.size(), "ids")) return then(std::move(*error));
  read<std::vector<Account>, v1::LookupAccountsReply>(
      calls_, options, lookup_request(ids),
      [](const Endpoint& to, auto* context, const auto* question, auto* reply, auto answered) {
        to.accounts->async()->Lookup(context, question, reply, std::move(answered));
      },
      [](const auto& reply) { return to_all<Account>(reply.accounts(), to_account); },
      std::move(then));
}

void Client::lookup_transfers(std::vector<u128> ids, ReadOptions options,
                              Callback<Transfers> then) {
  if (std::optional<Error> error = check_count(ids.size(), "ids")) return then(std::move(*error));
  read<std::vector<Transfer>, v1::LookupTransfersReply>(
      calls_, options, lookup_request(ids),
      [](const Endpoint& to, auto* context, const auto* question, auto* reply, auto answered) {
        to.transfers->async()->Lookup(context, question, reply, std::move(answered));
      },
      [](const auto& reply) { return to_all<Transfer>(reply.transfers(), to_transfer); },
      std::move(then));
}

void Client::read_events(EventQuery query, ReadOptions options, Callback<Events> then) {
  read<EventPage, v1::ReadReply>(
      calls_, options, to_request(query),
      [](const Endpoint& to, auto* context, const auto* question, auto* reply, auto answered) {
        to.streams->async()->Read(context, question, reply, std::move(answered));
      },
      to_page, std::move(then));
}

void Client::outcome(Kind kind, u128 id, ReadOptions options, Callback<Outcome> then) {
  read<std::optional<Record>, v1::OutcomeReply>(
      calls_, options, outcome_request(kind, id),
      [](const Endpoint& to, auto* context, const auto* question, auto* reply, auto answered) {
        to.transactions->async()->Outcome(context, question, reply, std::move(answered));
      },
      [](const auto& reply) {
        return reply.known() ? std::optional(to_record(reply.result())) : std::nullopt;
      },
      std::move(then));
}

void Client::receipt(Kind kind, u128 id, ReadOptions options, Callback<Text> then) {
  v1::ReceiptRequest request;
  switch (kind) {
    case Kind::account: request.set_account_id(format_u128(id)); break;
    case Kind::transfer: request.set_transfer_id(format_u128(id)); break;
    case Kind::event: request.set_event_id(format_u128(id)); break;
  }
  read<std::string, v1::ReceiptReply>(
      calls_, options, std::move(request),
      [](const Endpoint& to, auto* context, const auto* question, auto* reply, auto answered) {
        to.proofs->async()->Receipt(context, question, reply, std::move(answered));
      },
      [](auto& reply) { return std::move(*reply.mutable_receipt()); }, std::move(then));
}

void Client::checkpoint(ReadOptions options, Callback<Text> then) {
  read<std::string, v1::CheckpointReply>(
      calls_, options, v1::CheckpointRequest(),
      [](const Endpoint& to, auto* context, const auto* question, auto* reply, auto answered) {
        to.proofs->async()->Checkpoint(context, question, reply, std::move(answered));
      },
      [](auto& reply) { return std::move(*reply.mutable_note()); }, std::move(then));
}

WriteResult Client::create_accounts(std::vector<Account> accounts, WriteOptions options) {
  return wait<WriteResult>(
      [&](auto then) { create_accounts(std::move(accounts), options, std::move(then)); });
}
WriteResult Client::create_transfers(std::vector<Transfer> transfers, WriteOptions options) {
  return wait<WriteResult>(
      [&](auto then) { create_transfers(std::move(transfers), options, std::move(then)); });
}
WriteResult Client::append_events(std::vector<NewEvent> events, WriteOptions options) {
  return wait<WriteResult>(
      [&](auto then) { append_events(std::move(events), options, std::move(then)); });
}
WriteResult Client::resolve(const Unknown& unknown, WriteOptions options) {
  return wait<WriteResult>([&](auto then) { resolve(unknown, options, std::move(then)); });
}
Client::Accounts Client::lookup_accounts(std::vector<u128> ids, ReadOptions options) {
  return wait<Accounts>(
      [&](auto then) { lookup_accounts(std::move(ids), options, std::move(then)); });
}
Client::Transfers Client::lookup_transfers(std::vector<u128> ids, ReadOptions options) {
  return wait<Transfers>(
      [&](auto then) { lookup_transfers(std::move(ids), options, std::move(then)); });
}
Client::Events Client::read_events(EventQuery query, ReadOptions options) {
  return wait<Events>([&](auto then) { read_events(std::move(query), options, std::move(then)); });
}
Client::Outcome Client::outcome(Kind kind, u128 id, ReadOptions options) {
  return wait<Outcome>([&](auto then) { outcome(kind, id, options, std::move(then)); });
}
Client::Text Client::receipt(Kind kind, u128 id, ReadOptions options) {
  return wait<Text>([&](auto then) { receipt(kind, id, options, std::move(then)); });
}
Client::Text Client::checkpoint(ReadOptions options) {
  return wait<Text>([&](auto then) { checkpoint(options, std::move(then)); });
}

}  // namespace meridian::client
