// What most voters have of something that must be alike on all: of a tree (tree_comparison.h), of a
// state (state_comparison.h).
//
// A majority is one of the voters of each half of a configuration. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "consensus/membership.h"
#include "crypto/sha256.h"

namespace meridian::replica {

/// Whether `some` are a majority of the voters, of each half.
bool is_quorum(const consensus::Membership& membership, const std::set<std::uint64_t>& some);

/// What replicas say they have, this one included.
struct Said {
  std::uint64_t id;  ///< Of this replica.
  crypto::Digest own;
  const std::map<std::uint64_t, crypto::Digest>& others;

  std::set<std::uint64_t> with(const crypto::Digest& value) const;
};

struct Verdict {
  enum class Kind : std::uint8_t {
    open,     ///< A voter that has not said anything yet may decide it.
    ours,     ///< A majority has what we have.
    another,  ///< A majority, `who`, has something else.
    none,     ///< No majority is known to have one and the same; `who` differ from us.
  };
  Kind kind;
  std::set<std::uint64_t> who{};
};
/// `is_last_call`: nobody is waited for any more.
Verdict judge(const consensus::Membership& membership, const Said& said, bool is_last_call);

}  // namespace meridian::replica
