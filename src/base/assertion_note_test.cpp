#include "base/assertion_note.h"

#include <gtest/gtest.h>

#include "base/assert.h"

namespace meridian::base {
namespace {

std::string text_of(const void* about) { return *static_cast<const std::string*>(about); }

TEST(AssertionNoteDeathTest, what_was_under_way_is_told_the_innermost_first) {
  const std::string outer = "of the outer", inner = "of the inner", gone = "of one that is over";
  const AssertionNote first(text_of, &outer);
  { const AssertionNote over(text_of, &gone); }
  const AssertionNote second(text_of, &inner);
  EXPECT_DEATH(ASSERT(outer.empty()),
               "ASSERT\\(outer.empty\\(\\)\\) failed.*\n"
               "meridian: of the inner\nmeridian: of the outer\n");
}

TEST(AssertionNoteDeathTest, a_note_that_asserts_itself_ends_it) {
  const AssertionNote note(
      [](const void*) {
        ASSERT(false);
        return std::string();
      },
      nullptr);
  EXPECT_DEATH(ASSERT(1 == 2), "1 == 2.*\n.*false");
}

}  // namespace
}  // namespace meridian::base
