#include "door/event_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace meridian::door {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

const std::string admission = R"({
  "type": "object", "required": ["ward", "patient"], "additionalProperties": false,
  "properties": {
    "ward": {"type": "string", "x-classification": "public", "x-fact": "channel"},
    "beds": {"type": "integer", "minimum": 1, "x-classification": "public"},
    "note": {"type": "string", "x-classification": "confidential"},
    "reference": {"type": ["string", "integer"], "x-not-personal": true},
    "patient": {
      "type": "object", "required": ["number"], "x-classification": "restricted",
      "x-tags": ["PII", "PHI"], "x-subject": "/patient/number", "x-retention": 7,
      "properties": {"number": {"type": "string"}, "weight": {"type": "number"}}},
    "payer": {"type": "string", "x-tags": ["PII"], "x-subject": "/patient/number"},
    "visitors": {"type": "array", "items": {
      "type": "object", "required": ["name", "at"], "properties": {
        "name": {"type": "string", "x-tags": ["PII"], "x-subject": "/visitors/*/name"},
        "at": {"type": "string"}}}}
  }})";

std::shared_ptr<const EventSchema> schema(std::string_view text = admission) {
  Result<std::shared_ptr<const EventSchema>> parsed = EventSchema::parse(text);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return parsed ? *parsed : nullptr;
}
std::string refusal(std::string_view text) {
  const auto parsed = EventSchema::parse(text);
  return parsed ? "accepted" : parsed.error().message;
}
EventSchema::Split split(std::string_view data) {
  Result<EventSchema::Split> parts = schema()->split(as_bytes(data));
  EXPECT_TRUE(parts) << (parts ? "" : parts.error().message);
  return parts ? std::move(*parts) : EventSchema::Split{};
}
std::string unfit(std::string_view data, std::string_view text = admission) {
  const auto parts = schema(text)->split(as_bytes(data));
  return parts ? "accepted" : parts.error().message;
}
std::string text_of(const Buffer& bytes) { return std::string(as_text(bytes)); }
std::string joined(const EventSchema::Split& parts, const std::set<std::string>& forgotten = {}) {
  std::vector<Bytes> opened;
  for (const EventSchema::Part& part : parts.parts)
    if (!forgotten.contains(part.subject)) opened.emplace_back(part.content);
  const Result<Buffer> whole = join_split(parts.rest, opened);
  return whole ? text_of(*whole) : whole.error().message;
}

const std::string event = R"({"ward":"surgery","patient":{"number":"P-1","weight":61.50},)"
                          R"("visitors":[{"name":"bob","at":"9:00"},{"name":"carl","at":"9:30"}],)"
                          R"("payer":"P-1's aunt"})";

TEST(event_schema, what_is_about_a_person_is_taken_out_by_person_and_class) {
  const EventSchema::Split parts = split(event);
  EXPECT_EQ(text_of(parts.rest), R"({"ward":"surgery","visitors":[{"at":"9:00"},{"at":"9:30"}]})");
  ASSERT_EQ(parts.parts.size(), 4u);
  EXPECT_EQ(parts.parts[0].subject, "P-1");
  EXPECT_EQ(parts.parts[0].retention, 0);
  EXPECT_EQ(text_of(parts.parts[0].content), R"({"/payer":"P-1's aunt"})");
  EXPECT_EQ(parts.parts[1].subject, "P-1");
  EXPECT_EQ(parts.parts[1].retention, 7);
  EXPECT_EQ(text_of(parts.parts[1].content), R"({"/patient":{"number":"P-1","weight":61.50}})");
  EXPECT_EQ(parts.parts[2].subject, "bob");
  EXPECT_EQ(text_of(parts.parts[3].content), R"({"/visitors/1/name":"carl"})");
  EXPECT_EQ(parts.classification, 4);
  EXPECT_EQ(parts.facts.channel, "surgery");
}

TEST(event_schema, put_together_it_is_what_it_was_and_without_who_was_forgotten_the_rest) {
  const EventSchema::Split parts = split(event);
  EXPECT_EQ(Json::parse(joined(parts)), Json::parse(event));
  EXPECT_THAT(joined(parts), HasSubstr("61.50"));  // every digit
  EXPECT_EQ(
      Json::parse(joined(parts, {"P-1", "bob"})),
      Json::parse(R"({"ward":"surgery","visitors":[{"at":"9:00"},{"name":"carl","at":"9:30"}]})"));
}

TEST(event_schema, an_item_that_is_a_persons_leaves_its_place_in_the_list) {
  const auto list = schema(R"({"properties": {"mails": {"items": {
      "type": "object", "x-tags": ["PII"], "x-subject": "/mails/*/to",
      "properties": {"to": {"type": "string"}}}}}})");
  const auto parts =
      list->split(as_bytes(R"({"mails":[{"to":"a"},{"to":"b"},{"to":"a","n":[1,{}]}]})"));
  ASSERT_TRUE(parts);
  EXPECT_EQ(text_of(parts->rest), R"({"mails":[null,null,null]})");
  ASSERT_EQ(parts->parts.size(), 2u);
  EXPECT_EQ(joined(*parts), R"({"mails":[{"to":"a"},{"to":"b"},{"to":"a","n":[1,{}]}]})");
  EXPECT_EQ(joined(*parts, {"a"}), R"({"mails":[null,{"to":"b"},null]})");
}

