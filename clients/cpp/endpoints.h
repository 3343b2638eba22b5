// The replicas of one cell as connections, and which of them is taken for the leader.
//
// Thread-safe. An endpoint lives as long as anyone holds it. Connections are made by gRPC, lazily.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::client {

using Credentials = std::shared_ptr<grpc::ChannelCredentials>;

struct Endpoint {
  Endpoint(std::string the_address, const Credentials& credentials);
  std::string address;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::Accounts::Stub> accounts;
  std::unique_ptr<v1::Transfers::Stub> transfers;
  std::unique_ptr<v1::Streams::Stub> streams;
  std::unique_ptr<v1::Transactions::Stub> transactions;
  std::unique_ptr<v1::Proofs::Stub> proofs;
};

/// "host:port" and nothing else: no scheme, no path, a port of 1 to 65535.
bool is_address(std::string_view text);

class Endpoints {
 public:
  /// Addresses that only servers named; the oldest is dropped for a further one.
  static constexpr std::size_t learned_max = 16;

  Endpoints(const std::vector<std::string>& addresses, Credentials credentials);

  /// The one that led when we last heard of it.
  std::shared_ptr<Endpoint> leader() const;
  /// The given endpoints in order, beginning again after the last: 0 is the nearest.
  std::shared_ptr<Endpoint> nearest(std::size_t attempt) const;
  /// A server named `address` as the leader. Ignored unless is_address.
  void lead(std::string_view address);
  /// `endpoint` did not serve: the next one is tried, unless another was found meanwhile.
  void failed(const Endpoint& endpoint);
  /// Connections to the same addresses with other credentials. Who holds the old ones keeps them.
  void renew(Credentials credentials);

 private:
  mutable std::mutex mutex_;
  Credentials credentials_;
  std::size_t given_;  // of `all_`, from the front; then those learned, oldest first
  std::vector<std::shared_ptr<Endpoint>> all_;
  std::size_t leader_ = 0;
};

}  // namespace meridian::client
