// Who takes part: raft's configuration, as stored with a checkpoint (ConfState).
//
// Values. Joint while `outgoing` is not empty: a decision then needs a majority of both halves.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace meridian::consensus {

struct Membership {
  std::vector<std::uint64_t> voters;         ///< Ascending, as are the others.
  std::vector<std::uint64_t> learners;       ///< Get the log, have no vote.
  std::vector<std::uint64_t> outgoing;       ///< Voters of the configuration being left.
  std::vector<std::uint64_t> learners_next;  ///< Become learners when it is left.
  bool operator==(const Membership&) const = default;
  bool is_joint() const { return !outgoing.empty(); }
  bool has(std::uint64_t id) const;
  bool votes(std::uint64_t id) const;
  std::set<std::uint64_t> ids() const;         ///< Of all members.
  std::set<std::uint64_t> voting_ids() const;  ///< Of those that vote.
};

struct MemberChange {
  enum class Kind : std::uint8_t { voter = 0, remove = 1, learner = 2 };
  std::uint64_t id;
  Kind kind;
};

/// Changes that take effect together, and the members that they were checked against.
struct CheckedChange {
  std::vector<MemberChange> changes;
  std::optional<Membership> before{};  ///< None: nothing depends on who they are.
};

/// Canonical bytes (docs/formats/membership.md).
Buffer encode_membership(const Membership& membership);
/// Errors: data_loss naming the field.
Result<Membership> decode_membership(Bytes bytes);

/// Region of a member. Errors of check_placement name it.
using RegionOf = std::function<std::string(std::uint64_t id)>;
/// L6: no region has a majority of voters, in either half. Errors: failed_precondition naming the
/// region and half.
Status check_placement(const Membership& membership, const RegionOf& region_of);

/// L7: the highest index that voters of two regions, and a quorum of each half, are known to have.
std::uint64_t global_index(const Membership& membership, const RegionOf& region_of,
                           const std::function<std::uint64_t(std::uint64_t id)>& matched);
/// The highest index that a quorum of each half has: what raft may commit.
std::uint64_t quorum_index(const Membership& membership,
                           const std::function<std::uint64_t(std::uint64_t id)>& matched);

}  // namespace meridian::consensus
