// The gate, by chance: the core under our host with everything that can happen to it, from a seed.
//
// MERIDIAN_GATE_SEEDS=N runs N of them, MERIDIAN_GATE_FIRST=S from S on; a failure names its seed.
// docs/design/raft_contract.md says which broken host each variant is.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <iterator>
#include <string>

#include "consensus/internal/gate_group_rig.h"

namespace meridian::consensus::gate {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// One random thing happens.
void disturb(Group& group, std::uint64_t& newest_id, const BrokenDisk& broken) {
  sim::Random& random = group.random();
  auto& members = group.members();
  auto at = members.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(random.below(members.size())));
  const std::uint64_t id = at->first;
  Member& member = *at->second;
  switch (random.below(14)) {
    case 0:
    case 1:
      if (member.is_up())
        member.crash();
      else
        member.start();
      break;
    case 2: group.isolate(id); break;
    case 3:
    case 4: group.heal(); break;
    case 5: {
      auto other = members.begin();
      std::advance(other, static_cast<std::ptrdiff_t>(random.below(members.size())));
      group.block(id, other->first);  // one way
      break;
    }
    case 6: group.links().loss = 0.3 * static_cast<double>(random.below(2)); break;
    case 7:
      group.links().duplication = 0.3 * static_cast<double>(random.below(2));
      group.links().delay_ms_max = static_cast<std::int64_t>(1 + random.below(60));
      break;
    case 8:
    case 9: member.checkpoint(random.below(4)); break;
    case 10:
      if (member.is_up()) member.hold_disk(random.chance(0.5));
      break;
    case 11:
      if (const std::uint64_t leader = group.newest_leader(); leader != 0)
        group.member(leader).node().transfer_leadership(id);
      break;
    case 12:  // one joins as a learner, or a learner replaces a voter
      if (const std::uint64_t leader = group.newest_leader(); leader != 0) {
        const Membership now = group.member(leader).node().report().membership;
        const auto ignore = [](const Status&) {};
        if (now.learners.empty() && newest_id < 9) {
          ++newest_id;
          group.add(newest_id);
          group.member(leader).node().propose_change(group.member(leader).leadership().term,
                                                     {{{newest_id, MemberChange::Kind::learner}}},
                                                     nullptr, ignore);
        } else if (!now.learners.empty() && now.voters.size() >= 3) {
          const std::uint64_t victim = now.voters[random.below(now.voters.size())];
          group.member(leader).node().propose_change(
              group.member(leader).leadership().term,
              {{{now.learners.front(), MemberChange::Kind::voter},
                {victim, MemberChange::Kind::remove}}},
              nullptr, ignore);
        }
      }
      break;
    default:
      if (broken.vote_after_emptied && !member.is_up()) {
        const Membership known = member.disk().membership;
        member.disk() = {};
        member.disk().state = {1, 1, 0};
        member.disk().membership = known;
      }
      break;
  }
}

void run_seed(GroupSetup setup) {
  setup.node.limits.message_bytes_max = 64;
  setup.node.limits.cached_bytes_max = 256;
  setup.node.limits.inflight_messages_max = 4;
  Group group(setup);
  std::uint64_t newest_id = setup.members;
  for (int round = 0; round < 150; ++round) {
    group.run(static_cast<std::int64_t>(1 + group.random().below(60)));
    for (const auto& [id, member] : group.members())
      for (std::uint64_t i = group.random().below(4); i > 0; --i)
        group.propose(id, 8 + group.random().below(40));
    for (int i = 0; i < 2; ++i)
      group.read(
          std::next(group.members().begin(),
                    static_cast<std::ptrdiff_t>(group.random().below(group.members().size())))
              ->first);
    if (group.random().chance(0.4)) disturb(group, newest_id, setup.broken);
  }
  group.require_progress(20'000);
  group.check_acknowledged();
}

GroupSetup of_seed(std::uint64_t seed) {
  GroupSetup setup;
  setup.seed = seed;
  setup.members = seed % 3 == 0 ? 5 : 3;
  return setup;
}

TEST(gate_fuzz, no_seed_loses_or_changes_anything) {
  const std::uint64_t first = from_environment("MERIDIAN_GATE_FIRST", 1);
  const std::uint64_t count = from_environment("MERIDIAN_GATE_SEEDS", 300);
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    try {
      run_seed(of_seed(seed));
    } catch (const Violation& violation) {
      FAIL() << violation.what() << "; again with MERIDIAN_GATE_FIRST=" << seed
             << " MERIDIAN_GATE_SEEDS=1";
    }
  }
}

/// Ends the process at the first of 1,000 seeds that shows the damage, successfully if none does.
[[noreturn]] void run_until_caught(void (*damage)(GroupSetup&)) {
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    GroupSetup setup = of_seed(seed);
    damage(setup);
    std::cerr << "seed " << seed << '\n';
    try {
      run_seed(setup);
    } catch (const Violation& violation) {
      std::cerr << "caught: " << violation.what() << '\n';
      std::_Exit(3);
    }
  }
  std::_Exit(0);
}

/// The core may stop the process before the gate sees anything wrong: that is caught too.
bool is_caught(int status) { return !testing::ExitedWithCode(0)(status); }

struct BrokenVariant {
  const char* name;
  void (*damage)(GroupSetup&);
};

class gate_fuzz_broken : public testing::TestWithParam<BrokenVariant> {};

TEST_P(gate_fuzz_broken, is_caught_within_a_thousand_seeds) {
  EXPECT_EXIT(run_until_caught(GetParam().damage), is_caught, "seed");
}

INSTANTIATE_TEST_SUITE_P(
    hosts, gate_fuzz_broken,
    testing::Values(
        BrokenVariant{"S2_lose_synced", [](GroupSetup& s) { s.broken.lose_synced = true; }},
        BrokenVariant{"S5_drop_hard_state", [](GroupSetup& s) { s.broken.drop_hard_state = true; }},
        BrokenVariant{"S7_membership_ahead",
                      [](GroupSetup& s) { s.broken.membership_ahead = true; }},
        BrokenVariant{"S9_forget_commit",
                      [](GroupSetup& s) { s.node.broken.forget_commit = true; }},
        BrokenVariant{"M1_send_before_sync",
                      [](GroupSetup& s) { s.node.broken.send_before_sync = true; }},
        BrokenVariant{"M2_emptied_disk_votes",
                      [](GroupSetup& s) { s.broken.vote_after_emptied = true; }},
        BrokenVariant{"M4_forget_snapshot_outcome",
                      [](GroupSetup& s) { s.node.broken.forget_snapshot_outcome = true; }},
        BrokenVariant{"M6_step_snapshot_first",
                      [](GroupSetup& s) { s.node.broken.step_snapshot_first = true; }},
        BrokenVariant{"A1_apply_unpersisted",
                      [](GroupSetup& s) { s.node.broken.apply_unpersisted = true; }},
        BrokenVariant{"A2_answer_at_proposal",
                      [](GroupSetup& s) { s.broken.ack_at_proposal = true; }},
        BrokenVariant{"A3_reuse_contexts",
                      [](GroupSetup& s) { s.node.broken.reuse_contexts = true; }},
        BrokenVariant{"A4_serve_before_applied",
                      [](GroupSetup& s) { s.node.broken.serve_before_applied = true; }},
        BrokenVariant{"A5_lease_reads", [](GroupSetup& s) { s.node.core.lease_reads = true; }}),
    [](const auto& variant) { return std::string(variant.param.name); });

}  // namespace
}  // namespace meridian::consensus::gate
