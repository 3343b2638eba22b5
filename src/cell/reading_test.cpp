// Rows of readings, as records and files have them.
#include "cell/reading.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace meridian::cell {
namespace {

using testing::HasSubstr;

Reading reading(u128 actor, const std::string& purpose, u128 stream, std::uint64_t index) {
  Reading one;
  one.actor = actor;
  one.purpose = purpose;
  one.stream = stream;
  one.count = 1;
  one.first = one.last = index;
  return one;
}

TEST(Readings, a_purpose_is_short_and_names_nobody) {
  EXPECT_TRUE(check_purpose("case 2026-114, complaint"));
  EXPECT_TRUE(check_purpose("aud"));
  for (const std::string& wrong : {std::string(), std::string("no"), std::string(201, 'x'),
                                   std::string("a\nb c"), std::string("caf\xc3\xa9 audit")})
    EXPECT_FALSE(check_purpose(wrong)) << wrong;
  EXPECT_THAT(check_purpose("asked by ada@example.com").error().message,
              HasSubstr("an e-mail address"));
  EXPECT_FALSE(check_purpose("card 4111111111111111"));
}

TEST(Readings, what_is_written_reads_back_and_nonsense_is_refused) {
  std::vector<Reading> all = {reading(1, "case 7", 2, 3), reading(4, "", 0, 5)};
  all[1].subject = 6;
  all[1].from_s = 7;
  all[1].until_s = 8;
  const auto read = parse_readings(readings_json(all));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, all);
  for (const char* json : {"", "[]", "{}", R"({"readings":1})", R"({"readings":[1]})",
                           R"({"readings":[{}]})", R"({"readings":[{"purpose":"x"}]})"})
    EXPECT_FALSE(parse_readings(json)) << json;
}

TEST(Readings, what_another_replica_says_can_be_and_is_said_in_one_way) {
  const Reading good = reading(1, "case 7", 2, 3);
  EXPECT_TRUE(check_readings(readings_json({good, reading(1, "", 0, 5)})));
  std::vector<Reading> wrong(7, good);
  wrong[0].actor = 0;
  wrong[1].count = 0;
  wrong[2].first = 4;
  wrong[3].from_s = 1;
  wrong[4].subject = 9;
  wrong[5].purpose = "no";
  wrong[6].purpose = std::string(201, 'x');
  for (const Reading& one : wrong)
    EXPECT_FALSE(check_readings(readings_json({good, one}))) << readings_json({one});
  EXPECT_FALSE(check_readings(readings_json({})));
  EXPECT_TRUE(check_readings(readings_json(std::vector<Reading>(readings_rows_max, good))));
  EXPECT_FALSE(check_readings(readings_json(std::vector<Reading>(readings_rows_max + 1, good))));
  std::string json = readings_json({good});
  EXPECT_FALSE(check_readings(json + " "));
  json.insert(json.size() - 3, R"(,"note":"anna")");
  EXPECT_TRUE(parse_readings(json)) << json;
  EXPECT_FALSE(check_readings(json));
}

}  // namespace
}  // namespace meridian::cell
