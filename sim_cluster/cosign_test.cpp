// Receipts of a cell of three replicas, and a replica whose records are not those of the others.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "proof/policy.h"
#include "replica/cell_policy.h"
#include "sim_cluster/group.h"

namespace meridian::sim_cluster {
namespace {

using Receipt = Result<proof::Receipt>;

std::optional<Receipt> receipt_of(Group& group, Node& node, std::uint64_t record, std::int64_t ms) {
  auto got = std::make_shared<std::optional<Receipt>>();
  node.replica().receipt(ledger::RecordIndex{record},
                         [got](Receipt receipt) { got->emplace(std::move(receipt)); });
  for (std::int64_t passed = 0; passed < ms && !*got; passed += 20) group.run(20);
  return *got;
}

proof::Policy policy_of(Node& node) {
  const auto keys = node.replica().voter_keys();
  EXPECT_TRUE(keys.has_value()) << keys.error().message;
  const auto policy = replica::make_policy(*keys);
  EXPECT_TRUE(policy.has_value()) << policy.error().message;
  const auto read = proof::parse_policy(proof::format_policy(*policy));
  EXPECT_TRUE(read.has_value()) << read.error().message;
  return *read;
}

void expect_global(const std::optional<Receipt>& receipt, const proof::Policy& policy) {
  ASSERT_TRUE(receipt.has_value()) << "no answer";
  ASSERT_TRUE(receipt->has_value()) << receipt->error().message;
  const auto text = proof::parse_receipt(proof::format_receipt(**receipt));
  ASSERT_TRUE(text.has_value());
  const auto evidence = proof::evaluate(*text, policy);
  ASSERT_TRUE(evidence.has_value()) << evidence.error().message;
  EXPECT_EQ(proof::level_name(*evidence), "global");
  EXPECT_GE(evidence->cosignatures.size(), 2u);
}

TEST(sim_cosign, receipts_of_every_replica_verify_as_global_under_the_policy_of_each) {
  Group group({.seed = 11});
  group.open_accounts(5, *find_workload("mix"));
  group.run(500);
  for (const auto& from : group.nodes())
    for (const auto& node : group.nodes())
      expect_global(receipt_of(group, *node, 3, 2'000), policy_of(*from));
}

TEST(sim_cosign, one_replica_down_does_not_stop_receipts_and_two_do) {
  Group group({.seed = 12});
  group.open_accounts(5, *find_workload("mix"));
  group.run(500);
  Node& leader = group.leader_within(5'000);
  const proof::Policy policy = policy_of(leader);
  std::vector<Node*> others;
  for (const auto& node : group.nodes())
    if (node.get() != &leader) others.push_back(node.get());
  others[0]->kill();
  for (int i = 0; i < 5; ++i) group.clients().send(leader);
  group.run(300);
  const std::uint64_t newest = leader.replica().visible_records() - 1;
  expect_global(receipt_of(group, leader, newest, 2'000), policy);

  // Applied everywhere it was needed, and acknowledged; but the tree of it is cosigned by nobody.
  group.clients().send(leader);
  for (int i = 0; i < 100 && leader.replica().visible_records() == newest + 1; ++i)
    group.world().advance(io::milliseconds(1));
  ASSERT_GT(leader.replica().visible_records(), newest + 1);
  others[1]->kill();
  const auto refused = receipt_of(group, leader, newest + 1, 10'000);
  ASSERT_TRUE(refused.has_value());
  ASSERT_FALSE(refused->has_value());
  EXPECT_EQ(refused->error().code, Code::unavailable);
  for (const Node* down : others)
    EXPECT_NE(refused->error().message.find(fmt::format("replica {} in region-", down->id())),
              std::string::npos)
        << refused->error().message;
  group.require_progress(10'000);
  expect_global(receipt_of(group, leader, newest + 1, 2'000), policy);
}

TEST(sim_cosign, a_replica_with_another_record_stops_and_names_it_while_the_others_go_on) {
  Group group({.seed = 13});
  group.open_accounts(5, *find_workload("mix"));
  group.run(500);
  Node& leader = group.leader_within(5'000);
  Node& wrong = group.node(leader.id() % 3);
  const std::uint64_t before = leader.replica().visible_records();
  wrong.flip_bit_of_next_entry();
  for (int i = 0; i < 10; ++i) group.clients().send(leader);
  group.world().advance(io::milliseconds(1'500));  // unchecked: the group would see it at once
  ASSERT_TRUE(wrong.fatal().has_value());
  EXPECT_EQ(wrong.fatal()->code, Code::data_loss);
  std::uint64_t differs = before;
  while (leader.replica().header(ledger::RecordIndex{differs}).value() ==
         wrong.replica().header(ledger::RecordIndex{differs}).value())
    ++differs;
  EXPECT_NE(wrong.fatal()->message.find(fmt::format("is record {};", differs)), std::string::npos)
      << wrong.fatal()->message << ", it is " << differs;
  EXPECT_EQ(wrong.notices().back(), wrong.fatal()->message);
  const proof::Policy policy = policy_of(leader);
  wrong.kill();
  group.run(100);
  expect_global(receipt_of(group, leader, differs, 2'000), policy);
  const auto& notices = leader.notices();
  EXPECT_TRUE(std::any_of(notices.begin(), notices.end(), [&](const std::string& line) {
    return line.find(fmt::format("replica {} has another tree", wrong.id())) != std::string::npos;
  }));
}

TEST(sim_cosign, a_wrong_replica_that_starts_again_stops_again) {
  Group group({.seed = 14});
  group.open_accounts(5, *find_workload("mix"));
  group.run(500);
  Node& leader = group.leader_within(5'000);
  Node& wrong = group.node(leader.id() % 3);
  wrong.flip_bit_of_next_entry();
  for (int i = 0; i < 10; ++i) group.clients().send(leader);
  group.world().advance(io::milliseconds(1'500));
  ASSERT_TRUE(wrong.fatal().has_value());
  wrong.kill();
  ASSERT_TRUE(wrong.start().has_value());
  group.world().advance(io::milliseconds(500));
  group.clients().send(leader);
  group.world().advance(io::milliseconds(1'500));
  EXPECT_TRUE(wrong.fatal().has_value());
}

/// The state of one replica goes wrong, as by a bug or a bit flipped in memory, while records stay
/// alike; whoever leads, it is that one who stops.
void expect_wrong_state_stops(std::size_t leading, std::uint64_t seed) {
  constexpr std::size_t wrong_number = 1;
  Group group({.seed = seed, .canary = {.wrong_state_on = wrong_number + 1}});
  group.open_accounts(5, *find_workload("mix"));
  group.run(300);
  Node& wrong = group.node(wrong_number);
  Node& to_lead = group.node(leading);
  for (int i = 0; i < 20 && &group.leader_within(5'000) != &to_lead; ++i) {
    group.leader_within(5'000).replica().transfer_leadership(to_lead.id());
    group.world().advance(io::milliseconds(300));
  }
  ASSERT_EQ(&group.leader_within(5'000), &to_lead);
  // Unchecked: the checker would see the wrong digest in the records at once.
  for (int i = 0; i < 100 && !wrong.fatal(); ++i) {
    if (Node* leader = group.leader()) group.clients().send(*leader);
    group.world().advance(io::milliseconds(50));
  }
  ASSERT_TRUE(wrong.fatal().has_value());
  EXPECT_EQ(wrong.fatal()->code, Code::data_loss);
  EXPECT_NE(wrong.fatal()->message.find("a majority: its balances cannot be trusted"),
            std::string::npos)
      << wrong.fatal()->message;
  group.world().advance(io::milliseconds(1'000));
  wrong.kill();
  group.world().advance(io::milliseconds(3'000));
  for (const auto& node : group.nodes())
    if (node.get() != &wrong) {
      EXPECT_FALSE(node->fatal().has_value()) << node->fatal()->message;
    }
  Node* leader = group.leader();
  ASSERT_NE(leader, nullptr);
  const std::uint64_t before = leader->replica().visible_records();
  for (int i = 0; i < 10; ++i) group.clients().send(*leader);
  group.world().advance(io::milliseconds(1'000));
  EXPECT_GT(leader->replica().visible_records(), before) << "the others go on";
}

TEST(sim_cosign, a_follower_whose_state_differs_from_a_majoritys_stops) {
  expect_wrong_state_stops(0, 15);
}

TEST(sim_cosign, a_leader_whose_state_differs_from_a_majoritys_stops_and_the_others_do_not) {
  expect_wrong_state_stops(1, 16);
}

}  // namespace
}  // namespace meridian::sim_cluster
