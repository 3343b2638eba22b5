#include "door/signed_event.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "door/internal/door_rig.h"

namespace meridian::door {
namespace {

constexpr std::string_view golden_digest =
    "97afb4581682fbd127758821c78ae33adfdd29207b1ae1771e8571d3afce88e8";

crypto::Digest count_up() {
  crypto::Digest salt;
  for (std::size_t i = 0; i < salt.size(); ++i) salt[i] = static_cast<Byte>(i);
  return salt;
}

EventDraft sample() {
  EventDraft draft = event_draft(78, "Ada Example");
  draft.data = to_buffer(
      as_bytes("{ \"name\": \"Ada \\\"L\\\" Example\",\n  \"a\": {\"c\": [\"\\u00e9\", null], "
               "\"b\": 1.50} }"));
  draft.more.push_back({"", 7, {0x00, 0xff}});
  draft.signature_salt = to_buffer(count_up());
  return draft;
}

std::string refusal(const EventDraft& draft) {
  const Result<SignedEvent> event = signed_event(draft);
  return event ? "signed" : event.error().message;
}

Buffer golden() {
  std::ifstream in(MERIDIAN_SOURCE_DIR "/docs/formats/golden/signed_event.hex");
  std::string hex, line;
  while (std::getline(in, line)) hex += line.substr(0, line.find_first_of(" #"));
  Buffer bytes;
  EXPECT_TRUE(from_hex(hex, bytes));
  return bytes;
}

TEST(SignedEvent, the_golden_bytes_are_those_under_the_digest) {
  const crypto::Digest expected =
      crypto::HmacKey(count_up()).mac({as_bytes("meridian/signed-event/1"), golden()});
  EXPECT_EQ(to_hex(expected), golden_digest);
  const Result<SignedEvent> event = signed_event(sample());
  ASSERT_TRUE(event.has_value()) << event.error().message;
  EXPECT_EQ(to_hex(event->content), golden_digest);
  EXPECT_EQ(*event, (SignedEvent{.id = 78, .facts = {}, .content = expected}));
}

TEST(SignedEvent, whatever_it_holds_is_under_the_digest) {
  const crypto::Digest as_it_was = signed_event(sample())->content;
  const auto is_other = [&](const std::function<void(EventDraft&)>& change) {
    EventDraft draft = sample();
    change(draft);
    const Result<SignedEvent> event = signed_event(draft);
    EXPECT_TRUE(event.has_value()) << event.error().message;
    return event && event->content != as_it_was;
  };
  EXPECT_TRUE(is_other([](EventDraft& draft) { draft.stream += "1"; }));
  EXPECT_TRUE(is_other([](EventDraft& draft) { draft.type += "1"; }));
  EXPECT_TRUE(is_other([](EventDraft& draft) { draft.content_type = "application/octet-stream"; }));
  EXPECT_TRUE(is_other([](EventDraft& draft) { draft.metadata.push_back(' '); }));
  EXPECT_TRUE(is_other([](EventDraft& draft) { draft.data = to_buffer(as_bytes("{}")); }));
  EXPECT_TRUE(is_other([](EventDraft& draft) { draft.subject += "1"; }));
  EXPECT_TRUE(is_other([](EventDraft& draft) { draft.more[0].subject = "1"; }));
  EXPECT_TRUE(is_other([](EventDraft& draft) { draft.more[0].retention = 8; }));
  EXPECT_TRUE(is_other([](EventDraft& draft) { draft.more[0].content.push_back(0); }));
  EXPECT_TRUE(is_other([](EventDraft& draft) { draft.more.push_back({}); }));
  EXPECT_TRUE(is_other([](EventDraft& draft) { draft.more.clear(); }));
  EXPECT_TRUE(is_other([](EventDraft& draft) { draft.signature_salt[31] ^= 1; }));
  // A byte from one field into the next.
  EXPECT_TRUE(is_other([](EventDraft& draft) {
    draft.stream += draft.type[0];
    draft.type.erase(0, 1);
  }));
  EXPECT_FALSE(is_other([](EventDraft& draft) { draft.data.push_back('\n'); })) << "the same JSON";
  EXPECT_FALSE(is_other([](EventDraft& draft) { draft.retention = 9; })) << "it is in the line";
}

TEST(SignedEvent, what_cannot_be_signed_says_why) {
  EventDraft draft = sample();
  draft.signature_salt.clear();
  EXPECT_EQ(refusal(draft),
            "signature_salt of event 78 has to be 32 random bytes: an event that is signed has a "
            "salt of its own, and no other has one");
  draft.signature_salt.assign(31, 1);
  draft.signature_salt[0] = 2;
  EXPECT_NE(refusal(draft).find("32 random bytes"), std::string::npos);
  draft.signature_salt.assign(32, 7);
  EXPECT_NE(refusal(draft).find("32 random bytes"), std::string::npos) << "anybody guesses that";
  draft = sample();
  draft.data = to_buffer(as_bytes(R"({"a":1,"a":1})"));
  EXPECT_NE(refusal(draft).find("event 78 cannot be signed: data has a name twice"),
            std::string::npos);
  draft = sample();
  draft.data.assign(ledger::payload_size_max + 1, '0');
  EXPECT_NE(refusal(draft).find("data takes 524289 bytes"), std::string::npos);
  draft = sample();
  draft.facts.country = "de";
  EXPECT_NE(refusal(draft).find("country"), std::string::npos);
}

TEST(SignedEvent, its_line_has_what_the_ledger_gets) {
  EventDraft draft = sample();
  draft.expected_revision = 5;
  std::string line;
  append_signed_event(line, *signed_event(draft));
  EXPECT_EQ(line, "event id=78 content=" + std::string(golden_digest))
      << "the revision is for exact";
  draft.expected = ledger::Expected::exact;
  draft.linked = true;
  draft.facts = {"DE", "icu-2", "ofac", "treatment", 1};
  line.clear();
  append_signed_event(line, *signed_event(draft));
  EXPECT_EQ(line,
            "event id=78 expected=3 revision=5 flags=1 country=DE channel=icu-2 "
            "screening_list=ofac screening_verdict=1 purpose=treatment content=" +
                std::string(golden_digest));
  EXPECT_EQ(*parse_signed_event(std::string_view(line).substr(5)), *signed_event(draft));
  EXPECT_FALSE(parse_signed_event(" id=78 revision=5 content=" + std::string(golden_digest)));
  EXPECT_FALSE(parse_signed_event(" id=78 expected=4 content=" + std::string(golden_digest)));
  EXPECT_FALSE(parse_signed_event(" id=78 flags=2 content=" + std::string(golden_digest)));
  EXPECT_FALSE(parse_signed_event(" id=78 country=de content=" + std::string(golden_digest)));
  EXPECT_FALSE(parse_signed_event(" id=78 content=97af"));
}

class SignedEventRecord : public testing::Test {
 protected:
  SignedEventRecord() {
    header.kind = ledger::CommandKind::append_event;
    header.retention = 7;
    ledger::EventBody body;
    body.event_id = 78;
    body.expected = ledger::Expected::exact;
    body.expected_revision = 5;
    header.body = body;
    header.facts = *ledger::Facts{"DE", "icu-2", "ofac", "", 1}.encode();
    meant.id = 78;
    meant.expected = ledger::Expected::exact;
    meant.revision = 5;
    meant.retention = 7;
    meant.facts = {"DE", "", "ofac", "", 1};
  }
  ledger::EventBody& body() { return std::get<ledger::EventBody>(header.body); }
  std::string verdict() const {
    const Status same = check_signed_event(meant, header);
    return same ? "same" : same.error().message;
  }
  bool differs(std::string_view in) const { return verdict().find(in) != std::string::npos; }

