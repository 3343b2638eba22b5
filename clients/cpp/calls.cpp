#include "calls.h"

#include "signing.h"
#include "tls.h"

#include <array>
#include <cstring>
#include <vector>

namespace meridian::client {
namespace {

Code to_code(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::INVALID_ARGUMENT: return Code::invalid_argument;
    case grpc::StatusCode::NOT_FOUND: return Code::not_found;
    case grpc::StatusCode::ALREADY_EXISTS: return Code::already_exists;
    case grpc::StatusCode::FAILED_PRECONDITION: return Code::failed_precondition;
    case grpc::StatusCode::OUT_OF_RANGE: return Code::out_of_range;
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::PERMISSION_DENIED: return Code::permission_denied;
    case grpc::StatusCode::RESOURCE_EXHAUSTED: return Code::resource_exhausted;
    case grpc::StatusCode::UNAVAILABLE: return Code::unavailable;
    case grpc::StatusCode::DEADLINE_EXCEEDED: return Code::deadline_exceeded;
    case grpc::StatusCode::DATA_LOSS: return Code::data_loss;
    case grpc::StatusCode::UNIMPLEMENTED: return Code::unimplemented;
    case grpc::StatusCode::CANCELLED: return Code::cancelled;
    case grpc::StatusCode::OK:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::DO_NOT_USE: return Code::internal;
  }
  return Code::internal;
}

ClientOptions with_random(ClientOptions options) {
  if (!options.random) options.random = fill_from_system;
  return options;
}

}  // namespace

Calls::Calls(ClientOptions the_options)
    : options(with_random(std::move(the_options))),
      endpoints(options.endpoints, make_credentials(options.tls)),
      gate(std::make_shared<Gate>(options.outstanding_max, options.waiting_max)) {
  if (!options.tls) return;
  if (Result<std::shared_ptr<const Signer>> made = Signer::create(*options.tls)) signer_ = *made;
}

std::shared_ptr<const Signer> Calls::signer() const {
  const std::lock_guard lock(mutex_);
  return signer_;
}

void Calls::use_signer(std::shared_ptr<const Signer> signer) {
  const std::lock_guard lock(mutex_);
  signer_ = std::move(signer);
}

void Calls::begin(const CallSpec& spec, Call::Start start, Call::Done done) {
  auto call = std::make_shared<Call>(shared_from_this(), spec, std::move(start), std::move(done));
  {
    const std::lock_guard lock(mutex_);
    calls_.insert(call);
    if (is_stopped_) call->cancel();
  }
  call->attempt();
}

void Calls::remove(const std::shared_ptr<Call>& call) {
  const std::lock_guard lock(mutex_);
  calls_.erase(call);
}

void Calls::stop() {
  gate->close();
  std::vector<std::shared_ptr<Call>> calls;
  {
    const std::lock_guard lock(mutex_);
    is_stopped_ = true;
    calls.assign(calls_.begin(), calls_.end());
  }
  for (const std::shared_ptr<Call>& call : calls) call->cancel();
  gate->wait_empty();
}

u128 Calls::make_id() {
  std::array<std::byte, 16> bytes{};
  options.random(bytes);
  u128 random = 0;
  std::memcpy(&random, bytes.data(), sizeof random);
  const u128 milliseconds = wall_ms() & 0xFFFF'FFFF'FFFFULL;
  return (milliseconds << 80) | (random & ((u128{1} << 80) - 1));
}

std::int64_t Calls::jitter(std::int64_t max) {
  std::array<std::byte, 8> bytes{};
  options.random(bytes);
  std::uint64_t random = 0;
  std::memcpy(&random, bytes.data(), sizeof random);
  return static_cast<std::int64_t>(random % (static_cast<std::uint64_t>(max) + 1));
}

Error to_error(const grpc::Status& status) {
  return {to_code(status.error_code()), status.error_message()};
}

Error to_error(Gate::Entry entry) {
  switch (entry) {
    case Gate::Entry::full:
      return {Code::resource_exhausted,
              "as many calls as ClientOptions::waiting_max are waiting: wait for answers"};
    case Gate::Entry::late:
      return {Code::unavailable,
              "the time ran out while ClientOptions::outstanding_max other calls were under way"};
    case Gate::Entry::closed: return {Code::cancelled, "the client was closed"};
    case Gate::Entry::admitted: break;
  }
  return {Code::internal, "admitted"};
}

std::string_view name(Code code) {
  switch (code) {
    case Code::invalid_argument: return "invalid_argument";
    case Code::not_found: return "not_found";
    case Code::already_exists: return "already_exists";
    case Code::failed_precondition: return "failed_precondition";
    case Code::out_of_range: return "out_of_range";
    case Code::permission_denied: return "permission_denied";
    case Code::resource_exhausted: return "resource_exhausted";
    case Code::unavailable: return "unavailable";
    case Code::deadline_exceeded: return "deadline_exceeded";
    case Code::data_loss: return "data_loss";
    case Code::unimplemented: return "unimplemented";
    case Code::internal: return "internal";
    case Code::cancelled: return "cancelled";
  }
  return "unknown";
}

}  // namespace meridian::client
