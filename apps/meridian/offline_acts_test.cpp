#include "offline_acts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <cstdlib>

#include "files.h"

namespace meridian::app {
namespace {

using testing::HasSubstr;

struct TestDirectory {
  TestDirectory() {
    std::string name = testing::TempDir() + "offline-XXXXXX";
    disk = *open_directory(::mkdtemp(name.data()));
  }
  std::unique_ptr<io::Disk> disk;
};

std::shared_ptr<const mesh::Policy> policy(const std::string& text) {
  return *mesh::Policy::parse("meridian-policy: 1\n" + text);
}

TEST(OfflineActs, a_node_that_never_served_people_who_are_known_asks_nothing) {
  const TestDirectory directory;
  io::Disk& disk = *directory.disk;
  EXPECT_TRUE(use_act_file(disk, 7, rotation_of("storage"), ""));
}

TEST(OfflineActs, without_a_file_it_is_refused_with_what_to_run) {
  const TestDirectory directory;
  io::Disk& disk = *directory.disk;
  ASSERT_TRUE(keep_second_person(disk, "/nowhere", *policy("")));
  const Status refused = use_act_file(disk, 7, rotation_of("storage"), "");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::permission_denied);
  EXPECT_THAT(refused.error().message,
              HasSubstr("--action keys.rotate --request '{\"key\":\"storage\"}'"));
  EXPECT_FALSE(*disk.exists(acts_used_path));
}

TEST(OfflineActs, a_policy_for_development_asks_nothing) {
  const TestDirectory directory;
  io::Disk& disk = *directory.disk;
  ASSERT_TRUE(keep_second_person(disk, "/nowhere", *policy("second-person: not-needed\n")));
  EXPECT_TRUE(use_act_file(disk, 7, rotation_of("storage"), ""));
}

TEST(OfflineActs, what_was_kept_and_is_damaged_is_not_passed_over) {
  const TestDirectory directory;
  io::Disk& disk = *directory.disk;
  for (const char* text : {"", "{}", "{\"identity\":\"/x\",\"policy\":\"nonsense: [\"}"}) {
    ASSERT_TRUE(io::replace_file(disk, second_person_path, as_bytes(std::string_view(text))));
    const Status refused = use_act_file(disk, 7, rotation_of("storage"), "");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::data_loss) << text;
  }
}

TEST(OfflineActs, the_request_says_which_command_it_is_for) {
  for (const mesh::ActRequest& what :
       {rotation_of("storage"), skipping_of(5, "ab"), opening_of(2, "5..9")})
    EXPECT_EQ(offline_method(what.action, what.request), what.method);
  for (const char* request : {"", "[]", "{}", R"({"key":"storage"})"})
    EXPECT_FALSE(offline_method(mesh::Action::recovery_run, request)) << request;
  EXPECT_FALSE(offline_method(mesh::Action::members_change, R"({"key":"storage"})"));
}

TEST(OfflineActs, nonsense_is_no_file_of_an_act) {
  for (const char* text :
       {"", "[]", "{}", R"({"proposal":1})", R"({"proposal":{"text":"a"}})",
        R"({"proposal":{"text":"a","certificate":"b","signature":""}})",
        R"({"proposal":{"text":"a","certificate":"b","signature":"!"},"approval":{}})"})
    EXPECT_FALSE(parse_act_file(text)) << text;
}

}  // namespace
}  // namespace meridian::app
