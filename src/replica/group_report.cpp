#include "replica/group_report.h"

#include <algorithm>

namespace meridian::replica {

namespace {

bool contains(const std::vector<std::uint64_t>& ids, std::uint64_t id) {
  return std::binary_search(ids.begin(), ids.end(), id);
}

}  // namespace

GroupReport::Part part_of(const consensus::Membership& membership, std::uint64_t id) {
  if (contains(membership.voters, id)) return GroupReport::Part::voter;
  if (contains(membership.learners, id) || contains(membership.learners_next, id))
    return GroupReport::Part::learner;
  return contains(membership.outgoing, id) ? GroupReport::Part::leaving : GroupReport::Part::none;
}

}  // namespace meridian::replica
