#include "demo_stage.h"

#include <gtest/gtest.h>

namespace meridian::app {
namespace {

TEST(Wrap, lines_break_at_blanks_and_never_within_words) {
  EXPECT_EQ(wrap("one two three", 80, "", ""), "one two three");
  EXPECT_EQ(wrap("one two three", 7, "", ""), "one two\nthree");
  EXPECT_EQ(wrap("one two three", 3, "", ""), "one\ntwo\nthree");
  EXPECT_EQ(wrap("incomprehensibilities a", 5, "", ""), "incomprehensibilities\na");
  EXPECT_EQ(wrap("", 5, "", ""), "");
}

TEST(Wrap, line_ends_stay_but_for_those_at_the_end) {
  EXPECT_EQ(wrap("one\ntwo three\n", 6, "", ""), "one\ntwo\nthree");
}

TEST(Wrap, a_command_goes_on_where_the_shell_lets_it) {
  EXPECT_EQ(wrap("$ meridian serve --data x --dev", 20, " \\", "    "),
            "$ meridian serve \\\n    --data x --dev");
}

TEST(LevelOf, the_word_is_found_in_what_receipt_verify_prints) {
  EXPECT_EQ(level_of({"valid", "log         x/1", "level       global+witnessed", "text"}),
            "global+witnessed");
  EXPECT_EQ(level_of({"valid", "the level is high"}), "");
}

}  // namespace
}  // namespace meridian::app
