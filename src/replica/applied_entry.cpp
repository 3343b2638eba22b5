#include "replica/applied_entry.h"

namespace meridian::replica {

ledger::Applied AppliedPool::take() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) return {};
  ledger::Applied applied = std::move(free_.back());
  free_.pop_back();
  return applied;
}

void AppliedPool::give(ledger::Applied applied) {
  const std::lock_guard lock(mutex_);
  if (free_.size() < kept_max) free_.push_back(std::move(applied));
}

}  // namespace meridian::replica
