// The gate, by script: protocol corners that chance finds late (docs/design/raft_contract.md).
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "consensus/internal/gate_group_rig.h"

namespace meridian::consensus::gate {
namespace {

GroupSetup quiet(std::uint64_t seed = 1, std::size_t members = 3) {
  GroupSetup setup;
  setup.seed = seed;
  setup.members = members;
  setup.links.delay_ms_max = 1;
  return setup;
}

std::uint64_t other_than(std::uint64_t a, std::uint64_t b = 0) {
  for (std::uint64_t id = 1;; ++id)
    if (id != a && id != b) return id;
}

TEST(gate_script, a_group_elects_commits_and_answers) {
  Group group(quiet());
  const std::uint64_t leader = group.leader_within(2'000);
  ASSERT_NE(leader, 0u);
  ASSERT_TRUE(group.propose(leader));
  group.run(100);
  EXPECT_TRUE(group.is_acknowledged(group.last_value()));
  EXPECT_TRUE(group.all_equal());
}

TEST(gate_script, a_divergent_tail_never_counts_as_a_match) {
  Group group(quiet());
  const std::uint64_t old_leader = group.leader_within(2'000);
  group.isolate(old_leader);
  for (int i = 0; i < 5; ++i) group.propose(old_leader);  // a tail that nobody else has
  const std::uint64_t lost = group.last_value();
  group.run(1'500);
  const std::uint64_t leader = group.newest_leader();
  ASSERT_NE(leader, old_leader);
  group.propose(leader);
  const std::uint64_t kept = group.last_value();
  group.run(50);
  ASSERT_TRUE(group.is_acknowledged(kept));
  group.heal();
  group.run(500);
  EXPECT_FALSE(group.is_acknowledged(lost));
  EXPECT_TRUE(group.all_equal());
  // The tail was replaced on disk as well.
  const auto& log = group.member(old_leader).disk().log;
  EXPECT_EQ(log.back().term, group.member(leader).disk().log.back().term);
}

// Figure 8 of the Raft paper: an entry of an old term that a majority stores is not committed by
// that alone; only with an entry of the leader's own term.
TEST(gate_script, an_entry_of_an_old_term_is_not_committed_by_counting) {
  Group group(quiet(3, 5));
  const std::uint64_t first = group.leader_within(2'000);
  const std::uint64_t friend_of_first = other_than(first);
  for (const auto& [id, member] : group.members())
    if (id != first && id != friend_of_first) group.block(first, id);
  group.propose(first);
  const std::uint64_t value = group.last_value();
  group.run(20);
  group.member(first).crash();
  ASSERT_FALSE(group.is_acknowledged(value));
  group.heal();
  group.run(3'000);
  // Whoever leads now either has it and committed it under its own first entry, or has replaced it.
  const std::uint64_t leader = group.newest_leader();
  ASSERT_NE(leader, 0u);
  const auto& log = group.member(leader).disk().log;
  for (std::size_t i = 0; i + 1 < log.size(); ++i) EXPECT_LE(log[i].term, log[i + 1].term);
  EXPECT_EQ(log.back().term, group.member(leader).leadership().term);
  group.require_progress(5'000);
}

/// S4: a and b have a tail of an old term; a then takes one committed entry of a newer term over it
/// and restarts. If its disk kept the rest of the tail, it votes for b, which lacks that entry.
std::string outcome_of_replaced_tail(bool keep_tail, std::uint64_t seed) {
  GroupSetup setup = quiet(seed, 5);
  setup.broken.keep_tail = keep_tail;
  Group group(setup);
  const std::uint64_t a = group.leader_within(2'000);
  const std::uint64_t b = other_than(a);
  std::vector<std::uint64_t> rest;
  for (const auto& [id, member] : group.members())
    if (id != a && id != b) rest.push_back(id);
  for (const std::uint64_t id : rest)
    for (const std::uint64_t cut : {a, b}) group.block(id, cut), group.block(cut, id);
  for (int i = 0; i < 5; ++i) group.propose(a);
  group.run(50);
  group.block_channel(io::Channel::entries);  // one of the rest wins, and nobody has its entry yet
  group.run(1'500);
  std::uint64_t c = rest[0];
  for (const std::uint64_t id : rest)
    if (group.member(id).leadership().role == Role::leader) c = id;
  group.member(b).crash();
  group.member(rest[0] == c ? rest[1] : rest[0]).crash();  // c needs a now
  group.heal();
  group.run(100);
  for (const std::uint64_t id : rest) group.member(id).crash();
  group.member(a).crash();
  group.member(a).start();
  group.member(b).start();
  group.member(rest[0] == c ? rest[1] : rest[0]).start();
  try {
    group.run(2'000);
    group.require_progress(10'000);
  } catch (const Violation& violation) {
    return violation.what();
  }
  return {};
}

TEST(gate_script, a_replaced_tail_is_gone_from_the_disk_too) {
  std::size_t caught = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(outcome_of_replaced_tail(false, seed), "") << seed;
    if (!outcome_of_replaced_tail(true, seed).empty()) ++caught;
  }
  EXPECT_GT(caught, 0u);
}

TEST(gate_script, a_leader_proposes_only_after_its_own_term_has_committed) {
  Group group(quiet(5));
  const std::uint64_t leader = group.leader_within(2'000);
  const std::uint64_t next = other_than(leader);
  group.member(leader).crash();
  group.block_channel(io::Channel::entries);  // it can win, and commit nothing
  group.run(2'000);
  for (const auto& [id, member] : group.members()) {
    if (member->is_up()) {
      EXPECT_FALSE(member->leadership().may_propose) << id;
    }
  }
  EXPECT_NE(next, 0u);
  group.require_progress(5'000);
}

TEST(gate_script, a_busy_leader_over_a_slow_link_still_commits) {
  GroupSetup setup = quiet(7);
  setup.links.delay_ms_max = 80;
  setup.node.timing = Timing::measured(io::milliseconds(160), io::milliseconds(5));
  setup.node.limits.inflight_messages_max = 8;
  Group group(setup);
  const std::uint64_t leader = group.leader_within(10'000);
  ASSERT_NE(leader, 0u);
  const std::uint64_t term = group.member(leader).leadership().term;
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(group.propose(leader, 100'000)) << i;
    group.run(10);
  }
  EXPECT_EQ(group.member(leader).leadership().term, term);
  EXPECT_GT(group.acknowledged_count(), 350u);
  group.run(3'000);
  EXPECT_EQ(group.acknowledged_count(), 500u);
}

TEST(gate_script, a_leader_whose_disk_hangs_hands_over) {
  Group group(quiet(9));
  const std::uint64_t leader = group.leader_within(2'000);
  group.member(leader).hold_disk(true);
  group.propose(leader);
  group.run(2'000);
  const std::uint64_t next = group.newest_leader();
  ASSERT_NE(next, 0u);
  EXPECT_NE(next, leader);
  EXPECT_TRUE(group.propose(next));
  group.run(100);
  EXPECT_TRUE(group.is_acknowledged(group.last_value()));
}

TEST(gate_script, leaders_whose_disks_all_hang_now_and_then_do_not_pass_leadership_round) {
  Group group(quiet(9));
  const std::uint64_t first = group.leader_within(2'000);
  const std::uint64_t term = group.member(first).leadership().term;
  for (int round = 0; round < 20; ++round) {
    const std::uint64_t leader = group.leader_within(2'000);
    ASSERT_NE(leader, 0u);
    group.member(leader).hold_disk(true);
    group.propose(leader);
    group.run(1'000);  // longer than four election timeouts
    group.member(leader).hold_disk(false);
    group.run(200);
  }
  const std::uint64_t leader = group.leader_within(2'000);
  ASSERT_NE(leader, 0u);
  EXPECT_LE(group.member(leader).leadership().term, term + 8) << "after 20 hangs";
}

TEST(gate_script, a_leader_that_never_hands_over_stays_without_its_disk) {
  GroupSetup setup = quiet(9);
  setup.node.broken.never_hand_over = true;
  Group group(setup);
  const std::uint64_t leader = group.leader_within(2'000);
  group.member(leader).hold_disk(true);
  group.propose(leader);
  group.run(2'000);
  EXPECT_EQ(group.newest_leader(), leader);
}

TEST(gate_script, a_member_that_is_down_does_not_grow_the_leader) {
  GroupSetup setup = quiet(11);
  setup.node.limits.cached_bytes_max = 1 << 20;
  Group group(setup);
  const std::uint64_t leader = group.leader_within(2'000);
  const std::uint64_t down = other_than(leader);
  group.member(down).crash();
  for (int i = 0; i < 400; ++i) {
    ASSERT_TRUE(group.propose(leader, 50'000));
    group.run(5);
  }
  group.run(100);
  EXPECT_EQ(group.acknowledged_count(), 400u);
  EXPECT_LE(group.member(leader).node().report().cached_bytes, 2u << 20);
  group.member(down).start();  // and is served from the disk
  group.run(3'000);
  EXPECT_TRUE(group.all_equal());
}

/// Seconds until one that was down for `down_s` is level, while 40 MB a second are written.
double level_after(std::int64_t down_s) {
  GroupSetup setup = quiet(12);
  setup.node.limits.cached_bytes_max = 1 << 20;
  Group group(setup);
  const std::uint64_t leader = group.leader_within(2'000);
  const std::uint64_t down = other_than(leader);
  const auto write = [&] {
    EXPECT_TRUE(group.propose(leader, 400'000));
    group.run(10);
  };
  const auto applied = [&](std::uint64_t id) { return group.member(id).applied().index; };
  group.member(down).crash();
  for (std::int64_t i = 0; i < 100 * down_s; ++i) write();
  group.member(down).start();
  std::int64_t steps = 0;
  for (; applied(down) + 10 < applied(leader) && steps < 3'000; ++steps) write();
  return static_cast<double>(steps) / 100;
}

/// It is given twice of what is written, so that it takes as long as it was away.
TEST(gate_script, a_member_that_catches_up_with_a_busy_cell_does_not_take_all_of_its_time) {
  EXPECT_NEAR(level_after(3), 3, 1);
  EXPECT_NEAR(level_after(6), 6, 1.5);
}

TEST(gate_script, a_member_behind_the_log_gets_the_state) {
  Group group(quiet(13));
  const std::uint64_t leader = group.leader_within(2'000);
  const std::uint64_t down = other_than(leader);
  group.member(down).crash();
  for (int i = 0; i < 50; ++i) {
    group.propose(leader);
    group.run(5);
  }
  group.member(leader).checkpoint(2);
  group.run(10);
  group.member(down).start();
  group.run(3'000);
  EXPECT_TRUE(group.all_equal());
  EXPECT_GT(group.member(down).node().report().first_index, 40u);
}

TEST(gate_script, a_change_that_was_checked_against_other_members_is_refused) {
  Group group(quiet(16));
  const std::uint64_t leader = group.leader_within(2'000);
  const Membership before = group.member(leader).node().report().membership;
  const auto add = [&](std::uint64_t id) {
    std::optional<Status> answer;
    group.member(leader).node().propose_change(
        group.member(leader).leadership().term, {{{id, MemberChange::Kind::learner}}, before},
        nullptr, [&](const Status& status) { answer = status; });
    group.run(1'000);
    return answer.value_or(fail(Code::internal, "no answer"));
  };
  const Status first = add(4);
  EXPECT_TRUE(first) << first.error().message;
  const Status second = add(5);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::failed_precondition);
  EXPECT_FALSE(group.member(leader).node().report().membership.has(5));
}

TEST(gate_script, a_member_that_is_well_is_active_all_along) {
  Group group(quiet(17));
  const std::uint64_t leader = group.leader_within(2'000);
  group.run(500);
  const auto active = [&] {
    std::size_t count = 0;
    for (const PeerProgress& peer : group.member(leader).node().report().peers)
      count += peer.id != leader && peer.recent_active ? 1 : 0;
    return count;
  };
  for (int i = 0; i < 500; ++i) {
    group.run(7);
    ASSERT_EQ(active(), 2u) << i;
  }
  group.member(leader % 3 + 1).crash();
  group.run(1'000);
  EXPECT_EQ(active(), 1u);
}

TEST(gate_script, the_leader_itself_can_be_replaced) {
  Group group(quiet(15));
  const std::uint64_t leader = group.leader_within(2'000);
  group.add(4);
  const auto must_be_taken = [](const Status& status) {
    EXPECT_TRUE(status) << status.error().message;
  };
  group.member(leader).node().propose_change(group.member(leader).leadership().term,
                                             {{{4, MemberChange::Kind::learner}}}, nullptr,
                                             must_be_taken);
  group.run(1'000);
  group.member(leader).checkpoint(0);
  group.run(2'000);
  group.member(leader).node().propose_change(
      group.member(leader).leadership().term,
      {{{4, MemberChange::Kind::voter}, {leader, MemberChange::Kind::remove}}}, nullptr,
      must_be_taken);
  group.run(5'000);
  const std::uint64_t next = group.newest_leader();
  ASSERT_NE(next, 0u);
  EXPECT_NE(next, leader);
  const Membership members = group.member(next).node().report().membership;
  EXPECT_FALSE(members.is_joint());
  EXPECT_FALSE(members.has(leader));
  EXPECT_TRUE(members.votes(4));
  EXPECT_TRUE(group.propose(next));
  group.run(200);
  EXPECT_TRUE(group.is_acknowledged(group.last_value()));
}

TEST(gate_script, a_commit_index_past_the_log_is_clamped_at_a_start) {
  Group group(quiet(17));
  group.leader_within(2'000);
  Member& member = group.member(2);
  member.crash();
  member.disk().hard_state.commit = 1'000;  // S6
  member.start();
  group.require_progress(5'000);
}

TEST(gate_script, a_seed_replays) {
  const auto trace = [](std::uint64_t seed) {
    GroupSetup setup = quiet(seed, 5);
    setup.links = {0.05, 0.05, 20};
    Group group(setup);
    for (int i = 0; i < 100; ++i) {
      if (const std::uint64_t leader = group.newest_leader(); leader != 0) group.propose(leader);
      if (i % 30 == 10) group.isolate(group.newest_leader());
      if (i % 30 == 25) group.heal();
      group.run(50);
    }
    return group.world().trace_hash();
  };
  EXPECT_EQ(trace(21), trace(21));
  EXPECT_NE(trace(21), trace(22));
}

TEST(gate_script, failover_stays_within_its_bound) {
  const Timing timing;
  const auto bound_ms = static_cast<std::int64_t>(
                            timing.failover_bound(io::milliseconds(2), io::milliseconds(1), {})) /
                        1'000'000;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Group group(quiet(seed));
    const std::uint64_t leader = group.leader_within(2'000);
    group.run(200);
    group.member(leader).crash();
    std::int64_t waited = 0;
    while (group.newest_leader() == 0 && waited <= bound_ms) group.run(1), ++waited;
    EXPECT_LE(waited, bound_ms) << "seed " << seed;
  }
}

/// Threads get 5 of 100 milliseconds: one tick in that time would not do.
TEST(gate_script, failover_stays_within_its_bound_on_a_busy_machine) {
  constexpr std::int64_t delay_ms = 100;
  const io::Duration bound = Timing().failover_bound(
      io::milliseconds(2 + delay_ms), io::milliseconds(1), io::milliseconds(delay_ms));
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Group group(quiet(seed));
    const std::uint64_t leader = group.leader_within(2'000);
    group.run(200);
    group.member(leader).crash();
    const auto hold_others = [&](bool held) {
      for (std::uint64_t id = 1; id <= 3; ++id)
        if (id != leader) group.member(id).hold_thread(held);
    };
    std::int64_t waited_ms = 0;
    for (; group.newest_leader() == 0 && waited_ms < 5'000; waited_ms += delay_ms) {
      hold_others(true);
      group.run(delay_ms - 5);
      hold_others(false);
      group.run(5);
    }
    EXPECT_LE(io::milliseconds(waited_ms), bound) << "seed " << seed;
  }
}

/// Heartbeats come as often as before: others may be quicker to take a leader for dead.
TEST(gate_script, a_leader_with_a_longer_election_timeout_keeps_its_followers) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Group group(quiet(seed));
    const std::uint64_t leader = group.leader_within(2'000);
    group.member(leader).node().set_election_timeout(io::milliseconds(1'200));
    for (int i = 0; i < 50; ++i) {
      group.run(100);
      ASSERT_EQ(group.newest_leader(), leader) << "seed " << seed;
    }
  }
}

TEST(gate_script, an_election_timeout_can_be_changed_and_changed_back) {
  const auto failover_ms = [](Group& group, io::Duration election) {
    std::uint64_t leader = group.leader_within(2'000);
    for (std::uint64_t id = 1; id <= 3; ++id)
      group.member(id).node().set_election_timeout(election);
    group.run(1'000);
    leader = group.leader_within(2'000);
    group.member(leader).crash();
    std::int64_t waited = 0;
    while (group.newest_leader() == 0 && waited <= 10'000) group.run(1), ++waited;
    group.member(leader).start();
    group.run(1'000);
    return waited;
  };
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Group group(quiet(seed));
    const Timing longer = Timing().stretched(io::milliseconds(600));
    const auto bound_ms = [](const Timing& timing) {
      return static_cast<std::int64_t>(
                 timing.failover_bound(io::milliseconds(2), io::milliseconds(1), {})) /
             1'000'000;
    };
    const std::int64_t first = failover_ms(group, longer.election);
    EXPECT_GE(first, 500) << "seed " << seed;
    EXPECT_LE(first, bound_ms(longer)) << "seed " << seed;
    EXPECT_LE(failover_ms(group, io::milliseconds(1)), bound_ms(Timing())) << "seed " << seed;
  }
}

}  // namespace
}  // namespace meridian::consensus::gate
