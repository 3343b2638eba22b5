#include "api/convert_upgrade.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace meridian::api {
namespace {

using ::testing::HasSubstr;

TEST(ConvertUpgrade, the_level_to_activate_is_the_same_from_a_message_and_from_json) {
  v1::ActivateLevelRequest request;
  request.set_level(2);
  EXPECT_EQ(parse_activate(request).value(), 2u);
  EXPECT_EQ(parse_activate_json(R"({"activate":2})").value(), 2u);
}

TEST(ConvertUpgrade, each_mistake_is_named) {
  EXPECT_THAT(parse_activate({}).error().message, HasSubstr("level: expected"));
  const auto error_of = [](std::string_view body) {
    const auto level = parse_activate_json(body);
    return level ? std::string("accepted") : level.error().message;
  };
  EXPECT_THAT(error_of("{}"), HasSubstr("activate"));
  EXPECT_THAT(error_of(R"({"activate":0})"), HasSubstr("activate: expected"));
  EXPECT_THAT(error_of(R"({"activate":4294967296})"), HasSubstr("activate"));
  EXPECT_THAT(error_of(R"({"activate":2,"now":1})"), HasSubstr("now"));
  EXPECT_THAT(error_of("2"), HasSubstr("object"));
}

TEST(ConvertUpgrade, says_of_each_member_what_it_runs_or_nothing) {
  replica::LevelReport report;
  report.id = 2;
  report.leader = 1;
  report.leader_address = "h:1";
  report.active = 1;
  report.own = {1, 2};
  report.members = {{1, "eu", ledger::FeatureLevels{1, 2}}, {2, "us", {}}};
  EXPECT_EQ(upgrade_json(report).dump(),
            R"({"answered_by":"2","leader":"1","leader_address":"h:1","active_level":1,)"
            R"("activatable_level":0,"members":[{"id":"1","region":"eu","oldest":1,"newest":2},)"
            R"({"id":"2","region":"us","oldest":null,"newest":null}]})");
  report.members[1].levels.emplace(ledger::FeatureLevels{1, 2});
  v1::UpgradeStatusReply reply;
  fill(report, reply);
  EXPECT_EQ(reply.activatable_level(), 2u);
  EXPECT_EQ(reply.active_level(), 1u);
  ASSERT_EQ(reply.members_size(), 2);
  EXPECT_EQ(reply.members(1).newest(), 2u);
}

}  // namespace
}  // namespace meridian::api