TEST(event_schema, the_whole_may_be_a_persons) {
  const auto whole = schema(R"({"x-tags": ["PII"], "x-subject": "/id",
                                "properties": {"id": {"type": "string"}}})");
  const auto parts = whole->split(as_bytes(R"({"id":"x","~/":[2]})"));
  ASSERT_TRUE(parts) << parts.error().message;
  EXPECT_EQ(text_of(parts->rest), "null");
  EXPECT_EQ(joined(*parts), R"({"id":"x","~/":[2]})");
  EXPECT_EQ(joined(*parts, {"x"}), "null");
}

TEST(event_schema, data_without_persons_stays_as_it_came) {
  const auto plain = schema(R"({"properties": {"a": {"x-classification": "public"}},
                                "x-classification": "public"})");
  const std::string data = "{ \"a\" : 1.00, \"b\" : 12345678901234567890123 }";
  const auto parts = plain->split(as_bytes(data));
  ASSERT_TRUE(parts) << parts.error().message;
  EXPECT_EQ(text_of(parts->rest), data);
  EXPECT_TRUE(parts->parts.empty());
  EXPECT_EQ(parts->classification, 1);
}

TEST(event_schema, what_breaks_the_schema_is_named_and_its_value_is_not) {
  EXPECT_EQ(unfit(R"({"ward":"x"})"), "the whole breaks `required` of the schema");
  EXPECT_EQ(unfit(R"({"ward":"x","beds":-77,"patient":{"number":"1"}})"),
            "/beds breaks `minimum` of the schema");
  EXPECT_EQ(unfit(R"({"ward":"x","patient":{"number":4711}})"),
            "/patient/number breaks `type` of the schema");
  EXPECT_THAT(unfit(R"({"ward":"x","extra":1,"patient":{"number":"1"}})"),
              HasSubstr("additionalProperties"));
  EXPECT_EQ(
      unfit(R"({"a":["x1","yy"]})", R"({"properties": {"a": {"items": {"pattern": "\\d$"}}}})"),
      "/a/1 breaks `pattern` of the schema");
  EXPECT_THAT(unfit("{\"ward\": "), HasSubstr("no JSON from byte"));
  EXPECT_THAT(unfit("{\"ward\":\"\xff\"}"), HasSubstr("no JSON from byte"));
}

