#include "replica/member_news.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/disk.h"
#include "sim/executor.h"
#include "sim/network.h"
#include "sim/world.h"

namespace meridian::replica {
namespace {

using ::testing::HasSubstr;
using Kind = consensus::MemberChange::Kind;

GroupState three() {
  GroupConfig config;
  config.founders = {{1, "us", "a:1"}, {2, "eu", "b:1"}, {3, "ap", "c:1"}};
  return *founding_state(config);
}

TEST(member_news, a_replica_stands_as_the_group_has_it) {
  const GroupState founded = three();
  EXPECT_EQ(standing_in({}, 1), Standing::outsider);
  EXPECT_EQ(standing_in(founded, 4), Standing::outsider);
  EXPECT_EQ(standing_in(founded, 3), Standing::voter);
  GroupState joint = *after_steps(founded, {{{4, "us", "d:1"}, Kind::learner}});
  EXPECT_EQ(standing_in(joint, 4), Standing::learner);
  joint.membership.outgoing = {1, 2, 3};
  joint.membership.voters = {2, 3};
  EXPECT_EQ(standing_in(joint, 1), Standing::voter);  // until the joint configuration is left
  joint.membership.outgoing = {};
  EXPECT_EQ(standing_in(joint, 1), Standing::removed);
}

TEST(member_news, what_was_encoded_is_decoded) {
  const MembersAnswer answer{3, make_u128(7, 8), three()};
  const Result<MembersAnswer> decoded = decode_members_answer(encode_members_answer(answer));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(*decoded, answer);
  EXPECT_EQ(*decode_members_request(encode_members_request("127.0.0.1:7")), "127.0.0.1:7");
}

/// A replica's links and what it tells over them, on a machine of its own.
class Machine {
 public:
  Machine(sim::World& world, sim::Net& net, std::uint64_t id, GroupState group)
      : id_(id), group_(std::move(group)), executor_(world.make_executor(fmt::format("{}", id))) {
    const storage::ReplicaIdentity self{{"test", 7, 1, id, "us"}, 100 + id};
    peers_ = *Peers::open(disk_, net.make_network(fmt::format("node-{}", id)), self,
                          [](const std::string&) {});
    news_ = std::make_unique<MemberNews>(
        MemberNews::Parts{*executor_, *peers_, info(), 100 + id,
                          [this]() -> const GroupState& { return group_; },
                          [] { return std::uint64_t{1}; }, [](const std::string&) {}},
        [](Standing) {});
    EXPECT_TRUE(peers_->start(info().address, "", *executor_));
    news_->look();
  }
  ~Machine() { peers_->stop(); }

  MemberInfo info() const { return {id_, "us", fmt::format("node-{}:1", id_), 0}; }
  void becomes(GroupState group) {
    group_ = std::move(group);
    news_->look();
  }
  void introduce_to(std::uint64_t id) {
    peers_->send(id, io::Channel::control, {std::make_shared<const Buffer>(1, Byte{0})});
  }
  Peers& peers() { return *peers_; }

 private:
  std::uint64_t id_;
  GroupState group_;
  sim::Disk disk_{sim::DiskOptions{.seed = 1}};
  std::unique_ptr<io::Executor> executor_;
  std::unique_ptr<Peers> peers_;
  std::unique_ptr<MemberNews> news_;
};

/// A member whose log takes nothing reads there neither of the joiner nor of its address, and may
/// not hear it before it has introduced itself.
TEST(member_news, who_becomes_a_member_says_so_over_links_that_are_older) {
  sim::World world(1);
  sim::Net net(world, {});
  Machine two(world, net, 2, three());
  Machine four(world, net, 4, {});
  four.peers().set(two.info());
  for (int i = 0; i < 3; ++i) {
    four.introduce_to(2);
    world.advance(io::seconds(1));
  }
  ASSERT_FALSE(two.peers().find(4));
  four.becomes(*after_steps(three(), {{{4, "us", "node-4:1"}, Kind::learner}}));
  world.advance(io::seconds(1));
  EXPECT_TRUE(two.peers().find(4));
}

TEST(member_news, every_cut_and_every_extension_is_refused) {
  Buffer bytes = encode_members_answer({3, make_u128(7, 8), three()});
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_members_answer(Bytes(bytes).first(size))) << size;
  bytes.push_back(0);
  EXPECT_FALSE(decode_members_answer(bytes));
  Buffer question = encode_members_request("a:1");
  for (std::size_t size = 0; size < question.size(); ++size)
    EXPECT_FALSE(decode_members_request(Bytes(question).first(size))) << size;
  question.push_back(0);
  EXPECT_FALSE(decode_members_request(question));
  EXPECT_FALSE(decode_members_request(encode_members_request("")));
}

TEST(member_news, who_is_out_is_told_what_to_do) {
  const MemberInfo self{3, "ap", "c:1"};
  EXPECT_THAT(describe(Standing::other_disk, self),
              HasSubstr("meridian node replace 3 NEW=ap@HOST:PORT"));
  EXPECT_THAT(describe(Standing::removed, self), HasSubstr("never used again"));
  EXPECT_TRUE(is_out(Standing::removed) && is_out(Standing::other_disk));
  EXPECT_FALSE(is_out(Standing::outsider) || is_out(Standing::learner) || is_out(Standing::voter));
}

}  // namespace
}  // namespace meridian::replica
