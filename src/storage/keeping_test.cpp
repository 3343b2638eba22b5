#include "storage/keeping.h"

#include <gtest/gtest.h>

namespace meridian::storage {
namespace {

Day day(int year, unsigned month, unsigned date) {
  // Howard Hinnant's days_from_civil, written out: another way to the same number.
  const int y = year - (month <= 2 ? 1 : 0);
  const int era = y / 400;
  const unsigned of_era = static_cast<unsigned>(y - era * 400);
  const unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + date - 1;
  return Day{era * 146'097 + static_cast<int>(of_era * 365 + of_era / 4 - of_era / 100 + of_year) -
             719'468};
}

RetentionClass of(Span keep, Span erase, bool is_by_month = false) {
  return {.retention = 3,
          .is_by_month = is_by_month,
          .keep = keep,
          .erase = erase,
          .defined = day(2026, 3, 15),
          .name = text_field<class_name_size>("tax_documents"),
          .basis = text_field<class_basis_size>("AO 147")};
}

TEST(Keeping, days_and_spans_follow_the_calendar) {
  EXPECT_EQ(raw(day_of(io::WallTime{0})), 0);
  EXPECT_EQ(to_text(Day{0}), "1970-01-01");
  EXPECT_EQ(to_text(day(2024, 2, 29)), "2024-02-29");
  EXPECT_EQ(day(2024, 1, 31) + (Span{1, 0}), day(2024, 2, 29));
  EXPECT_EQ(day(2027, 1, 1) + (Span{84, 0}), day(2034, 1, 1));
  EXPECT_EQ(day(2024, 2, 28) + (Span{0, 2}), day(2024, 3, 1));
}

TEST(Keeping, spans_read_back_as_they_are_written) {
  for (const Span span : {Span{}, Span{84, 0}, Span{18, 0}, Span{0, 30}, Span{1, 2}, Span{12, 7}})
    EXPECT_EQ(parse_span(to_text(span)).value(), span) << to_text(span);
  EXPECT_EQ(parse_span("1y6m15d").value(), (Span{18, 15}));
  for (const char* wrong : {"", "10", "y", "-1d", "10 y", "10w", "99999d", "201y", "1e1d"})
    EXPECT_EQ(parse_span(wrong).error().code, Code::invalid_argument) << wrong;
}

TEST(Keeping, a_key_covers_a_year_or_a_month) {
  const std::uint32_t year = period_version(false, day(2026, 11, 30));
  const std::uint32_t month = period_version(true, day(2026, 11, 30));
  EXPECT_EQ(period_text(year), "2026");
  EXPECT_EQ(period_text(month), "2026-11");
  EXPECT_EQ(period_version(false, day(2026, 1, 1)), year);
  EXPECT_EQ(period_version(true, day(2026, 11, 1)), month);
  EXPECT_NE(period_version(true, day(2026, 12, 1)), month);
  EXPECT_EQ(period_text(with_turn(month, 2)), "2026-11, turn 2");
  EXPECT_EQ(period_text(with_turn(undated_version, 1)), "undated, turn 1");
  const RetentionClass kept = of({84, 0}, {});
  EXPECT_EQ(kept_until(year, kept), day(2034, 1, 1)) << "seven years from the end of 2026";
  EXPECT_EQ(kept_until(month, kept), day(2033, 12, 1));
  EXPECT_EQ(kept_until(undated_version, kept), day(2033, 3, 15)) << "as of its definition";
  EXPECT_EQ(due_on(year, kept), std::nullopt);
  EXPECT_EQ(due_on(year, of({84, 0}, {120, 0})), day(2036, 1, 1)) << "from the beginning of 2026";
}

TEST(Keeping, who_must_keep_longer_than_may_is_refused) {
  EXPECT_TRUE(check_class(of({84, 0}, {96, 0})));
  EXPECT_TRUE(check_class(of({0, 0}, {12, 0})));
  EXPECT_TRUE(check_class(of({84, 0}, {})));
  EXPECT_FALSE(check_class(of({84, 0}, {95, 0})));
  EXPECT_FALSE(check_class(of({0, 0}, {0, 365}))) << "a leap year is longer";
  EXPECT_TRUE(check_class(of({0, 0}, {0, 366})));
  EXPECT_FALSE(check_class(of({0, 30}, {0, 60}, true)));
  EXPECT_TRUE(check_class(of({0, 30}, {0, 61}, true)));
  RetentionClass one = of({}, {});
  one.retention = 254;
  EXPECT_FALSE(check_class(one));
  one = of({}, {});
  one.name = {};
  EXPECT_FALSE(check_class(one));
  one = of({}, {});
  one.basis[1] = '\n';
  EXPECT_FALSE(check_class(one));
}

TEST(Keeping, what_is_due_was_kept_as_long_as_it_must) {
  // Each day of four years: whatever expires had its time, and nothing stays past its latest.
  for (const bool by_month : {false, true}) {
    const RetentionClass retention =
        by_month ? of({0, 30}, {0, 61}, true) : of({12, 0}, {24, 0}, false);
    ASSERT_TRUE(check_class(retention));
    Keeping keeping;
    keeping.define(retention);
    for (std::int32_t today = raw(day(2029, 1, 1)); today < raw(day(2033, 1, 1)); ++today) {
      const auto through = keeping.due_through(3, Day{today});
      ASSERT_TRUE(through.has_value());
      for (std::int32_t sealed = raw(day(2026, 3, 16)); sealed <= today; sealed += 13) {
        const auto turn = static_cast<std::uint32_t>(sealed % 3);
        const std::uint32_t version = with_turn(period_version(by_month, Day{sealed}), turn);
        const bool goes = keeping.is_through(3, version, *through);
        ASSERT_TRUE(!goes || kept_until(version, retention) <= Day{today}) << period_text(version);
        ASSERT_EQ(goes, *due_on(version, retention) <= Day{today}) << period_text(version);
      }
      ASSERT_TRUE(keeping.is_through(3, undated_version, *through));
    }
    ASSERT_FALSE(keeping.due_through(3, day(1970, 1, 5)).has_value());
    const auto early = keeping.due_through(3, retention.defined + retention.keep);
    ASSERT_TRUE(!early || !keeping.is_through(3, undated_version, *early))
        << "an undated key is kept as of the day of the definition";
  }
}

TEST(Keeping, a_later_definition_keeps_the_day_of_the_first_and_its_periods) {
  Keeping keeping;
  EXPECT_TRUE(keeping.define(of({12, 0}, {})));
  EXPECT_FALSE(keeping.define(of({12, 0}, {})));
  RetentionClass later = of({24, 0}, {}, true);
  later.defined = day(2030, 1, 1);
  EXPECT_TRUE(keeping.define(later));
  EXPECT_EQ(keeping.find(3)->defined, day(2026, 3, 15));
  EXPECT_FALSE(keeping.find(3)->is_by_month);
  EXPECT_EQ(keeping.find(3)->keep, (Span{24, 0}));
}

TEST(Keeping, a_hold_covers_its_classes_until_its_release) {
  Keeping keeping;
  Hold hold{.id = 7, .subject = 5};
  hold.classes[0] = 0x08;
  hold.reference = text_field<hold_reference_size>("case-2026-114");
  EXPECT_TRUE(keeping.place(hold));
  EXPECT_FALSE(keeping.place(hold));
  EXPECT_EQ(keeping.hold_on(5, 3)->id, u128{7});
  EXPECT_EQ(keeping.hold_on(5, 4), nullptr);
  EXPECT_EQ(keeping.hold_on(6, 3), nullptr);
  EXPECT_EQ(keeping.holds().size(), 1U);
  EXPECT_FALSE(keeping.release(5, 8));
  EXPECT_TRUE(keeping.release(5, 7));
  EXPECT_EQ(keeping.hold_on(5, 3), nullptr);
  EXPECT_TRUE(keeping.holds().empty());
}

}  // namespace
}  // namespace meridian::storage
