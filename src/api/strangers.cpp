#include "api/strangers.h"

#include "base/assert.h"

namespace meridian::api {

void Strangers::add(Id id, const std::string& origin) {
  const bool is_new = origins_.emplace(id, origin).second;
  ASSERT(is_new);
  ids_[origin].insert(id);
}

void Strangers::remove(Id id) {
  const auto found = origins_.find(id);
  if (found == origins_.end()) return;
  const auto of_one = ids_.find(found->second);
  of_one->second.erase(id);
  if (of_one->second.empty()) ids_.erase(of_one);
  origins_.erase(found);
}

bool Strangers::may_begin(Id id, io::MonotonicTime now) {
  const auto found = origins_.find(id);
  return found != origins_.end() && pace_.begin(found->second, now);
}

void Strangers::met(Id id) {
  const auto found = origins_.find(id);
  if (found == origins_.end()) return;
  pace_.give_back(found->second);
  remove(id);
}

std::optional<Strangers::Id> Strangers::victim() const {
  const std::set<Id>* most = nullptr;
  for (const auto& [origin, ids] : ids_) {
    if (most == nullptr || ids.size() > most->size() ||
        (ids.size() == most->size() && *ids.begin() < *most->begin()))
      most = &ids;
  }
  if (most == nullptr) return std::nullopt;
  return *most->begin();
}

}  // namespace meridian::api
