#include "replica/cell_keys.h"

#include <gtest/gtest.h>

#include <array>

#include "ledger/memory_history.h"
#include "sim/disk.h"
#include "sim/world.h"
#include "storage/cell_key.h"

namespace meridian::replica {
namespace {

constexpr u128 cell = 7;

/// Replicas over one ledger: what one submits is applied for all, unless it is held up.
class CellKeysTest : public testing::Test {
 protected:
  struct One {
    sim::Disk disk;
    std::unique_ptr<storage::KeyStore> store;
    std::unique_ptr<crypto::ExchangeKey> exchange;
    std::unique_ptr<CellKeys> keys;
    Buffer installed;
    std::optional<Error> fatal;
  };

  CellKeysTest() {
    membership_.voters = {1, 2, 3};
    for (One& one : replicas_) {
      renew(one);
      one.store = std::move(*storage::KeyStore::create({one.disk, world_.clock(), world_.entropy()},
                                                       as_bytes("a passphrase"), {1, 1, 1}));
    }
    ledger::OpenGeneration genesis{};
    genesis.cell = cell;
    genesis.generation = 1;
    genesis.feature_level = ledger::feature_level_newest;
    ledger::Request request;
    request.attester = ledger::Attester::replica;
    request.add(ledger::CommandKind::open_generation, genesis);
    apply(request);
  }
  void TearDown() override {
    for (One& one : replicas_)
      if (one.keys) one.keys->stop();
    world_.advance(io::seconds(1));
  }

  One& at(std::uint64_t id) { return replicas_.at(id - 1); }
  void renew(One& one) {
    std::array<Byte, 32> secret;
    world_.entropy().fill(secret);
    one.exchange = std::make_unique<crypto::ExchangeKey>(secret);
  }
  void knows(std::initializer_list<std::uint64_t> ids) {
    for (const std::uint64_t id : ids) known_[id].exchange = at(id).exchange->public_key();
  }
  void start(std::initializer_list<std::uint64_t> ids) {
    for (const std::uint64_t id : ids) start(id);
  }
  void start(std::uint64_t id) {
    One& one = at(id);
    CellKeys::Parts parts{
        *apply_, world_.entropy(), *one.store, ledger_, *one.exchange, cell, id, {}, {}, {}, {}, {},
        {}};
    parts.region_of = [this](std::uint64_t who) { return regions_.at(who - 1); };
    parts.membership = [this] { return membership_; };
    parts.keys_known = [this] { return known_; };
    parts.header = [this](ledger::RecordIndex record) -> Result<Buffer> {
      if (raw(record) >= stored_) return fail(Code::out_of_range, "not stored yet");
      return to_buffer(history_.header_bytes(record));
    };
    parts.leads = [this, id] { return leaders_.contains(id); };
    parts.submit = [this](std::unique_ptr<ledger::Request> request, Replica::Answered answered) {
      submitted_.push_back({std::move(request), std::move(answered)});
      if (!held_up_) order();
    };
    one.keys = std::make_unique<CellKeys>(
        std::move(parts),
        CellKeys::Next{[&one](const crypto::Secret& key) {
                         EXPECT_TRUE(one.installed.empty()) << "installed twice";
                         one.installed = to_buffer(key.bytes());
                         EXPECT_TRUE(storage::put_cell_key(*one.store, key.bytes()));
                       },
                       [&one](const Error& error) { one.fatal = error; }});
    apply_->post([&one] { one.keys->start(); });
  }
  void run() { world_.advance(io::milliseconds(500)); }
  /// What was submitted gets its place in the ledger.
  void order() {
    for (const auto& [request, answered] : std::exchange(submitted_, {})) {
      apply(*request);
      answered(Answer{});
    }
  }
  void apply(const ledger::Request& request) {
    const ledger::Request* requests[] = {&request};
    ledger::EntryStamp stamp{};
    stamp.base_time = ledger_.last_time() + 1;
    Buffer bytes;
    ledger::encode_entry(stamp, requests, bytes);
    const auto view = ledger::EntryView::decode(bytes);
    ASSERT_TRUE(view);
    const ledger::EntryPosition position{cell, 1, ++entries_,
                                         ledger::RecordIndex{ledger_.records()}};
    ledger::Applied applied;
    ASSERT_TRUE(ledger_.apply(*view, applied));
    history_.keep(position, *view, applied);
  }
  std::uint64_t records() { return ledger_.records(); }

