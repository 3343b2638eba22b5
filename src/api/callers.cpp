#include "api/callers.h"

#include <utility>
#include <vector>

namespace meridian::api {

mesh::WantedPeer wanted_caller() {
  using mesh::IdKind;
  return {
      .side = mesh::WantedPeer::Side::client,
      .kinds = {IdKind::node, IdKind::service, IdKind::person, IdKind::gateway, IdKind::authority}};
}

Caller::Caller(mesh::PeerIdentity who)
    : identity(std::move(who)), id(mesh::format_spiffe_id(identity.id)) {}

u128 Caller::actor(const door::Door& door) const {
  std::lock_guard lock(mutex_);
  if (actor_ == 0) actor_ = door.actor_id(id);
  return actor_;
}

std::shared_ptr<const Standing> Caller::standing() const {
  std::lock_guard lock(mutex_);
  return standing_;
}

void Caller::keep(std::shared_ptr<const Standing> standing) const {
  std::lock_guard lock(mutex_);
  standing_ = std::move(standing);
}

Result<CallerRef> Callers::find(std::string_view leaf, std::string_view chain) {
  CallerRef caller;
  {
    std::lock_guard lock(mutex_);
    if (auto found = known_.find(leaf); found != known_.end()) caller = found->second;
    if (auto found = refused_.find(leaf); !caller && found != refused_.end()) {
      if (found->second.at_s == credentials_.now()) return found->second.error;
      refused_.erase(found);
    }
  }
  if (!caller) {
    Result<CallerRef> judged = judge(leaf, chain);
    if (!judged) return refuse(leaf, judged.error());
    caller = std::move(*judged);
    std::lock_guard lock(mutex_);
    if (known_.size() >= known_max) known_.clear();
    known_.insert_or_assign(std::string(leaf), caller);
    return caller;
  }
  if (Status still = check(*caller); !still) return refuse(leaf, still.error());
  return caller;
}

CallerRef Callers::known(std::string_view leaf) const {
  std::lock_guard lock(mutex_);
  auto found = known_.find(leaf);
  return found == known_.end() ? nullptr : found->second;
}

Result<CallerRef> Callers::judge(std::string_view leaf, std::string_view chain) const {
  Result<mesh::CertificateChain> shown =
      mesh::parse_pem_chain(std::string(leaf) + std::string(chain));
  std::vector<Bytes> ders;
  Buffer unreadable(1);  // is refused as what it is
  if (shown) {
    for (const mesh::Certificate& certificate : *shown) ders.push_back(certificate.der());
  } else if (!leaf.empty()) {
    ders.emplace_back(unreadable);
  }
  mesh::PeerIdentity identity = TRY(credentials_.verify(ders, wanted_caller()));
  return std::make_shared<const Caller>(std::move(identity));
}

Error Callers::refuse(std::string_view leaf, const Error& error) {
  std::lock_guard lock(mutex_);
  if (auto found = known_.find(leaf); found != known_.end()) known_.erase(found);
  if (refused_.size() >= refused_max) refused_.clear();
  refused_.insert_or_assign(std::string(leaf), Refused{error, credentials_.now()});
  return error;
}

}  // namespace meridian::api