TEST(event_schema, a_name_that_stands_twice_and_a_nest_too_deep_are_refused) {
  EXPECT_THAT(unfit(R"({"a":1,"a":2})", "{}"), HasSubstr("has a name twice"));
  EXPECT_EQ(unfit(R"({"a":{"b":1},"c":{"b":2}})", "{}"), "accepted");
  const auto nested = [](std::size_t levels) {
    return std::string(levels, '[') + std::string(levels, ']');
  };
  EXPECT_EQ(unfit(nested(event_depth_max), "{}"), "accepted");
  EXPECT_THAT(unfit(nested(event_depth_max + 1), "{}"), HasSubstr("too deep"));
  EXPECT_THAT(unfit(nested(100'000), "{}"), HasSubstr("too deep"));
}

TEST(event_schema, a_person_must_be_named) {
  EXPECT_THAT(unfit(R"({"ward":"x","patient":{"number":""}})"),
              HasSubstr("/patient is about a person whom nothing names: /patient/number"));
  EXPECT_THAT(unfit(R"({"payer":"me"})", R"({"x-subject": "/who", "properties": {
                "who": {"x-tags": ["PII"]}, "payer": {"x-tags": ["PII"]}}})"),
              HasSubstr("/payer is about a person whom nothing names: /who"));
}

TEST(event_schema, more_persons_than_compartments_are_refused) {
  std::string many = R"({"ward":"x","patient":{"number":"P"},"visitors":[)";
  for (int i = 0; i < 6; ++i) many += R"({"name":"v)" + std::to_string(i) + R"(","at":""},)";
  std::string seven = many;
  seven.back() = ']';
  EXPECT_EQ(unfit(seven + "}"), "accepted");
  EXPECT_THAT(unfit(many + R"({"name":"one more","at":""}]})"), HasSubstr("one person too many"));
}

TEST(event_schema, what_names_a_person_by_itself_stands_only_where_it_is_sealed_for_one) {
  const std::string iban = "DE89370400440532013000";
  const auto with = [&](const std::string& field) {
    return unfit(R"({"ward":"x","patient":{"number":"1"},)" + field + "}");
  };
  const std::string refused = with(R"("note":"pay to )" + iban + "\"");
  EXPECT_THAT(refused, HasSubstr("/note holds an IBAN (22 characters from 7 on)"));
  EXPECT_THAT(refused, Not(HasSubstr("DE89")));
  EXPECT_EQ(with(R"("payer":")" + iban + "\""), "accepted");
  EXPECT_EQ(with(R"("reference":4111111111111111)"), "accepted");
  EXPECT_THAT(unfit(R"({"n":[{"x":4111111111111111}]})", "{}"), HasSubstr("/n/0/x holds a card"));
  EXPECT_THAT(unfit(R"({"n":{"ada@example.org":1}})", "{}"),
              HasSubstr("a name in /n holds an e-mail"));
  // Also behind a field that is sealed for somebody.
  EXPECT_THAT(unfit(R"({"p":{"q":"z"},"ada@example.org":1})",
                    R"({"properties": {"p": {"x-tags": ["PII"], "x-subject": "/p/q",
                        "properties": {"q": {}}}}})"),
              HasSubstr("a name in  holds an e-mail"));
}

