#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>

namespace meridian {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return fail(Code::invalid_argument, "an odd number has no half");
  return value / 2;
}

Result<int> quarter(int value) {
  int first = TRY(half(value));
  return TRY(half(first));
}

Status check_quarter(int value, int& reached) {
  TRY(quarter(value));
  reached = value;
  return {};
}

TEST(Result, try_returns_the_first_error_unchanged) {
  Result<int> result = quarter(6);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error(), (Error{Code::invalid_argument, "an odd number has no half"}));
}

TEST(Result, try_skips_the_rest_of_the_function_on_error) {
  int reached = 0;
  EXPECT_FALSE(check_quarter(6, reached).has_value());
  EXPECT_EQ(reached, 0);
  EXPECT_TRUE(check_quarter(8, reached).has_value());
  EXPECT_EQ(reached, 8);
}

TEST(Result, try_yields_the_value) { EXPECT_EQ(quarter(12).value(), 3); }

TEST(Result, try_moves_values_that_cannot_be_copied) {
  auto make = [](bool works) -> Result<std::unique_ptr<int>> {
    if (!works) return fail(Code::unavailable, "not now");
    return std::make_unique<int>(7);
  };
  auto take = [&](bool works) -> Result<int> {
    std::unique_ptr<int> owned = TRY(make(works));
    return *owned;
  };
  EXPECT_EQ(take(true).value(), 7);
  EXPECT_EQ(take(false).error().code, Code::unavailable);
}

TEST(Result, an_error_converts_to_a_result_of_any_type) {
  Error error = fail(Code::data_loss, "frame 3 does not match its digest");
  EXPECT_EQ(Result<std::string>(error).error(), error);
  EXPECT_EQ(Status(error).error(), error);
}

TEST(Result, context_comes_before_the_message_and_keeps_the_code) {
  Error error = with_context(fail(Code::not_found, "no such account"), "line 12");
  EXPECT_EQ(error, (Error{Code::not_found, "line 12: no such account"}));
}

TEST(Result, every_code_has_its_own_name) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Code::internal); ++i)
    names.insert(name(static_cast<Code>(i)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(Code::internal) + 1);
  EXPECT_EQ(name(Code::deadline_exceeded), "deadline_exceeded");
}

}  // namespace
}  // namespace meridian
