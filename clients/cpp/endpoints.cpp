#include "endpoints.h"

#include <charconv>

namespace meridian::client {
namespace {

constexpr int message_bytes_max = 16 << 20;
constexpr int connect_ms_min = 1'000;  // what gRPC waits for a connection, at the least
constexpr int reconnect_ms_first = 20;
constexpr int reconnect_ms_max = 500;

std::shared_ptr<grpc::Channel> make_channel(const std::string& address,
                                            const Credentials& credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(message_bytes_max);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, connect_ms_min);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, reconnect_ms_first);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, reconnect_ms_max);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // Call repeats, and must know of each attempt
  return grpc::CreateCustomChannel("dns:///" + address, credentials, arguments);
}

}  // namespace

Endpoint::Endpoint(std::string the_address, const Credentials& credentials)
    : address(std::move(the_address)),
      channel(make_channel(address, credentials)),
      accounts(v1::Accounts::NewStub(channel)),
      transfers(v1::Transfers::NewStub(channel)),
      streams(v1::Streams::NewStub(channel)),
      transactions(v1::Transactions::NewStub(channel)),
      proofs(v1::Proofs::NewStub(channel)) {}

bool is_address(std::string_view text) {
  constexpr std::size_t address_bytes_max = 300;
  const std::size_t colon = text.rfind(':');
  if (colon == 0 || colon == std::string_view::npos || text.size() > address_bytes_max)
    return false;
  const std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool is_ipv6 = host.front() == '[' && host.back() == ']' && host.size() > 2;
  for (const char c : host) {
    const bool is_letter = ('a' <= (c | 0x20) && (c | 0x20) <= 'z') || ('0' <= c && c <= '9');
    if (!is_letter && c != '.' && c != '-' && c != '_' &&
        !(is_ipv6 && (c == ':' || c == '[' || c == ']')))
      return false;
  }
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  return error == std::errc() && end == port.data() + port.size() && 1 <= number && number <= 65535;
}

Endpoints::Endpoints(const std::vector<std::string>& addresses, Credentials credentials)
    : credentials_(std::move(credentials)), given_(addresses.size()) {
  for (const std::string& address : addresses)
    all_.push_back(std::make_shared<Endpoint>(address, credentials_));
}

std::shared_ptr<Endpoint> Endpoints::leader() const {
  const std::lock_guard lock(mutex_);
  return all_[leader_];
}

std::shared_ptr<Endpoint> Endpoints::nearest(std::size_t attempt) const {
  const std::lock_guard lock(mutex_);
  return all_[attempt % given_];
}

void Endpoints::lead(std::string_view address) {
  if (!is_address(address)) return;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < all_.size(); ++i) {
    if (all_[i]->address != address) continue;
    leader_ = i;
    return;
  }
  if (all_.size() == given_ + learned_max)
    all_.erase(all_.begin() + static_cast<std::ptrdiff_t>(given_));
  all_.push_back(std::make_shared<Endpoint>(std::string(address), credentials_));
  leader_ = all_.size() - 1;
}

void Endpoints::failed(const Endpoint& endpoint) {
  const std::lock_guard lock(mutex_);
  if (all_[leader_].get() == &endpoint) leader_ = (leader_ + 1) % all_.size();
}

void Endpoints::renew(Credentials credentials) {
  const std::lock_guard lock(mutex_);
  credentials_ = std::move(credentials);
  for (std::shared_ptr<Endpoint>& endpoint : all_)
    endpoint = std::make_shared<Endpoint>(endpoint->address, credentials_);
}

}  // namespace meridian::client