TEST(event_schema, what_would_be_passed_over_is_refused) {
  EXPECT_THAT(refusal(R"({"const": 1})"), HasSubstr("at the top: `const` is no keyword"));
  EXPECT_THAT(refusal(R"({"properties": {"a": {"x-tagz": []}}})"),
              HasSubstr("/properties/a: `x-tagz` is no keyword"));
  EXPECT_THAT(refusal(R"({"anyOf": [{"x-classification": "public"}]})"),
              HasSubstr("/anyOf/0: `x-classification` counts on properties and items"));
  EXPECT_THAT(refusal(R"({"$ref": "https://example.org/x"})"), HasSubstr("own definitions"));
  EXPECT_THAT(refusal(R"({"$ref": "#/definitions/a"})"), HasSubstr("no such definition"));
  EXPECT_THAT(refusal(R"({"definitions": {"a": {"$ref": "#/definitions/a"}}})"),
              HasSubstr("reference itself"));
  EXPECT_THAT(refusal(R"({"pattern": "(a"})"),
              HasSubstr("pattern is none that RE2 takes: missing"));
  EXPECT_THAT(refusal(R"({"not": {"pattern": "a"}})"), HasSubstr("counts on properties and items"));
  EXPECT_THAT(refusal(R"({"pattern": "((a{1000}){1000}){1000}"})"), HasSubstr("RE2"));
  EXPECT_THAT(refusal(R"({"type": "str"})"), HasSubstr("/type: array, boolean"));
  EXPECT_THAT(refusal(R"({"minLength": "3"})"), HasSubstr("/minLength: a whole number"));
  EXPECT_THAT(refusal(R"([])"), HasSubstr("a schema is an object"));
  EXPECT_THAT(refusal(R"({"a":)"), HasSubstr("is no JSON from byte"));
  std::string deep;
  for (int i = 0; i < 20; ++i) deep += R"({"not":)";
  EXPECT_THAT(refusal(deep + "{}" + std::string(20, '}')), HasSubstr("too deep"));
  EXPECT_THAT(refusal(std::string(schema_size_max + 1, ' ')), HasSubstr("at most 65536"));
}

TEST(event_schema, a_field_about_a_person_says_about_whom) {
  const auto field = [](const std::string& words, const std::string& beside = "") {
    return refusal(R"({"properties": {"id": {"x-tags": ["PII"], "x-subject": "/id"}, "f": {)" +
                   words + "}" + beside + "}}");
  };
  EXPECT_EQ(field(R"("x-tags": ["PHI"], "x-subject": "/id")"), "accepted");
  EXPECT_THAT(field(R"("x-tags": ["PHI"])"), HasSubstr("/f: whom is it about?"));
  EXPECT_THAT(field(R"("x-tags": ["nurse"], "x-subject": "/id")"), HasSubstr("PII, PHI, PCI"));
  EXPECT_THAT(field(R"("x-subject": "/id")"), HasSubstr("x-tags is a list"));
  EXPECT_THAT(field(R"("x-tags": ["PII"], "x-subject": "/nobody")"), HasSubstr("no such field"));
  EXPECT_THAT(field(R"("x-tags": ["PII"], "x-subject": "/clear")", R"(, "clear": {})"),
              HasSubstr("in no field that is sealed for that person"));
  EXPECT_THAT(field(R"("x-tags": ["PII"], "x-subject": "id")"), HasSubstr("JSON pointer"));
  EXPECT_THAT(field(R"("x-tags": ["PII"], "x-subject": "/list/*/id")", R"(, "list": {"items":
              {"properties": {"id": {"x-tags": ["PII"], "x-subject": "/list/*/id"}}}})"),
              HasSubstr("the same item of the same list"));
  EXPECT_THAT(field(R"("x-tags": ["PII"], "x-subject": "/id", "x-retention": 254)"),
              HasSubstr("0 to 253"));
  EXPECT_THAT(field(R"("x-tags": ["PII"], "x-subject": "/id", "x-fact": "channel")"),
              HasSubstr("facts stand in clear"));
  EXPECT_THAT(field(R"("x-tags": ["PII"], "x-subject": "/id",
                       "properties": {"below": {"x-tags": ["PII"], "x-subject": "/id"}})"),
              HasSubstr("/f/below: what it stands in is sealed"));
}

TEST(event_schema, fields_are_listed_in_their_order) {
  std::vector<std::string> places;
  for (const EventSchema::Field& field : schema()->fields()) places.push_back(field.place);
  EXPECT_THAT(places, ElementsAre("", "/ward", "/beds", "/note", "/reference", "/patient",
                                  "/patient/number", "/patient/weight", "/payer", "/visitors",
                                  "/visitors/*", "/visitors/*/name", "/visitors/*/at"));
  const EventSchema::Field patient = schema()->fields()[5];
  EXPECT_EQ(patient.subject, "/patient/number");
  EXPECT_EQ(patient.retention, 7);
  EXPECT_THAT(patient.tags, ElementsAre("PII", "PHI"));
  const EventSchema::Field weight = schema()->fields()[7];  // sealed with what it stands in
  EXPECT_EQ(weight.subject, "/patient/number");
  EXPECT_EQ(weight.retention, 7);
}

TEST(event_schema, parts_that_do_not_belong_to_the_rest_are_damage) {
  const std::string rest = R"({"a":1,"l":[null]})";
  const auto join = [&](std::string_view part) {
    const Result<Buffer> whole = join_split(as_bytes(rest), {as_bytes(part)});
    return whole ? text_of(*whole) : whole.error().message;
  };
  EXPECT_EQ(join(R"({"/l/0":{"x":[]},"/b":2})"), R"({"a":1,"l":[{"x":[]}],"b":2})");
  EXPECT_THAT(join(R"({"/nowhere/b":2})"), HasSubstr("do not belong together"));
  EXPECT_THAT(join(R"({"/l/1":2})"), HasSubstr("do not belong together"));
  for (const char* part : {"[]", "1", "{", R"({"/b":2}{)", R"({"/b":1,"/b":2})"})
    EXPECT_THAT(join(part), HasSubstr("a part of the event is none")) << part;
}

/// Any event of a shape with persons at several places: what is put together is what it was.
TEST(event_schema, random_events_come_back) {
  std::mt19937_64 random(7);
  const auto below = [&](std::uint64_t bound) { return random() % bound; };
  for (int round = 0; round < 500; ++round) {
    Json made = {{"ward", "w" + std::to_string(below(9))},
                 {"patient", {{"number", "P" + std::to_string(below(3))}}}};
    if (below(2)) made["patient"]["weight"] = static_cast<double>(below(1'000)) / 8;
    if (below(2)) made["patient"]["more"] = {{"~a/b", {below(5), nullptr, "x\"\\"}}};
    if (below(2)) made["payer"] = "p";
    if (below(2)) made["note"] = "a\nb";
    if (below(2)) made["beds"] = 1 + below(9);
    for (std::uint64_t i = below(3); i > 0; --i)
      made["visitors"].push_back({{"name", "v" + std::to_string(below(3))}, {"at", "1"}});
    const EventSchema::Split parts = split(made.dump());
    EXPECT_EQ(Json::parse(joined(parts)), made);
    for (const EventSchema::Part& part : parts.parts)
      EXPECT_THAT(text_of(parts.rest), Not(HasSubstr("\"" + part.subject + "\"")));
  }
}

}  // namespace
}  // namespace meridian::door
