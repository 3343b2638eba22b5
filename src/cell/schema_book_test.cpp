#include "cell/schema_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cell/internal/cell_rig.h"

namespace meridian::cell {
namespace {

using ::testing::HasSubstr;

const std::string note = R"({"type": "object", "properties": {"text": {"type": "string"}}})";

class SchemaBookTest : public ::testing::Test {
 protected:
  Result<replica::Answer> set(u128 id, const std::string& type, const std::string& schema) {
    return rig_.wait<Result<replica::Answer>>(
        [&](auto done) { rig_.cell->set_schema(rig_actor, id, type, schema, done); });
  }
  std::string append(u128 id, std::string_view data) {
    const auto answer = rig_.submit({event_draft(id, "notes", data)});
    if (!answer) return answer.error().message;
    return answer->results[0].outcome == ledger::Outcome::created ? "created" : "refused";
  }
  std::vector<LocalCell::SchemaOfType> list() {
    auto all = rig_.wait<Result<std::vector<LocalCell::SchemaOfType>>>(
        [&](auto done) { rig_.cell->schemas(done); });
    return all ? *all : std::vector<LocalCell::SchemaOfType>{};
  }

  CellRig rig_;
};

TEST_F(SchemaBookTest, what_is_set_counts_from_its_answer_on_and_after_restarts) {
  EXPECT_TRUE(list().empty());
  EXPECT_EQ(append(1, "[1]"), "created");
  const auto answer = set(2, "noted", note);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_THAT(append(3, "[1]"), HasSubstr("breaks `type`"));
  rig_.restart();
  EXPECT_THAT(append(4, "[1]"), HasSubstr("breaks `type`"));
  EXPECT_EQ(append(5, R"({"text":"x"})"), "created");
  ASSERT_EQ(list().size(), 1u);
  EXPECT_EQ(list()[0].type, "noted");
  EXPECT_EQ(list()[0].schema->text(), note);
  EXPECT_EQ(list()[0].record, raw(answer->first_record));
  EXPECT_TRUE(list()[0].actor == rig_actor);
}

TEST_F(SchemaBookTest, the_newest_counts_and_none_is_none) {
  ASSERT_TRUE(set(1, "noted", note));
  ASSERT_TRUE(set(2, "noted", R"({"type": "array"})"));
  EXPECT_EQ(append(3, "[1]"), "created");
  EXPECT_THAT(append(4, "{}"), HasSubstr("breaks `type`"));
  ASSERT_TRUE(set(5, "noted", ""));
  EXPECT_EQ(append(6, "{}"), "created");
  EXPECT_TRUE(list().empty());
  rig_.restart();
  EXPECT_EQ(append(7, "3"), "created");
}

TEST_F(SchemaBookTest, more_than_a_page_of_them_is_read) {
  for (int i = 0; i < 300; ++i)
    ASSERT_TRUE(set(static_cast<u128>(i + 1), "type-" + std::to_string(i), note));
  ASSERT_TRUE(set(1'000, "noted", note));
  rig_.restart();
  EXPECT_THAT(append(1'001, "[1]"), HasSubstr("breaks `type`"));
  EXPECT_EQ(list().size(), 301u);
}

TEST_F(SchemaBookTest, what_is_none_is_not_recorded) {
  EXPECT_THAT(set(1, "noted", R"({"const": 1})").error().message, HasSubstr("`const`"));
  EXPECT_THAT(set(1, "$mine", note).error().message, HasSubstr("the cell's own"));
  EXPECT_THAT(set(1, "", note).error().message, HasSubstr("type"));
  EXPECT_FALSE(rig_.wait<Result<ReadPage>>([&](auto done) {
    ReadQuery query;
    query.source = ReadQuery::Source::stream;
    query.name = SchemaBook::stream;
    rig_.cell->read_events(query, done);
  }));
}

}  // namespace
}  // namespace meridian::cell
