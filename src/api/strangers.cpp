#include "api/strangers.h"

#include "base/assert.h"

namespace meridian::api {

void Strangers::add(Id id, const std::string& address) {
  const bool is_new = addresses_.emplace(id, address).second;
  ASSERT(is_new);
  ids_[address].insert(id);
}

void Strangers::remove(Id id) {
  const auto found = addresses_.find(id);
  if (found == addresses_.end()) return;
  const auto of_one = ids_.find(found->second);
  of_one->second.erase(id);
  if (of_one->second.empty()) ids_.erase(of_one);
  addresses_.erase(found);
}

std::optional<Strangers::Id> Strangers::victim() const {
  const std::set<Id>* most = nullptr;
  for (const auto& [address, ids] : ids_) {
    if (most == nullptr || ids.size() > most->size() ||
        (ids.size() == most->size() && *ids.begin() < *most->begin()))
      most = &ids;
  }
  if (most == nullptr) return std::nullopt;
  return *most->begin();
}

}  // namespace meridian::api
