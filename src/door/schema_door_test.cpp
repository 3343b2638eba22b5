// Events whose type has a schema, through a whole door.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "door/internal/door_rig.h"
#include "door/request_maker.h"

namespace meridian::door {
namespace {

using ::testing::HasSubstr;

class SchemaDoorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(rig_.open());
    auto schemas = std::make_shared<Schemas>();
    (*schemas)["visited"] = *EventSchema::parse(R"({
        "type": "object", "required": ["patient"], "properties": {
          "ward": {"type": "string", "x-fact": "channel", "x-classification": "public"},
          "patient": {"x-tags": ["PHI"], "x-subject": "/patient/id", "x-retention": 3,
                      "x-classification": "restricted", "required": ["id"],
                      "properties": {"id": {"type": "string"}}},
          "nurse": {"type": "string", "x-tags": ["PII"], "x-subject": "/nurse"}}})");
    schemas_ = schemas;
    rig_.door->use_schemas(schemas_);
  }
  static EventDraft visit(std::string_view data) {
    EventDraft draft = event_draft(1);
    draft.data = to_buffer(as_bytes(data));
    return draft;
  }
  std::string refusal(EventDraft draft) {
    const auto made = rig_.prepare({std::move(draft)});
    return made ? "accepted" : made.error().message;
  }

  DoorRig rig_;
  std::shared_ptr<const Schemas> schemas_;
};

constexpr std::string_view data =
    R"({"ward":"icu-2","patient":{"id":"anna","pulse":61.0},"nurse":"bert"})";

TEST_F(SchemaDoorTest, each_field_is_sealed_for_its_person_and_read_as_one) {
  const auto made = rig_.prepare({visit(data)});
  ASSERT_TRUE(made) << made.error().message;
  const auto command = ledger::load_command<ledger::AppendEvent>((*made)->commands.data());
  EXPECT_EQ(command.classification, 4);
  ASSERT_EQ((*made)->facts.size(), 1u);
  EXPECT_EQ(ledger::Facts::decode((*made)->facts[0].bytes)->channel, "icu-2");
  const Door::SealedEvent event = DoorRig::sealed(**made);
  const auto payload = ledger::Payload::decode(event.payload);
  ASSERT_EQ(payload->compartments.size(), 3u);
  EXPECT_TRUE(payload->compartments[0].subject == 0);
  EXPECT_TRUE(payload->compartments[1].subject == rig_.door->subject_id("anna"));
  EXPECT_EQ(payload->compartments[1].retention, 3);
  EXPECT_TRUE(payload->compartments[2].subject == rig_.door->subject_id("bert"));

  auto opened = rig_.open_event(event);
  ASSERT_TRUE(opened) << opened.error().message;
  // Members that were taken out come last.
  EXPECT_EQ(as_text(opened->data),
            R"({"ward":"icu-2","nurse":"bert","patient":{"id":"anna","pulse":61.0}})");
  EXPECT_EQ(opened->content_type, "application/json");
  EXPECT_EQ(opened->compartments.size(), 1u);
  EXPECT_EQ(opened->parts_forgotten, 0u);

  ASSERT_TRUE(rig_.forget("anna"));
  opened = rig_.open_event(event);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_FALSE(opened->forgotten);
  EXPECT_EQ(opened->parts_forgotten, 1u);
  EXPECT_EQ(as_text(opened->data), R"({"ward":"icu-2","nurse":"bert"})");
  EXPECT_THAT(refusal(visit(data)), HasSubstr("was forgotten"));
}

TEST_F(SchemaDoorTest, who_asks_about_a_person_is_told_nothing_of_others) {
  const auto made = rig_.prepare({visit(data)});
  ASSERT_TRUE(made) << made.error().message;
  Door::SealedEvent event = DoorRig::sealed(**made);
  event.about = rig_.door->subject_id("bert");
  auto opened = rig_.open_event(event);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(as_text(opened->data), R"({"ward":"icu-2","nurse":"bert"})");
  EXPECT_EQ(opened->parts_withheld, 1u);
  EXPECT_EQ(opened->parts_forgotten, 0u);

  EventDraft untyped = event_draft(2, "anna");
  untyped.type = "remark";  // has no schema
  const auto whole = rig_.prepare({std::move(untyped)});
  ASSERT_TRUE(whole) << whole.error().message;
  event = DoorRig::sealed(**whole);
  event.about = rig_.door->subject_id("bert");
  opened = rig_.open_event(event);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE(opened->withheld);
  EXPECT_TRUE(opened->data.empty() && opened->stream.empty());
}

TEST_F(SchemaDoorTest, sent_again_it_commits_to_the_same) {
  const auto once = rig_.prepare({visit(data)});
  const auto again = rig_.prepare({visit(data)});
  EXPECT_EQ(DoorRig::sealed(**once).header.payload_commitment,
            DoorRig::sealed(**again).header.payload_commitment);
}

TEST_F(SchemaDoorTest, what_the_schema_does_not_allow_is_refused_with_the_field) {
  EXPECT_THAT(refusal(visit(R"({"ward":"x"})")),
              HasSubstr("data of command 0 the whole breaks `required` of the schema"));
  EXPECT_THAT(refusal(visit(R"({"patient":{"id":"a"},"card":"4111 1111 1111 1111"})")),
              HasSubstr("/card holds a card number"));
  EventDraft draft = visit(data);
  draft.subject = "carl";
  EXPECT_THAT(refusal(draft), HasSubstr("subject of command 0 is not for the caller to say"));
  draft = visit(data);
  draft.more.push_back({});
  EXPECT_THAT(refusal(draft), HasSubstr("more of command 0"));
  draft = visit(data);
  draft.content_type = "application/octet-stream";
  EXPECT_THAT(refusal(draft), HasSubstr("must be application/json"));
  draft = visit(data);
  draft.classification = 3;
  EXPECT_THAT(refusal(draft),
              HasSubstr("classification of command 0 is 3, and a field of it is 4"));
  draft = visit(data);
  draft.metadata = to_buffer(as_bytes(R"({"by":"ada@example.org"})"));
  EXPECT_THAT(refusal(draft), HasSubstr("metadata of command 0 holds an e-mail"));
}

TEST_F(SchemaDoorTest, other_types_are_as_before) {
  EventDraft draft = visit("[1]");
  draft.type = "other";
  EXPECT_EQ(refusal(draft), "accepted");
}

TEST_F(SchemaDoorTest, none_is_about_what_the_cell_itself_writes) {
  EventDraft draft = visit("[1]");
  EXPECT_THAT(refusal(draft), HasSubstr("of the schema"));
  EXPECT_TRUE(is_personal({draft}, *schemas_));
  draft.is_of_cell = true;
  EXPECT_EQ(refusal(draft), "accepted");
  EXPECT_FALSE(is_personal({draft}, *schemas_));
}

TEST_F(SchemaDoorTest, names_of_the_cells_own_are_refused_of_others) {
  EventDraft draft = visit(data);
  draft.stream = "$schemas";
  EXPECT_THAT(refusal(draft), HasSubstr("stream of command 0 begins with `$`"));
  draft = visit("{}");
  draft.type = "$schema";
  EXPECT_THAT(refusal(draft), HasSubstr("type of command 0 begins with `$`"));
  draft.is_of_cell = true;
  EXPECT_EQ(refusal(draft), "accepted");
  EXPECT_FALSE(rig_.prepare({DeletionDraft{.event_id = 1, .stream = "$schemas"}}));
}

}  // namespace
}  // namespace meridian::door
