#include "replica/recovery.h"

#include <gtest/gtest.h>

#include "storage/run_manifest.h"

namespace meridian::replica {
namespace {

TEST(NamedRuns, are_those_of_the_manifest_and_nothing_is_known_by_one_of_another_form) {
  for (const NamedRuns& one : named_runs(nullptr)) {
    ASSERT_TRUE(one.paths.has_value()) << one.index;
    EXPECT_TRUE(one.paths->empty()) << one.index;
  }
  storage::StateManifest manifest;
  manifest.parts.resize(Checkpointer::part_count);
  manifest.parts[static_cast<std::size_t>(Checkpointer::Part::streams)] =
      storage::encode_run_manifest({24, 3, {{1, 5}, {2, 6}}});
  manifest.parts[static_cast<std::size_t>(Checkpointer::Part::events)] = Buffer(7);
  for (const NamedRuns& one : named_runs(&manifest)) {
    ASSERT_EQ(one.paths.has_value(), one.index != "events") << one.index;
    if (one.index == "streams") {
      EXPECT_EQ(*one.paths, (std::vector<std::string>{storage::run_path("streams", 1),
                                                      storage::run_path("streams", 2)}));
    } else if (one.paths) {
      EXPECT_TRUE(one.paths->empty()) << one.index;
    }
  }
  manifest.parts.resize(2);
  for (const NamedRuns& one : named_runs(&manifest)) EXPECT_FALSE(one.paths) << one.index;
}

}  // namespace
}  // namespace meridian::replica
