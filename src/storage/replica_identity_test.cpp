#include "storage/replica_identity.h"

#include <gtest/gtest.h>

#include "sim/disk.h"
#include "sim/entropy.h"
#include "storage/internal/key_rig.h"

namespace meridian::storage {
namespace {

const ReplicaName wanted{"acme", rig_cell, 2, 7, "eu-west"};

struct ReplicaIdentityTest : testing::Test {
  sim::Disk disk;
  sim::Entropy entropy{1};

  Result<ReplicaIdentity> open(const ReplicaName& name = wanted) {
    return ReplicaIdentity::open_or_create(disk, entropy, name);
  }
  Buffer bytes() { return io::read_file(disk, ReplicaIdentity::path, 4096).value(); }
};

TEST_F(ReplicaIdentityTest, is_made_once_and_read_again) {
  const auto made = open();
  ASSERT_TRUE(made.has_value()) << made.error().message;
  EXPECT_EQ(made->name, wanted);
  EXPECT_NE(made->storage, 0U);
  const auto again = open();
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(*again, *made);
  sim::Disk other;
  EXPECT_NE(ReplicaIdentity::open_or_create(other, entropy, wanted)->storage, made->storage);
}

TEST_F(ReplicaIdentityTest, the_bytes_are_the_golden_ones) {
  const auto made = open();
  ASSERT_TRUE(made.has_value());
  Buffer golden = golden_bytes("identity.hex");
  // The storage uuid is random: the golden one is put there to compare with.
  Buffer value = to_buffer(Bytes(bytes()).subspan(16, golden.size()));
  EXPECT_EQ(load_le<u128>(&value[32]), made->storage);
  store_le(&value[32], load_le<u128>(&golden[32]));
  EXPECT_EQ(to_hex(value), to_hex(golden));
}

TEST_F(ReplicaIdentityTest, another_replica_is_refused_with_both_names) {
  ASSERT_TRUE(open().has_value());
  std::vector<ReplicaName> others(5, wanted);
  others[0].deployment = "other";
  others[1].cell = 99;
  others[2].generation = 3;
  others[3].raft_id = 8;
  others[4].region = "eu-east";
  for (const ReplicaName& other : others) {
    const auto opened = open(other);
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().code, Code::failed_precondition);
    EXPECT_NE(opened.error().message.find("identity belongs to replica 7 of cell "
                                          "000102030405060708090a0b0c0d0e0f, generation 2, "
                                          "deployment 'acme', region 'eu-west'; asked for was"),
              std::string::npos)
        << opened.error().message;
  }
  EXPECT_NE(open(others[3]).error().message.find("asked for was replica 8 of"), std::string::npos);
}

TEST_F(ReplicaIdentityTest, a_name_out_of_bounds_is_refused_before_anything_is_made) {
  std::vector<ReplicaName> wrong(5, wanted);
  wrong[0].deployment = "";
  wrong[1].deployment = std::string(deployment_name_size_max + 1, 'd');
  wrong[2].region = "";
  wrong[3].region = std::string(region_name_size_max + 1, 'r');
  wrong[4].raft_id = 0;
  for (const ReplicaName& name : wrong) EXPECT_EQ(open(name).error().code, Code::invalid_argument);
  EXPECT_FALSE(disk.exists(ReplicaIdentity::path).value());
  ReplicaName longest = wanted;
  longest.deployment = std::string(deployment_name_size_max, 'd');
  longest.region = std::string(region_name_size_max, 'r');
  ASSERT_TRUE(open(longest).has_value());
  EXPECT_EQ(open(longest)->name, longest);
}

TEST_F(ReplicaIdentityTest, rot_of_one_copy_costs_nothing_and_of_both_is_told) {
  const auto made = open();
  ASSERT_TRUE(made.has_value());
  Buffer spoiled = bytes();
  std::fill_n(spoiled.begin(), 60, Byte{7});
  ASSERT_TRUE(io::replace_file(disk, ReplicaIdentity::path, spoiled).has_value());
  EXPECT_EQ(*open(), *made);
  std::fill_n(spoiled.begin() + 512, 60, Byte{7});
  ASSERT_TRUE(io::replace_file(disk, ReplicaIdentity::path, spoiled).has_value());
  EXPECT_EQ(open().error().code, Code::data_loss);
  ASSERT_TRUE(io::replace_file(disk, ReplicaIdentity::path, Buffer(1024)).has_value());
  EXPECT_EQ(open().error().code, Code::data_loss) << "emptied is not new";
}

TEST_F(ReplicaIdentityTest, who_it_once_was_it_stays_through_kills_and_crashes) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    for (std::uint64_t at = 1; at <= 8; ++at) {
      sim::Disk killed({.seed = seed});
      killed.crash_at_mutation(at);
      (void)ReplicaIdentity::open_or_create(killed, entropy, wanted);
      const auto crashing = killed.kill_process();
      const auto made = ReplicaIdentity::open_or_create(*crashing, entropy, wanted);
      const auto after = crashing->crash(seed);
      const auto opened = ReplicaIdentity::open_or_create(*after, entropy, wanted);
      ASSERT_TRUE(opened.has_value()) << opened.error().message;
      EXPECT_EQ(made ? *made : *opened, *opened);
    }
  }
}

}  // namespace
}  // namespace meridian::storage
