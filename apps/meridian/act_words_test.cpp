#include "act_words.h"

#include <gtest/gtest.h>

#include "api/act_request.h"
#include "offline_acts.h"

namespace meridian::app {
namespace {

TEST(ActWords, every_act_is_said_in_words) {
  using Kind = consensus::MemberChange::Kind;
  EXPECT_EQ(
      word_of(api::change_of_members({{{4, "eu", "host:1"}, Kind::learner},
                                      {{4, "", ""}, Kind::voter},
                                      {{1, "", ""}, Kind::remove}})),
      "add replica 4 in eu at host:1 to the cell, as a learner; give replica 4 a vote; remove "
      "replica 1 from the cell, for good");
  EXPECT_EQ(word_of(api::activation_of(2)),
            "activate feature level 2: older versions cannot be started any more");
  EXPECT_EQ(word_of(api::forgetting_of(1)),
            "forget the person whose opaque id is 01000000000000000000000000000000, for good");
  EXPECT_EQ(word_of(api::rotation_of({"storage", {}})),
            "turn over the key storage of every replica, and destroy the old one");
  EXPECT_EQ(word_of(api::rotation_of({"storage", 2})),
            "turn over the key storage of replica 2, and destroy the old one");
  EXPECT_EQ(word_of(api::rotation_of({"epoch", {}})),
            "turn over the key epoch of the cell, and destroy the old one");
  EXPECT_EQ(word_of(api::rotation_of({"residency", {}, "eu"})),
            "turn over the key of the jurisdiction eu: what is sealed from then on does not open "
            "with the one of before");
  EXPECT_EQ(word_of(rotation_of("storage")),
            "turn over the key storage of stopped nodes, and destroy the old one");
  EXPECT_EQ(
      word_of(skipping_of(5, "ab")),
      "have stopped replicas skip entry 5 of the log, with the digest ab: what is in it never "
      "happens");
  EXPECT_EQ(word_of(opening_of(2, "5..9")),
            "go on as generation 2, without the records 5..9, which were signed and are lost");
}

TEST(ActWords, what_is_not_known_is_said_as_it_is_written) {
  mesh::ActRequest what = api::activation_of(2);
  what.request = R"({"steps":[{"explode":"3"}]})";
  EXPECT_EQ(word_of(what), R"(/meridian.v1.Upgrade/Activate: {"steps":[{"explode":"3"}]})");
  what.method = "/meridian.v1.Members/Change";
  EXPECT_EQ(word_of(what), R"(/meridian.v1.Members/Change: {"steps":[{"explode":"3"}]})");
  what.request = R"({"steps":[{"remove":"3"},{"explode":"3"}]})";
  EXPECT_EQ(word_of(what),
            R"(/meridian.v1.Members/Change: {"steps":[{"remove":"3"},{"explode":"3"}]})");
  what.request = "no json";
  EXPECT_EQ(word_of(what), "/meridian.v1.Members/Change: no json");
}

}  // namespace
}  // namespace meridian::app
