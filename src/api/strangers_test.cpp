// Who goes when too many come: against a plain list.
#include "api/strangers.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace meridian::api {
namespace {

TEST(Strangers, the_address_with_most_gives_its_oldest) {
  Strangers strangers;
  EXPECT_EQ(strangers.victim(), std::nullopt);
  strangers.add(1, "10.0.0.1");
  strangers.add(2, "10.0.0.2");
  EXPECT_EQ(strangers.victim(), 1U);
  strangers.add(3, "10.0.0.2");
  EXPECT_EQ(strangers.victim(), 2U);
  strangers.remove(2);
  strangers.remove(2);
  EXPECT_EQ(strangers.victim(), 1U);
  EXPECT_EQ(strangers.size(), 2U);
}

TEST(Strangers, random_comings_and_goings_match_a_plain_list) {
  std::mt19937_64 random(7);
  Strangers strangers;
  std::vector<std::pair<Strangers::Id, std::string>> plain;  // the oldest first
  for (Strangers::Id next = 1; next <= 2'000; ++next) {
    if (random() % 5 < 3 || plain.empty()) {
      plain.emplace_back(next, "10.0.0." + std::to_string(random() % 6));
      strangers.add(next, plain.back().second);
    } else {
      const auto at = plain.begin() + static_cast<std::ptrdiff_t>(random() % plain.size());
      strangers.remove(at->first);
      plain.erase(at);
    }
    std::map<std::string, std::size_t> counts;
    for (const auto& [id, address] : plain) ++counts[address];
    std::optional<Strangers::Id> victim;
    std::size_t most = 0;
    for (const auto& [id, address] : plain) {
      if (counts[address] > most) {
        most = counts[address];
        victim = id;
      }
    }
    ASSERT_EQ(strangers.victim(), victim);
    ASSERT_EQ(strangers.size(), plain.size());
  }
}

}  // namespace
}  // namespace meridian::api