  ledger::Header header;
  SignedEvent meant;
};

TEST_F(SignedEventRecord, what_was_asked_for_is_the_same) {
  EXPECT_EQ(verdict(), "same") << "a schema says the channel";
  header.classification = 4;
  EXPECT_EQ(verdict(), "same") << "a schema says it";
}

TEST_F(SignedEventRecord, what_differs_is_named) {
  body().expected_revision = 6;
  EXPECT_TRUE(differs("expected revision"));
  body().expected_revision = 5;
  body().flags = ledger::event_flag_linked;
  EXPECT_TRUE(differs("linked"));
  body().flags = 0;
  header.retention = 8;
  EXPECT_TRUE(differs("retention"));
  header.retention = 7;
  meant.classification = 3;
  EXPECT_TRUE(differs("classification"));
  meant.classification = 0;
  meant.facts.country = "FR";
  EXPECT_TRUE(differs("facts"));
  meant.facts.country = "DE";
  meant.facts.screening_verdict = 0;
  EXPECT_TRUE(differs("facts")) << "no schema says that";
}

class SealedSignedEvent : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(rig.open()); }
  Door::SealedEvent sealed(EventDraft draft) {
    const auto made = rig.prepare({std::move(draft)});
    EXPECT_TRUE(made.has_value()) << made.error().message;
    return DoorRig::sealed(**made);
  }
  std::string verdict(const SignedEvent& meant, const OpenedEvent& opened) const {
    const Status same = check_signed_content(meant, opened);
    return same ? "same" : same.error().message;
  }
  DoorRig rig;
};

