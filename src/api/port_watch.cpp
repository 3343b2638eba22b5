#include "api/port_watch.h"

namespace meridian::api {

std::string grpc_peer_name(const std::string& address, bool is_ipv6, unsigned port) {
  return (is_ipv6 ? "ipv6:%5B" + address + "%5D:" : "ipv4:" + address + ":") + std::to_string(port);
}

void PortWatch::add(Strangers::Id id, const std::string& origin, const std::string& peer_name) {
  const std::lock_guard lock(mutex_);
  strangers_.add(id, origin);
  ids_[peer_name] = id;
  names_.emplace(id, peer_name);
  size_.store(strangers_.size(), std::memory_order_relaxed);
}

bool PortWatch::may_begin(Strangers::Id id, io::MonotonicTime now) {
  const std::lock_guard lock(mutex_);
  return strangers_.may_begin(id, now);
}

void PortWatch::remove(Strangers::Id id) {
  const std::lock_guard lock(mutex_);
  erase(id);
}

std::optional<Strangers::Id> PortWatch::victim() const {
  const std::lock_guard lock(mutex_);
  return strangers_.victim();
}

void PortWatch::met(const std::string& peer_name) {
  const std::lock_guard lock(mutex_);
  const auto found = ids_.find(peer_name);
  if (found == ids_.end()) return;
  const Strangers::Id id = found->second;
  strangers_.met(id);
  erase(id);
}

void PortWatch::erase(Strangers::Id id) {
  const auto name = names_.find(id);
  if (name == names_.end()) return;
  // A newer connection may have the name by now.
  if (const auto found = ids_.find(name->second); found != ids_.end() && found->second == id)
    ids_.erase(found);
  names_.erase(name);
  strangers_.remove(id);
  size_.store(strangers_.size(), std::memory_order_relaxed);
}

}  // namespace meridian::api
