#include "replica/peers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sim/disk.h"
#include "sim/executor.h"
#include "sim/network.h"
#include "sim/world.h"

namespace meridian::replica {
namespace {

/// One replica's links, on a machine of its own.
class Machine {
 public:
  Machine(sim::World& world, sim::Net& net, std::uint64_t id, std::uint64_t storage)
      : id_(id), executor_(world.make_executor(fmt::format("raft-{}", id))) {
    const storage::ReplicaIdentity self{{"test", 7, 1, id, "region"}, storage};
    peers_ = *Peers::open(disk_, net.make_network(fmt::format("node-{}", id)), self,
                          [](const std::string&) {});
    peers_->on(PeerTag::raft, [this](std::uint64_t from, const io::Parts&) { heard_ = from; });
    peers_->on_stranger([this](std::uint64_t stranger) { stranger_ = stranger; });
  }
  ~Machine() { peers_->stop(); }

  Peers& peers() { return *peers_; }
  void start() { ASSERT_TRUE(peers_->start(info().address, "", *executor_)); }
  MemberInfo info(u128 storage = 0) const {
    return {id_, "region", fmt::format("node-{}:1", id_), storage};
  }
  bool send(const Machine& to) {
    const auto message = std::make_shared<const Buffer>(1, static_cast<Byte>(PeerTag::raft));
    return peers_->send(to.id_, io::Channel::control, {message});
  }
  /// Who sent something to this machine since the last call; 0: nobody.
  std::uint64_t heard() { return std::exchange(heard_, 0); }
  std::uint64_t stranger() { return std::exchange(stranger_, 0); }

 private:
  std::uint64_t id_;
  sim::Disk disk_{sim::DiskOptions{.seed = 1}};
  std::unique_ptr<io::Executor> executor_;
  std::unique_ptr<Peers> peers_;
  std::uint64_t heard_ = 0, stranger_ = 0;
};

class PeersTest : public ::testing::Test {
 protected:
  void run() { world_.advance(io::seconds(1)); }
  /// Links are made by what is sent first.
  bool talks(Machine& from, Machine& to) {
    for (int i = 0; i < 3; ++i) {
      from.send(to);
      run();
    }
    return to.heard() != 0;
  }

  sim::World world_{1};
  sim::Net net_{world_, {}};
};

TEST_F(PeersTest, who_was_let_in_with_another_disk_than_the_records_say_is_cut_off) {
  Machine five(world_, net_, 5, 55);
  {
    Machine emptied(world_, net_, 4, 99);
    five.start();
    emptied.start();
    five.peers().set_guest(4, emptied.info().address);
    emptied.peers().set(five.info());
    ASSERT_TRUE(talks(emptied, five));
    five.peers().set(emptied.info(77));  // as a record says
    EXPECT_FALSE(talks(emptied, five));
    EXPECT_EQ(five.stranger(), 4u);
    EXPECT_FALSE(five.send(emptied));
    EXPECT_EQ(five.peers().storage_of(4), u128{77});
  }
  Machine true_one(world_, net_, 4, 77);
  true_one.start();
  true_one.peers().set(five.info());
  EXPECT_TRUE(talks(true_one, five));
  EXPECT_EQ(five.stranger(), 0u);
  EXPECT_TRUE(five.send(true_one));
}

TEST_F(PeersTest, of_many_members_each_keeps_the_disk_that_its_record_says) {
  Machine fifty(world_, net_, 50, 55);
  for (std::uint64_t id = 4; id < 40; ++id)
    fifty.peers().set({id, "region", fmt::format("node-{}:1", id), 1'000 + id});
  fifty.start();
  Machine emptied(world_, net_, 4, 99);
  emptied.start();
  emptied.peers().set(fifty.info());
  EXPECT_FALSE(talks(emptied, fifty));
  EXPECT_EQ(fifty.stranger(), 4u);
  EXPECT_EQ(fifty.peers().storage_of(4), u128{1'004});
}

TEST_F(PeersTest, a_member_that_was_met_first_keeps_its_disk_and_one_that_left_is_not_heard) {
  Machine one(world_, net_, 1, 11);
  Machine two(world_, net_, 2, 22);
  one.start();
  two.start();
  one.peers().set(two.info());
  two.peers().set(one.info());
  ASSERT_TRUE(talks(two, one));
  one.peers().set(two.info(22));  // the record says the same
  EXPECT_TRUE(talks(two, one));
  one.peers().retire(2);
  EXPECT_FALSE(talks(two, one));
  EXPECT_EQ(one.stranger(), 2u);
}

TEST_F(PeersTest, a_founder_with_a_new_disk_waits_until_all_have_let_it_in) {
  Machine one(world_, net_, 1, 11);
  Machine two(world_, net_, 2, 22);
  Machine three(world_, net_, 3, 33);
  for (Machine* machine : {&one, &two, &three})
    for (const Machine* other : {&one, &two, &three}) machine->peers().set(other->info());
  one.peers().wait_for({2, 3});
  one.start();
  two.start();
  EXPECT_FALSE(talks(one, two));
  EXPECT_FALSE(talks(two, one));
  EXPECT_EQ(one.peers().waits_for(), std::set<std::uint64_t>{3});
  three.start();
  one.peers().ask_to_be_let_in();
  run();
  EXPECT_TRUE(one.peers().waits_for().empty());
  EXPECT_TRUE(talks(one, two));
  EXPECT_TRUE(talks(two, one));
}

/// Hands out the handler that it was started with.
class BareNetwork final : public io::Network {
 public:
  Status start(std::string_view, Buffer, io::Executor&, Handler handler) override {
    handler_ = std::move(handler);
    return {};
  }
  std::string address() const override { return {}; }
  void set_peer(io::PeerId, std::string_view) override {}
  void remove_peer(io::PeerId) override {}
  bool send(io::PeerId, io::Channel, io::Parts) override { return false; }
  std::uint64_t queued_bytes(io::PeerId, io::Channel) const override { return 0; }
  const Handler& handler() const { return handler_; }

 private:
  Handler handler_;
};

TEST_F(PeersTest, who_shows_the_certificate_of_another_replica_or_cell_is_refused) {
  sim::Disk disk{sim::DiskOptions{.seed = 1}};
  const std::unique_ptr<io::Executor> executor = world_.make_executor("raft");
  auto network = std::make_unique<BareNetwork>();
  const BareNetwork& bare = *network;
  const auto peers = *Peers::open(disk, std::move(network), {{"test", 7, 1, 1, "region"}, 11},
                                  [](const std::string&) {});
  ASSERT_TRUE(peers->start("node-1:1", "", *executor));
  const Buffer hello = encode_hello({7, 1, 4, 44, "region", "node-4:2"});
  const auto admit = [&](u128 cell, std::uint64_t id) {
    const io::LinkPeer shown{"spiffe://bank/node/x", cell, io::PeerId{id}, nullptr};
    const Result<io::PeerId> admitted = bare.handler().admit(hello, &shown);
    return admitted ? std::string("admitted") : admitted.error().message;
  };
  EXPECT_EQ(admit(7, 4), "admitted");
  for (const auto& [cell, id] : {std::pair<u128, std::uint64_t>{7, 5}, {8, 4}}) {
    const std::string refusal = admit(cell, id);
    EXPECT_TRUE(refusal.starts_with("it says that it is replica 4 of the cell ")) << refusal;
    EXPECT_TRUE(refusal.find("certificate of spiffe://bank/node/x") != std::string::npos);
  }
  peers->stop();
}

}  // namespace
}  // namespace meridian::replica