TEST_F(SealedSignedEvent, who_reads_it_compares_it_until_a_person_in_it_is_forgotten) {
  EventDraft draft = sample();
  draft.more[0].subject = "Bert";
  const SignedEvent meant = *signed_event(draft);
  const Door::SealedEvent event = sealed(draft);
  const Result<OpenedEvent> opened = rig.open_event(event);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(verdict(meant, *opened), "same");
  EXPECT_EQ(opened->signature->salt, count_up());
  EXPECT_EQ(opened->signature->about[1], signed_about(count_up(), "Bert"));
  SignedEvent other = meant;
  other.content[0] ^= 1;
  EXPECT_NE(verdict(other, *opened).find("another content"), std::string::npos);
  OpenedEvent unsigned_one = *opened;
  unsigned_one.signature.reset();
  EXPECT_NE(verdict(meant, unsigned_one).find("without a salt"), std::string::npos);

  ASSERT_TRUE(rig.forget("Bert").has_value());
  const Result<OpenedEvent> rest = rig.open_event(event);
  ASSERT_TRUE(rest.has_value());
  EXPECT_FALSE(rest->forgotten) << "Ada's part is there";
  EXPECT_EQ(check_signed_content(meant, *rest).error().code, Code::not_found);
  EXPECT_FALSE(rest->signature.has_value()) << "what is left would let Bert's be guessed";
  // Nor is the salt what was sealed for Ada.
  const auto envelope = ledger::Envelope::decode(rest->compartments[0].content);
  ASSERT_TRUE(envelope.has_value());
  EXPECT_FALSE(equal(envelope->signature.first(32), count_up()));

  ASSERT_TRUE(rig.forget("Ada Example").has_value());
  EXPECT_EQ(check_signed_content(meant, *rig.open_event(event)).error().code, Code::not_found);
}

TEST_F(SealedSignedEvent, sent_again_it_commits_to_the_same) {
  EventDraft draft = sample();
  draft.more[0].subject = "Bert";
  const auto commitment = [&] { return sealed(draft).header.payload_commitment; };
  const crypto::Digest first = commitment();
  EXPECT_EQ(first, commitment());
  draft.signature_salt[0] ^= 1;
  EXPECT_NE(first, commitment());
  draft.signature_salt.assign(3, 1);
  const auto made = rig.prepare({draft});
  ASSERT_FALSE(made.has_value());
  EXPECT_NE(made.error().message.find("32 random bytes"), std::string::npos);
}

TEST_F(SealedSignedEvent, what_a_schema_takes_apart_is_compared_as_json) {
  auto schemas = std::make_shared<Schemas>();
  (*schemas)["visited"] = *EventSchema::parse(R"({
      "type": "object", "properties": {
        "ward": {"type": "string", "x-fact": "channel", "x-classification": "public"},
        "patient": {"x-tags": ["PHI"], "x-subject": "/patient/id", "x-retention": 3,
                    "x-classification": "restricted",
                    "properties": {"id": {"type": "string"}}},
        "nurse": {"type": "string", "x-tags": ["PII"], "x-subject": "/nurse"}}})");
  rig.door->use_schemas(std::move(schemas));
  EventDraft draft = event_draft(1);
  draft.data = to_buffer(
      as_bytes(R"({"patient": {"pulse": 61.0, "id": "anna"}, "nurse": "bert", "ward": "icu-2"})"));
  draft.signature_salt = to_buffer(count_up());
  const SignedEvent meant = *signed_event(draft);
  const Door::SealedEvent event = sealed(draft);
  const Result<OpenedEvent> opened = rig.open_event(event);
  ASSERT_TRUE(opened.has_value());
  EXPECT_NE(opened->data, draft.data) << "it is put together in another order";
  EXPECT_EQ(verdict(meant, *opened), "same");
  Door::SealedEvent about = event;
  about.about = rig.door->subject_id("bert");
  EXPECT_EQ(check_signed_content(meant, *rig.open_event(about)).error().code, Code::not_found);
  ASSERT_TRUE(rig.forget("bert").has_value());
  EXPECT_EQ(check_signed_content(meant, *rig.open_event(event)).error().code, Code::not_found);

  draft.facts.channel = "icu-3";
  const auto made = rig.prepare({draft});
  ASSERT_FALSE(made.has_value());
  EXPECT_NE(made.error().message.find("facts.channel of command 0 is not what the data says"),
            std::string::npos);
}

}  // namespace
}  // namespace meridian::door
