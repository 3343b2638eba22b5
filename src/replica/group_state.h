// Who a cell's replicas are, as a state checkpoint keeps it: consensus's configuration, and where
// each member is. Canonical bytes: docs/formats/membership.md. Values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "consensus/membership.h"
#include "replica/group_config.h"

namespace meridian::replica {

struct GroupState {
  consensus::Membership membership;
  std::vector<MemberInfo> members;  ///< Ascending by id; also of those that left.
  bool operator==(const GroupState&) const = default;

  const MemberInfo* find(std::uint64_t id) const;
  /// The member whose peers reach it at `address`, of those that have not left.
  const MemberInfo* at(std::string_view address) const;
  /// It was a member and is none any more. For good, as ids are never used again.
  bool has_left(std::uint64_t id) const { return find(id) != nullptr && !membership.has(id); }
  void set(const MemberInfo& member);
  /// The id belongs to this disk; unless it is 0 or one is known.
  void bind(std::uint64_t id, u128 storage);
  /// Empty if it is not known.
  std::string region_of(std::uint64_t id) const;
};

Buffer encode_group_state(const GroupState& state);
/// Errors: data_loss naming the field.
Result<GroupState> decode_group_state(Bytes bytes);

/// Region and address as a record and a checkpoint hold them. Errors: invalid_argument.
Status check_member(const MemberInfo& member);

/// The configuration that founders begin with. Errors: invalid_argument; failed_precondition
/// (placement).
Result<GroupState> founding_state(const GroupConfig& config);

/// One step of `meridian node add | promote | remove`.
struct MemberStep {
  MemberInfo member;  ///< Region and address only for who joins.
  consensus::MemberChange::Kind change;
};

/// What the configuration would be after `steps`. Errors: invalid_argument (an id used before, not
/// known, a field out of bounds); failed_precondition (placement, the last voter).
Result<GroupState> after_steps(const GroupState& state, const std::vector<MemberStep>& steps);

}  // namespace meridian::replica
