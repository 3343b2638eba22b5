#include "client.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "api/backend.h"
#include "api/convert.h"
#include "api/grpc_channel.h"
#include "api/grpc_code.h"
#include "api/readings.h"
#include "base/assert.h"
#include "dev_deployment.h"

namespace meridian::app {

namespace {

constexpr std::int64_t pause_ms_first = 2;
constexpr std::int64_t pause_ms_max = 500;
/// From server to server: somebody leads again within a second or so.
constexpr std::int64_t move_pause_ms_max = 64;
constexpr io::Duration connect_slice = io::milliseconds(200);

gpr_timespec after(io::Duration duration) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(static_cast<std::int64_t>(duration), GPR_TIMESPAN));
}

}  // namespace

void add_client_options(CLI::App& command, ClientOptions& options) {
  command
      .add_option("--server", options.servers,
                  "Address of the server's gRPC port; of several replicas repeated, or with commas")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->capture_default_str()
      ->type_name("ADDR");
  command.add_option("--timeout", options.timeout_s, "Seconds to wait for an answer")
      ->capture_default_str()
      ->check(CLI::Range(1, 86'400))
      ->type_name("SECONDS");
  command
      .add_option("--identity", options.identity,
                  "Directory of who this is (`meridian join --help`); if none is named, what a "
                  "server with --dev made for this user")
      ->envname("MERIDIAN_IDENTITY")
      ->type_name("DIR");
}

void add_purpose_option(CLI::App& command, ClientOptions& options) {
  command
      .add_option("--purpose", options.purpose,
                  "What personal data is read for: a case, not a person; stays on record")
      ->envname("MERIDIAN_PURPOSE")
      ->check([](const std::string& text) {
        const Status sound = cell::check_purpose(text);
        return sound ? std::string() : sound.error().message;
      })
      ->type_name("TEXT");
}

Error to_error(const grpc::Status& status) {
  ASSERT(!status.ok());
  return api::to_error(status);
}

namespace {

Result<u128> read_id(std::string_view text) {
  if (!text.starts_with("0x")) {
    Result<u128> id = parse_decimal(text);
    if (!id)
      return fail(
          Code::invalid_argument,
          fmt::format("'{}' is no 128-bit number. write it in decimal, or in hexadecimal after 0x",
                      text));
    return id;
  }
  u128 id = 0;
  const std::string_view digits = text.substr(2);
  for (const char digit : digits) {
    const std::string_view hex = "0123456789abcdef";
    const std::size_t value =
        hex.find(static_cast<char>(digit | ('A' <= digit && digit <= 'F' ? 0x20 : 0)));
    if (value == std::string_view::npos || digits.size() > 32)
      return fail(Code::invalid_argument,
                  fmt::format("'{}' is not 1 to 32 hexadecimal digits after 0x", text));
    id = (id << 4) | value;
  }
  if (digits.empty()) return fail(Code::invalid_argument, "there are no digits after 0x");
  return id;
}

}  // namespace

Result<u128> parse_id(std::string_view text, std::string_view what) {
  Result<u128> id = read_id(text);
  if (!id) return with_context(id.error(), what);
  return id;
}

std::string check_id(const std::string& text) {
  const Result<u128> id = read_id(text);
  return id ? std::string() : id.error().message;
}

Connection::Connection(const std::string& address, const mesh::Credentials* credentials)
    : address_(address), credentials_(credentials) {}

Connection::Session& Connection::newest() {
  const auto own = credentials_ != nullptr ? credentials_->own() : nullptr;
  const std::uint64_t version = own != nullptr ? own->version : 0;
  const std::lock_guard lock(mutex_);
  if (sessions_.empty() || sessions_.back()->version != version)
    sessions_.push_back(make_session(version));
  return *sessions_.back();
}

std::unique_ptr<Connection::Session> Connection::make_session(std::uint64_t version) const {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(Client::message_bytes_max);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // the server is on this machine
  ASSERT(credentials_ != nullptr);
  const std::shared_ptr<grpc::Channel> channel =
      api::make_mesh_channel(*credentials_, address_, arguments);
  auto session = std::make_unique<Session>();
  session->version = version;
  session->channel = channel;
  session->stubs = {v1::Accounts::NewStub(channel),  v1::Transfers::NewStub(channel),
                    v1::Streams::NewStub(channel),   v1::Transactions::NewStub(channel),
                    v1::Proofs::NewStub(channel),    v1::Feed::NewStub(channel),
                    v1::Subjects::NewStub(channel),  v1::Schemas::NewStub(channel),
                    v1::Admin::NewStub(channel),     v1::Members::NewStub(channel),
                    v1::Upgrade::NewStub(channel),   v1::Policy::NewStub(channel),
                    v1::Acts::NewStub(channel),      v1::Readings::NewStub(channel),
                    v1::Issuances::NewStub(channel), v1::Keys::NewStub(channel)};
  return session;
}

bool Connection::wait(io::Duration patience) {
  return newest().channel->WaitForConnected(after(patience));
}

Client::Client(const ClientOptions& options) : options_(options), clock_(io::os_clock()) {
  ASSERT(!options_.servers.empty());
  for (const std::string& server : options_.servers)
    connections_.push_back(std::make_unique<Connection>(server, options_.credentials));
}

Status open_identity(ClientOptions& options) {
  if (options.identity.empty()) options.identity = TRY(dev_caller());
  Result<std::unique_ptr<HeldIdentity>> held =
      HeldIdentity::open(options.identity, nullptr, [](const IdentityDirectory::Change& change) {
        if (!change.taken)
          fmt::print(stderr, "meridian: {}: {}\n", change.file, change.taken.error().message);
      });
  if (!held) return with_context(held.error(), "--identity");
  options.held = *std::move(held);
  options.credentials = &options.held->credentials();
  return {};
}

Result<std::unique_ptr<Client>> Client::connect(const ClientOptions& options) {
  ClientOptions known = options;
  TRY(open_identity(known));
  auto client = std::make_unique<Client>(known);
  if (!client->wait_connected(connect_patience)) {
    grpc::ClientContext context;
    context.set_deadline(after(connect_slice));
    v1::StatusReply unseen;  // a server that was refused says why in the end of a call
    const grpc::Status why =
        client->connection().stub<v1::Admin::Stub>().Status(&context, {}, &unseen);
    return fail(
        Code::unavailable,
        fmt::format("no server answers at {} to {} (the identity in {}): {}. start one with "
                    "`meridian serve --data DIR --dev`, or name another with --server ADDR",
                    fmt::join(options.servers, ", "), mesh::format_spiffe_id(known.held->id()),
                    known.identity, why.error_message()));
  }
  return client;
}

Connection& Client::connection() {
  const std::lock_guard lock(mutex_);
  return *connections_[current_];
}

bool Client::has_choice() const {
  const std::lock_guard lock(mutex_);
  return connections_.size() > 1;
}

bool Client::wait_connected(io::Duration patience) {
  const io::MonotonicTime end = clock_->monotonic() + patience;
  const io::Duration each = has_choice() ? connect_slice : patience;
  for (;;) {
    Connection& at = connection();
    if (at.wait(each)) return true;
    if (clock_->monotonic() >= end) return false;
    leave(at, {});
  }
}

/// To the leader that `from` named, or the next of the list. Nothing if another call went already.
void Client::leave(const Connection& from, const std::string& leader) {
  const std::lock_guard lock(mutex_);
  if (connections_[current_].get() != &from) return;
  if (leader.empty()) {
    current_ = (current_ + 1) % connections_.size();
    return;
  }
  for (std::size_t i = 0; i < connections_.size(); ++i)
    if (connections_[i]->address() == leader) current_ = i;
  if (connections_[current_]->address() == leader || connections_.size() >= connections_max) return;
  connections_.push_back(std::make_unique<Connection>(leader, options_.credentials));
  current_ = connections_.size() - 1;
}

io::MonotonicTime Client::attempt_deadline(const Attempts& attempts) const {
  if (!has_choice()) return attempts.end;
  const std::int64_t doubled = static_cast<std::int64_t>(attempt_patience)
                               << std::min<std::uint32_t>(attempts.timed_out, 8);
  return std::min(attempts.end, clock_->monotonic() + io::Duration{doubled});
}

std::optional<io::Duration> Client::may_repeat(Attempts& attempts, const Connection& at,
                                               const grpc::ClientContext& context,
                                               const grpc::Status& status) {
  const std::uint32_t number = attempts.count++;
  std::int64_t wait_ms =
      std::min(pause_ms_first << std::min<std::uint32_t>(number, 16), pause_ms_max);
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE ||
      status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    const bool is_undone = status.error_message().find("nothing was done") != std::string::npos;
    attempts.may_be_done |= !is_undone;
    if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) ++attempts.timed_out;
    const auto& words = context.GetServerTrailingMetadata();
    const auto named = words.find(grpc::string_ref(api::leader_key.data(), api::leader_key.size()));
    const std::string leader = named == words.end()
                                   ? std::string()
                                   : std::string(named->second.data(), named->second.size());
    if (leader.empty() && !has_choice()) return std::nullopt;
    leave(at, leader);
    wait_ms = std::min(wait_ms, move_pause_ms_max);
  } else if (status.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED) {
    return std::nullopt;
  }
  const io::Duration wait = io::milliseconds(wait_ms);
  if (clock_->monotonic() + wait >= attempts.end) return std::nullopt;
  return wait;
}

