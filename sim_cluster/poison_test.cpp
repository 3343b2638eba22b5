// An entry that no replica can apply, planted: all stop at it, until an operator has it skipped.
#include <gtest/gtest.h>

#include <charconv>

#include "ledger/describe.h"
#include "replica/skip_list.h"
#include "sim_cluster/commands.h"
#include "sim_cluster/group.h"

namespace meridian::sim_cluster {
namespace {

constexpr std::uint64_t poison = 666;

/// What `meridian recovery skip` does with the words of the replica's error.
replica::SkippedEntry named_in(const std::string& error) {
  replica::SkippedEntry entry;
  const auto after = [&error](std::string_view word) {
    const std::size_t at = error.find(word);
    return at == std::string::npos ? std::string_view()
                                   : std::string_view(error).substr(at + word.size());
  };
  const std::string_view index = after("--index ");
  std::from_chars(index.data(), index.data() + index.size(), entry.index);
  Buffer digest;
  EXPECT_TRUE(from_hex(after("--digest ").substr(0, 64), digest)) << error;
  if (digest.size() == entry.digest.size()) std::ranges::copy(digest, entry.digest.begin());
  return entry;
}

class PoisonedCell {
 public:
  /// It is poison to the replicas of which `cannot` is true.
  explicit PoisonedCell(std::uint32_t level, bool (*cannot)(std::uint64_t id))
      : group_(setup(level, cannot)) {
    group_.open_accounts(4, *find_workload("transfers"));
    write();
  }
  Group& group() { return group_; }
  void write() {
    for (int i = 0; i < 10; ++i) {
      for (const auto& node : group_.nodes())
        if (node->is_up()) group_.clients().send(*node);
      group_.run(100);
    }
  }
  void plant() {
    auto request = std::make_unique<ledger::Request>();
    request->actor = 9;
    add_transfer(*request, 777, 1, 2, poison);
    group_.leader_within(10'000).replica().submit(std::move(request),
                                                  [](const Result<replica::Answer>&) {});
    group_.run(10'000);
  }
  std::size_t up() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(group_.nodes(), [](const auto& node) { return node->is_up(); }));
  }
  void start_all() {
    for (const auto& node : group_.nodes())
      if (!node->is_running()) group_.start(*node);
    group_.run(10'000);
  }
  void skip(Node& node, const replica::SkippedEntry& entry) {
    if (node.is_running()) node.kill();
    replica::SkipList list = *replica::SkipList::read(node.disk());
    ASSERT_TRUE(list.add(node.disk(), entry));
  }
  /// Kinds of the records that stand in the place of the entry.
  std::vector<std::string> kinds_at(std::uint64_t entry) {
    std::vector<std::string> kinds;
    replica::Replica& replica = group_.leader_within(10'000).replica();
    const Status scanned = replica.scan(
        ledger::RecordIndex{0}, replica.visible_records(), [&](ledger::RecordIndex, Bytes bytes) {
          const Result<ledger::Header> header = ledger::Header::decode(bytes);
          if (header && header->entry_index == entry)
            kinds.emplace_back(ledger::kind_name(header->kind));
          return header.has_value();
        });
    EXPECT_TRUE(scanned.has_value());
    return kinds;
  }

 private:
  static GroupSetup setup(std::uint32_t level, bool (*cannot)(std::uint64_t id)) {
    GroupSetup setup;
    setup.adjust = [level, cannot](replica::ReplicaConfig& config) {
      config.feature_level = level;
      if (cannot(config.group->id)) config.canary.poison_amount = poison;
    };
    return setup;
  }
  mutable Group group_;
};

TEST(sim_poison, an_entry_that_stops_all_is_skipped_by_all_and_the_cell_goes_on) {
  PoisonedCell cell(2, [](std::uint64_t) { return true; });
  Group& group = cell.group();
  cell.plant();
  ASSERT_LE(cell.up(), 1u) << "a quorum goes on";
  const auto stopped = [](const auto& node) { return !node->poisoned().empty(); };
  const auto first = std::ranges::find_if(group.nodes(), stopped);
  ASSERT_NE(first, group.nodes().end());
  const replica::SkippedEntry entry = named_in((*first)->poisoned());
  cell.start_all();
  ASSERT_LE(cell.up(), 1u) << "a start helps";
  for (const auto& node : group.nodes()) {
    if (!node->poisoned().empty()) {
      EXPECT_EQ(named_in(node->poisoned()), entry);
    }
    cell.skip(*node, entry);
  }
  cell.start_all();
  EXPECT_EQ(cell.up(), 3u);
  cell.write();
  group.require_progress(20'000);
  EXPECT_EQ(cell.kinds_at(entry.index), std::vector<std::string>{"entry_skipped"});
}

TEST(sim_poison, a_cell_of_level_1_is_raised_in_the_place_of_the_entry) {
  PoisonedCell cell(1, [](std::uint64_t) { return true; });
  Group& group = cell.group();
  cell.plant();
  ASSERT_LE(cell.up(), 1u);
  const auto first = std::ranges::find_if(
      group.nodes(), [](const auto& node) { return !node->poisoned().empty(); });
  ASSERT_NE(first, group.nodes().end());
  const replica::SkippedEntry entry = named_in((*first)->poisoned());
  for (const auto& node : group.nodes()) {
    cell.skip(*node, entry);
    node->install(2);
  }
  cell.start_all();
  cell.write();
  group.require_progress(20'000);
  EXPECT_EQ(cell.kinds_at(entry.index), std::vector<std::string>{"entry_skipped"});
  EXPECT_EQ(group.checker().feature_level(), 2u);
}

TEST(sim_poison, who_skips_what_the_others_applied_does_not_stay_unnoticed) {
  PoisonedCell cell(2, [](std::uint64_t id) { return id == 3; });
  Group& group = cell.group();
  cell.plant();
  ASSERT_EQ(cell.up(), 2u);
  Node& alone = group.node(2);
  cell.skip(alone, named_in(alone.poisoned()));
  try {
    cell.start_all();
    cell.write();
    FAIL() << "it goes on with other records";
  } catch (const Violation& violation) {
    EXPECT_NE(std::string(violation.what()).find("node-3"), std::string::npos) << violation.what();
  }
}

}  // namespace
}  // namespace meridian::sim_cluster
