// Who is at a gRPC port and has not shown yet who they are: the port adds connections and asks
// whether their handshake may begin, calls whose caller is known take them off. Thread-safe. Cost
// for a call: one load while nobody is watched.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "api/strangers.h"

namespace meridian::api {

/// "ipv4:10.0.0.1:4711", as gRPC names who calls. An address as Boost.Asio writes it.
std::string grpc_peer_name(const std::string& address, bool is_ipv6, unsigned port);

class PortWatch {
 public:
  void add(Strangers::Id id, const std::string& origin, const std::string& peer_name);
  /// As Strangers has it.
  bool may_begin(Strangers::Id id, io::MonotonicTime now);
  void remove(Strangers::Id id);
  std::size_t size() const { return size_.load(std::memory_order_relaxed); }
  std::optional<Strangers::Id> victim() const;

  bool has_strangers() const { return size() != 0; }
  /// Whoever calls by this name is known. No effect on a name that is not watched.
  void met(const std::string& peer_name);

 private:
  void erase(Strangers::Id id);

  mutable std::mutex mutex_;
  Strangers strangers_;
  std::map<std::string, Strangers::Id> ids_;
  std::map<Strangers::Id, std::string> names_;
  std::atomic<std::size_t> size_ = 0;
};

}  // namespace meridian::api
