#include "sim/internal/directory_tree.h"

#include <algorithm>
#include <array>

#include "base/assert.h"

namespace meridian::sim::internal {

const DirectoryTree::Entries& DirectoryTree::entries(NodeId directory) const {
  ASSERT(is_directory(directory));
  return visible_.at(directory);
}

void DirectoryTree::add_directory(NodeId node) {
  visible_.try_emplace(node);
  durable_.try_emplace(node);
}

void DirectoryTree::apply(Change change) {
  for (const EntrySet& entry : change.sets) {
    const Entries& there = entries(entry.directory);
    auto old = there.find(entry.name);
    if (old == there.end() || !is_directory(old->second)) continue;
    bool moves = std::ranges::any_of(
        change.sets, [&](const EntrySet& other) { return other.node == old->second; });
    if (!moves) change.removed_directory = old->second;
  }
  apply_to(visible_, change);
  pending_.push_back(std::move(change));
}

void DirectoryTree::sync(NodeId directory) {
  std::vector<bool> chosen(pending_.size());
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    chosen[i] = std::ranges::any_of(
        pending_[i].sets, [&](const EntrySet& entry) { return entry.directory == directory; });
  }
  add_prerequisites(chosen);
  persist(chosen);
}

void DirectoryTree::lose_power(Random& random) {
  double kept = std::array{0.0, 0.5, 0.9, 1.0}[random.below(4)];
  std::vector<bool> chosen(pending_.size());
  for (std::size_t i = 0; i < chosen.size(); ++i) chosen[i] = random.chance(kept);
  add_prerequisites(chosen);
  persist(chosen);
  pending_.clear();
  visible_ = durable_;
  std::set<NodeId> alive = reachable();
  std::erase_if(visible_, [&](const auto& entry) { return !alive.contains(entry.first); });
  durable_ = visible_;
}

std::set<NodeId> DirectoryTree::reachable() const {
  std::set<NodeId> found{root_node};
  std::vector<NodeId> open{root_node};
  while (!open.empty()) {
    auto directory = visible_.find(open.back());
    open.pop_back();
    if (directory == visible_.end()) continue;  // a file
    for (const auto& [name, node] : directory->second) {
      if (found.insert(node).second) open.push_back(node);
    }
  }
  return found;
}

void DirectoryTree::apply_to(Directories& directories, const Change& change) {
  for (const EntrySet& entry : change.sets) {
    Entries& entries = directories.at(entry.directory);
    if (entry.node) {
      entries.insert_or_assign(entry.name, *entry.node);
    } else {
      entries.erase(entry.name);
    }
  }
}

void DirectoryTree::add_prerequisites(std::vector<bool>& chosen) const {
  // Prerequisites are always earlier, so one pass from the end finds them all.
  for (std::size_t later = chosen.size(); later-- > 0;) {
    if (!chosen[later]) continue;
    for (std::size_t earlier = 0; earlier < later; ++earlier) {
      if (!chosen[earlier] && needs(pending_[later], pending_[earlier])) chosen[earlier] = true;
    }
  }
}

bool DirectoryTree::needs(const Change& later, const Change& earlier) {
  for (const EntrySet& b : earlier.sets) {
    if (later.removed_directory == b.directory) return true;
    for (const EntrySet& a : later.sets) {
      if (a.directory == b.directory && a.name == b.name) return true;
    }
  }
  return false;
}

void DirectoryTree::persist(const std::vector<bool>& chosen) {
  std::vector<Change> rest;
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    if (chosen[i]) {
      apply_to(durable_, pending_[i]);
    } else {
      rest.push_back(std::move(pending_[i]));
    }
  }
  pending_ = std::move(rest);
}

}  // namespace meridian::sim::internal
