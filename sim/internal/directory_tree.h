// Names and directories twice: as programs see them, and as they would survive.
//
// A change (create, rename, remove) sets one or two entries at once and waits until a directory it
// touches is synced. When power fails, waiting changes survive or not, each on its own, with two
// rules of every journal: a change survives only with the earlier ones on the same names, so a
// rename happens wholly or not at all; and a directory's removal only with what emptied it.
// A file whose directory's own entry is lost is lost with it. A value; not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/random.h"

namespace meridian::sim::internal {

enum class NodeId : std::uint64_t {};
inline constexpr NodeId root_node{0};

/// Sets directory/name to `node`, or removes the name.
struct EntrySet {
  NodeId directory;
  std::string name;
  std::optional<NodeId> node;
};

/// Entries that change together or not at all.
struct Change {
  std::vector<EntrySet> sets;
  std::optional<NodeId> removed_directory{};  ///< Filled by DirectoryTree: loses its last name.
};

class DirectoryTree {
 public:
  using Entries = std::map<std::string, NodeId, std::less<>>;

  bool is_directory(NodeId node) const { return visible_.contains(node); }
  /// Asserts is_directory().
  const Entries& entries(NodeId directory) const;
  /// Makes `node` an (empty) directory; a change must then give it a name.
  void add_directory(NodeId node);
  void apply(Change change);

  void sync(NodeId directory);
  void lose_power(Random& random);
  /// Every node that a path leads to.
  std::set<NodeId> reachable() const;

 private:
  using Directories = std::map<NodeId, Entries>;

  static void apply_to(Directories& directories, const Change& change);
  /// Extends `chosen` (indexes into pending_) by the changes they need.
  void add_prerequisites(std::vector<bool>& chosen) const;
  static bool needs(const Change& later, const Change& earlier);
  /// Applies the chosen changes to durable_ in order; the others stay in pending_.
  void persist(const std::vector<bool>& chosen);

  Directories visible_{{root_node, {}}};
  Directories durable_{{root_node, {}}};
  std::vector<Change> pending_;
};

}  // namespace meridian::sim::internal
