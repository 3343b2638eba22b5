#include "joined_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <cstdlib>

#include "files.h"
#include "io/entropy.h"
#include "storage/replica_identity.h"

namespace meridian::app {
namespace {

using ::testing::HasSubstr;

struct JoinedFile : testing::Test {
  JoinedFile() {
    std::string name = testing::TempDir() + "joined-XXXXXX";
    disk = *open_directory(::mkdtemp(name.data()));
    given.replica_id = 4;
    given.region = "eu";
    given.peer_listen = "127.0.0.1:7504";
    given.joins = {"1=eu@127.0.0.1:7501", "2=us@127.0.0.1:7502"};
  }
  std::unique_ptr<io::Disk> disk;
  GroupFlags given;
};

TEST_F(JoinedFile, what_was_told_once_need_not_be_told_again) {
  EXPECT_FALSE(read_joined(*disk)->has_value());
  ASSERT_TRUE(write_joined(*disk, given));
  const GroupFlags later = *with_joined(GroupFlags{}, *disk);
  EXPECT_EQ(later.replica_id, 4U);
  EXPECT_EQ(later.region, "eu");
  EXPECT_EQ(later.peer_listen, "127.0.0.1:7504");
  EXPECT_EQ(later.joins, given.joins);
  const auto settings = *parse_group(later, "meridian", "127.0.0.1:7404", false);
  EXPECT_TRUE(settings->config.joins);
  EXPECT_EQ(settings->config.founders.size(), 2U);
  EXPECT_FALSE(settings->derived_cell);
}

TEST_F(JoinedFile, what_is_given_again_counts) {
  ASSERT_TRUE(write_joined(*disk, given));
  GroupFlags flags;
  flags.peer_listen = "127.0.0.1:7999";
  flags.joins = {"3=asia@127.0.0.1:7503"};
  const GroupFlags later = *with_joined(flags, *disk);
  EXPECT_EQ(later.peer_listen, "127.0.0.1:7999");
  EXPECT_EQ(later.joins, flags.joins);
  EXPECT_EQ(later.region, "eu");
}

TEST_F(JoinedFile, a_directory_belongs_to_one_replica) {
  ASSERT_TRUE(write_joined(*disk, given));
  GroupFlags flags;
  flags.replica_id = 5;
  EXPECT_THAT(with_joined(flags, *disk).error().message, HasSubstr("is of replica 4"));
  flags.replica_id = 4;
  flags.founders = {"4=eu@127.0.0.1:7504"};
  EXPECT_THAT(with_joined(flags, *disk).error().message, HasSubstr("leave --founder away"));
}

TEST_F(JoinedFile, a_founder_does_not_join) {
  ASSERT_TRUE(storage::ReplicaIdentity::open_or_create(*disk, *io::os_entropy(),
                                                       {"meridian", 1, 1, 4, "eu"}));
  EXPECT_THAT(with_joined(given, *disk).error().message, HasSubstr("--founder"));
}

TEST_F(JoinedFile, what_is_no_such_file_is_told) {
  for (const char* text : {"", "meridian joined 2\n", "meridian joined 1\n",
                           "meridian joined 1\nreplica x\n", "meridian joined 1\nspeed 3\n",
                           "meridian joined 1\nreplica 4\nregion eu\npeer-listen h:1\n"}) {
    ASSERT_TRUE(io::replace_file(*disk, joined_path, as_bytes(std::string_view(text))));
    const auto read = read_joined(*disk);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, Code::data_loss);
    EXPECT_THAT(read.error().message, HasSubstr("--join again"));
  }
}

TEST(GroupFlagsJoin, each_mistake_is_named) {
  const auto error_of = [](auto change) {
    GroupFlags flags;
    flags.replica_id = 4;
    flags.region = "eu";
    flags.peer_listen = "127.0.0.1:7504";
    flags.joins = {"1=eu@127.0.0.1:7501"};
    change(flags);
    const auto parsed = parse_group(flags, "meridian", "127.0.0.1:7404", false);
    return parsed ? std::string("accepted") : parsed.error().message;
  };
  EXPECT_EQ(error_of([](GroupFlags&) {}), "accepted");
  EXPECT_THAT(error_of([](GroupFlags& f) { f.region.clear(); }), HasSubstr("--region"));
  EXPECT_THAT(error_of([](GroupFlags& f) { f.peer_listen.clear(); }), HasSubstr("--peer-listen"));
  EXPECT_THAT(error_of([](GroupFlags& f) { f.replica_id = 1; }), HasSubstr("this node itself"));
  EXPECT_THAT(error_of([](GroupFlags& f) { f.joins = {"1=eu"}; }), HasSubstr("--join"));
  EXPECT_THAT(error_of([](GroupFlags& f) { f.founders = {"4=eu@127.0.0.1:7504"}; }),
              HasSubstr("one of them"));
  EXPECT_THAT(error_of([](GroupFlags& f) { f.replica_id = 0; }), HasSubstr("--replica-id"));
  EXPECT_THAT(
      error_of([](GroupFlags& f) { f.joins = {"1=" + std::string(33, 'e') + "@127.0.0.1:1"}; }),
      HasSubstr("region of 1 to 32"));
}

}  // namespace
}  // namespace meridian::app
