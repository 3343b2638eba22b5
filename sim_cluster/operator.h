// Who runs the cell: replaces machines, one at a time, by what members say and nothing it
// remembers.
//
//   a new machine, a new id -> learner -> it has copied the state -> one joint change: it votes,
//   the old one is removed -> every member shows that -> the old machine is switched off
//
// The old machine stays on until then: a member that has not seen the change committed still counts
// votes as before it. A step that came to nothing, or whose outcome is not known, is tried again.
// One thread: the World's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "replica/replica.h"

namespace meridian::sim_cluster {

class Group;
class Node;

class Operator {
 public:
  explicit Operator(Group& group) : group_(group) {}

  bool is_busy() const { return replacing_.has_value(); }
  /// Begins to put a new machine in the place of `old`, whatever became of that. Not while busy.
  void replace(const Node& old);
  /// The next step, if it is time and somebody leads.
  void step();
  std::uint64_t replaced() const { return replaced_; }
  /// What the leader answered to the last step, if that came to nothing.
  const std::string& said() const { return said_; }

 private:
  struct Replacing {
    std::uint64_t old_id, new_id;
  };
  bool is_made(const consensus::Membership& members) const;
  void decide(Node& leader, const consensus::Membership& members);
  void end();

  Group& group_;
  std::optional<Replacing> replacing_;
  std::map<std::uint64_t, consensus::Membership> shown_;  ///< By each node, in this step.
  std::uint64_t next_step_at_ = 0;
  std::uint64_t replaced_ = 0;
  std::string said_;
};

}  // namespace meridian::sim_cluster