  struct Submitted {
    std::unique_ptr<ledger::Request> request;
    Replica::Answered answered;
  };
  sim::World world_{5};
  std::unique_ptr<io::Executor> apply_ = world_.make_executor("apply");
  ledger::MemoryHistory history_;
  ledger::Ledger ledger_{cell, history_};
  std::uint64_t entries_ = 0;
  std::array<One, 4> replicas_;
  std::array<std::string, 4> regions_{"eu", "us", "asia", "eu"};
  consensus::Membership membership_;
  std::map<std::uint64_t, ReplicaKeys> known_;
  std::set<std::uint64_t> leaders_{1};
  std::uint64_t stored_ = ~std::uint64_t{0};
  bool held_up_ = false;
  std::vector<Submitted> submitted_;
};

TEST_F(CellKeysTest, all_members_come_to_hold_the_same_key) {
  knows({1, 2, 3});
  start({1, 2, 3});
  run();
  ASSERT_EQ(at(1).installed.size(), 32u);
  EXPECT_EQ(at(2).installed, at(1).installed);
  EXPECT_EQ(at(3).installed, at(1).installed);
  const std::uint64_t after = records();
  run();
  EXPECT_EQ(records(), after) << "granted once";
}

TEST_F(CellKeysTest, there_is_no_key_before_a_quorum_of_two_regions_can_open_it) {
  knows({1});
  start({1, 2, 3});
  run();
  EXPECT_EQ(records(), 1u);
  regions_[1] = "eu";  // both of one region
  knows({2});
  run();
  EXPECT_EQ(records(), 1u);
  regions_[1] = "us";
  run();
  EXPECT_EQ(records(), 3u) << "the two that are known, in one entry";
  EXPECT_FALSE(at(1).installed.empty());
  EXPECT_TRUE(at(3).installed.empty());
  knows({3});
  run();
  EXPECT_EQ(at(3).installed, at(1).installed);
}

TEST_F(CellKeysTest, the_first_of_two_leaders_makes_the_key) {
  knows({1, 2, 3});
  leaders_ = {1, 2};
  held_up_ = true;
  start({1, 2, 3});
  run();
  ASSERT_EQ(submitted_.size(), 2u);
  held_up_ = false;
  order();
  run();
  ASSERT_FALSE(at(1).installed.empty());
  EXPECT_EQ(at(2).installed, at(1).installed);
  EXPECT_EQ(at(3).installed, at(1).installed);
}

TEST_F(CellKeysTest, who_joins_later_is_handed_the_key_by_whoever_leads_then) {
  knows({1, 2, 3});
  start({1, 2, 3});
  run();
  membership_.learners = {4};
  leaders_ = {3};
  start(4);
  run();
  EXPECT_TRUE(at(4).installed.empty());
  knows({4});
  run();
  EXPECT_EQ(at(4).installed, at(1).installed);
}

TEST_F(CellKeysTest, a_lost_proposal_is_made_again) {
  knows({1, 2, 3});
  held_up_ = true;
  start({1, 2, 3});
  run();
  ASSERT_EQ(submitted_.size(), 1u);
  submitted_[0].answered(fail(Code::unavailable, "this replica does not lead any more"));
  submitted_.clear();
  held_up_ = false;
  run();
  EXPECT_FALSE(at(2).installed.empty());
}

TEST_F(CellKeysTest, a_grant_is_opened_once_its_record_is_stored) {
  stored_ = 1;
  knows({1, 2, 3});
  start({1, 2, 3});
  run();
  EXPECT_EQ(records(), 4u);
  EXPECT_TRUE(at(1).installed.empty());
  stored_ = 4;
  run();
  EXPECT_FALSE(at(1).installed.empty());
}

TEST_F(CellKeysTest, a_key_store_that_the_key_was_not_sealed_for_stops_the_replica) {
  knows({1, 2, 3});
  renew(at(2));
  start({1, 2, 3});
  run();
  EXPECT_FALSE(at(1).fatal);
  ASSERT_TRUE(at(2).fatal);
  EXPECT_EQ(at(2).fatal->code, Code::failed_precondition);
  EXPECT_NE(at(2).fatal->message.find("key store of replica 2"), std::string::npos);
}

TEST_F(CellKeysTest, the_key_of_another_cell_stops_the_replica) {
  ASSERT_TRUE(storage::put_cell_key(*at(3).store, Buffer(32, Byte{9})));
  knows({1, 2, 3});
  start({1, 2, 3});
  run();
  EXPECT_FALSE(at(1).fatal);
  ASSERT_TRUE(at(3).fatal);
  EXPECT_NE(at(3).fatal->message.find("another cell"), std::string::npos);
}

}  // namespace
}  // namespace meridian::replica
