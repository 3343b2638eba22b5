#include "replica/tree_comparison.h"

#include <gtest/gtest.h>

#include "replica/internal/exchange_rig.h"

namespace meridian::replica {
namespace {

bool says(const std::optional<Error>& error, const std::string& what) {
  return error && error->message.find(what) != std::string::npos;
}

/// One of three has another record: it stops, and names it; the others sign on.
void one_differs(std::uint64_t size, std::uint64_t record, std::uint64_t who, std::uint64_t asker) {
  SCOPED_TRACE(fmt::format("record {} of {}, replica {}, asked by {}", record, size, who, asker));
  ExchangeRig rig(size + record, 3);
  for (auto& one : rig.replicas) {
    one->tree = one->id == who ? numbered_tree(size, record) : numbered_tree(size);
    one->stored = size;
  }
  rig.up_all();
  auto& result = rig.collect(asker, size);
  rig.run(2'000);
  ASSERT_TRUE(rig.at(who).fatal.has_value());
  EXPECT_EQ(rig.at(who).fatal->code, Code::data_loss);
  EXPECT_TRUE(says(rig.at(who).fatal, fmt::format("is record {};", record)))
      << rig.at(who).fatal->message;
  for (auto& one : rig.replicas) {
    if (one->id == who) continue;
    EXPECT_FALSE(one->fatal.has_value()) << one->fatal->message;
    EXPECT_EQ(one->doubt, "");
  }
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->has_value(), asker != who);
}

TEST(TreeComparison, the_minority_stops_and_names_the_first_record_that_differs) {
  for (const std::uint64_t size : {1u, 2u, 7u, 255u, 256u, 257u, 511u, 600u})
    for (const std::uint64_t record : {std::uint64_t{0}, size / 3, size / 2, size - 1}) {
      one_differs(size, record, 2, 1);
      one_differs(size, record, 2, 2);
    }
}

TEST(TreeComparison, large_trees_are_searched_tile_by_tile) {
  for (const std::uint64_t size : {65'536 + 256 + 5, 65'536 + 5})  // the latter: no tile between
    for (const std::uint64_t record : {std::uint64_t{300}, std::uint64_t{65'535}, size - 1})
      one_differs(size, record, 3, 1);
}

TEST(TreeComparison, without_a_majority_on_any_side_all_stop) {
  ExchangeRig rig(5, 3);
  for (auto& one : rig.replicas) {
    one->tree = one->id == 1 ? numbered_tree(100)
                             : numbered_tree(100, 40 + one->id, static_cast<std::uint8_t>(one->id));
    one->stored = 100;
  }
  rig.up_all();
  rig.collect(1, 100);
  rig.run(3'000);
  for (auto& one : rig.replicas) EXPECT_TRUE(one->fatal.has_value()) << one->id;
  EXPECT_TRUE(says(rig.at(1).fatal, "is record 4")) << rig.at(1).fatal->message;
}

TEST(TreeComparison, two_that_differ_write_nothing_while_the_third_is_silent_and_stop_in_the_end) {
  ExchangeRig rig(6, 3);
  for (auto& one : rig.replicas) {
    one->tree = one->id == 2 ? numbered_tree(100, 50) : numbered_tree(100);
    one->stored = 100;
  }
  rig.cut_off = {3};
  rig.up_all();
  rig.collect(1, 100);
  rig.run(1'000);
  for (const std::uint64_t id : {1u, 2u}) {
    EXPECT_FALSE(rig.at(id).fatal.has_value());
    EXPECT_NE(rig.at(id).doubt, "");
  }
  rig.run(15'000);
  for (const std::uint64_t id : {1u, 2u}) EXPECT_TRUE(says(rig.at(id).fatal, "no majority"));
  EXPECT_FALSE(rig.at(3).fatal.has_value());
}

TEST(TreeComparison, the_third_decides_when_it_answers) {
  ExchangeRig rig(7, 3);
  for (auto& one : rig.replicas) {
    one->tree = one->id == 2 ? numbered_tree(100, 50) : numbered_tree(100);
    one->stored = 100;
  }
  rig.cut_off = {3};
  rig.up_all();
  rig.collect(1, 100);
  rig.run(1'000);
  rig.cut_off.clear();
  rig.run(3'000);
  EXPECT_TRUE(says(rig.at(2).fatal, "is record 50;"));
  EXPECT_FALSE(rig.at(1).fatal.has_value());
  EXPECT_EQ(rig.at(1).doubt, "");
}

TEST(TreeComparison, a_majority_must_be_one_of_each_half_of_a_joint_configuration) {
  const consensus::Membership joint{{1, 2, 3}, {}, {3, 4, 5}, {}};
  EXPECT_FALSE(is_quorum(joint, {1, 2}));
  EXPECT_FALSE(is_quorum(joint, {1, 2, 3}));
  EXPECT_TRUE(is_quorum(joint, {2, 3, 4}));
  EXPECT_FALSE(is_quorum({}, {1, 2}));
}

}  // namespace
}  // namespace meridian::replica