Error Client::last_error(const Attempts& attempts, const grpc::Status& status) {
  Error error = to_error(status);
  if (attempts.count < 2 || !attempts.may_be_done || error.code != Code::unavailable) return error;
  return fail(
      Code::deadline_exceeded,
      fmt::format("no server answered in time, and what was asked may have been done by one "
                  "that broke off: the outcome is unknown ({})",
                  error.message));
}

void Client::pause_for(io::Duration duration) { pause(duration); }

io::MonotonicTime Client::deadline() const {
  return clock_->monotonic() + io::seconds(options_.timeout_s);
}

void Client::set_deadline(grpc::ClientContext& context, io::MonotonicTime end) const {
  context.set_deadline(after(end - clock_->monotonic()));
  set_purpose(context);
  if (!signature_.empty()) context.AddMetadata(std::string(api::signature_key), signature_);
}

void Client::set_purpose(grpc::ClientContext& context) const {
  if (!options_.purpose.empty())
    context.AddMetadata(std::string(api::purpose_key), options_.purpose);
}

bool Client::back_off(std::uint32_t attempt, io::MonotonicTime end) const {
  const std::int64_t doubled = pause_ms_first << std::min<std::uint32_t>(attempt, 16);
  const io::Duration wait = io::milliseconds(std::min(doubled, pause_ms_max));
  if (clock_->monotonic() + wait >= end) return false;
  pause(wait);
  return true;
}

Result<std::optional<v1::CommandResult>> Client::outcome(v1::OutcomeRequest::Kind kind, u128 id) {
  v1::OutcomeRequest request;
  request.set_kind(kind);
  request.set_id(api::format_u128(id));
  v1::OutcomeReply reply = TRY(call(*transactions, &v1::Transactions::Stub::Outcome, request));
  if (!reply.known()) return std::optional<v1::CommandResult>();
  return std::optional(reply.result());
}

void pause(io::Duration duration) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, std::chrono::nanoseconds(static_cast<std::int64_t>(duration)),
                 [] { return false; });
}

bool is_created(const v1::CommandResult& result) { return result.status() == 0xFFFF'FFFF; }
bool is_created_or_exists(const v1::CommandResult& result) {
  return is_created(result) || result.name() == "exists";
}

}  // namespace meridian::app
