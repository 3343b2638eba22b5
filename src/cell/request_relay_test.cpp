// A leader that is in no region of the jurisdiction orders what a door there sealed.
#include "cell/request_relay.h"

#include <gtest/gtest.h>

#include "cell/internal/keepers_rig.h"
#include "cell/reading.h"
#include "cell/sealed_request.h"

namespace meridian::cell {
namespace {

constexpr std::uint8_t medical = 7, common = 1;
const std::string well = "{\"note\":\"well\"}";

struct RequestRelayTest : testing::Test {
  Keepers cell;

  explicit RequestRelayTest(std::uint64_t seed = 1) : cell(seed) {
    cell.lead(3);
    cell.run(io::seconds(1));
    keep(door::ResidencyDraft{"eu", {"region-1", "region-2"}});
    keep(door::RetentionDraft({.retention = medical,
                               .name = storage::text_field<storage::class_name_size>("medical"),
                               .basis = storage::text_field<storage::class_basis_size>("a law")},
                              "eu"));
    cell.run(io::seconds(3));
  }
  ~RequestRelayTest() override { EXPECT_TRUE(cell.fatal.empty()) << cell.fatal.front(); }

  void keep(door::KeepingDraft draft) {
    const auto kept = cell.keep(3, std::move(draft));
    ASSERT_TRUE(kept && *kept) << (kept ? kept->error().message : "no answer");
  }
  std::string append(std::uint64_t at, door::EventDraft draft,
                     ledger::RecordIndex* record = nullptr) {
    const auto outcome = cell.hand_over(at, std::move(draft));
    for (int passed = 0; passed < 1'500 && !*outcome; ++passed) cell.run(io::milliseconds(10));
    if (!*outcome) return "no answer";
    if (!**outcome) return (*outcome)->error().message;
    if (record != nullptr) *record = ***outcome;
    return "done";
  }
  std::string reads(std::uint64_t at, ledger::RecordIndex record) {
    const auto event = cell.read(at, record);
    if (!event) return event.error().message;
    return event->forgotten ? "forgotten" : std::string(as_text(event->data));
  }
  /// As replica `at` seals it, whatever a client may.
  std::unique_ptr<ledger::Request> sealed(std::uint64_t at, const std::string& actor,
                                          std::vector<door::CommandDraft> drafts) {
    std::unique_ptr<ledger::Request> request;
    auto& member = cell.members[at];
    const auto take = [&](Keepers::Made made) {
      ASSERT_TRUE(made) << made.error().message;
      request = std::move(*made);
    };
    member.door->prepare_for_leader(member.door->actor_id(actor), std::move(drafts), take, take);
    cell.run(io::seconds(2));
    return request;
  }
  std::unique_ptr<ledger::Request> sealed_own(std::uint64_t at, const door::EventDraft& event,
                                              const std::string& actor = std::string(own_actor)) {
    return sealed(at, actor, {event});
  }
  static door::EventDraft readings_of(u128 id) {
    door::EventDraft event;
    event.event_id = id;
    event.stream = readings_stream;
    event.type = readings_type;
    event.is_of_cell = true;
    Reading one;
    one.actor = 5;
    one.purpose = "case 7";
    one.stream = 6;
    one.count = 1;
    event.data = to_buffer(as_bytes(readings_json({one})));
    return event;
  }
  /// What the leader, 3, says to `from`.
  std::string handed_over(std::uint64_t from, const ledger::Request& request) {
    std::string said = "no answer";
    cell.sent = [&](std::uint64_t, std::uint64_t to, const KeyMessage& message) {
      const auto* answer = std::get_if<SealedAnswer>(&message);
      if (answer == nullptr || to != from) return;
      const auto decoded = decode_answer(answer->answer);
      said = *decoded ? "done" : decoded->error().message;
    };
    cell.members[3].custodian->receive(
        from, encode_key_message(SealedRequest{1, *encode_request(request)}));
    cell.run(io::seconds(3));
    cell.sent = nullptr;
    return said;
  }
  static bool says(const std::string& text, std::string_view words) {
    return text.find(words) != std::string::npos;
  }
};

TEST_F(RequestRelayTest, what_is_sealed_where_it_lives_is_ordered_by_who_cannot_read_it) {
  ledger::RecordIndex first{}, second{};
  ASSERT_EQ(append(1, Keepers::draft_of(1, "anna", medical), &first), "done");
  ASSERT_EQ(append(2, Keepers::draft_of(2, "anna", medical), &second), "done");
  cell.run(io::seconds(1));
  for (const auto record : {first, second}) {
    EXPECT_EQ(reads(1, record), well);
    EXPECT_EQ(reads(2, record), well);
    EXPECT_TRUE(says(reads(3, record), "RESIDENCY_UNAVAILABLE"));
  }
}

TEST_F(RequestRelayTest, what_lives_anywhere_beside_it_comes_along) {
  door::EventDraft draft = Keepers::draft_of(1, "anna", common);
  draft.more.push_back({"bert", medical, to_buffer(as_bytes("a finding"))});
  ledger::RecordIndex record{};
  ASSERT_EQ(append(1, draft, &record), "done");
  cell.run(io::seconds(1));
  EXPECT_EQ(reads(2, record), well);
  EXPECT_TRUE(says(reads(3, record), "RESIDENCY_UNAVAILABLE"));
}

TEST_F(RequestRelayTest, what_lives_anywhere_is_the_leaders_as_before) {
  EXPECT_TRUE(says(append(1, Keepers::draft_of(1, "anna", common)), "replica 3 leads the cell"));
  EXPECT_TRUE(says(append(1, Keepers::draft_of(2, "", common)), "it is not handed over"));
}

TEST_F(RequestRelayTest, one_elsewhere_seals_nothing_for_it) {
  cell.lead(1);
  cell.run(io::seconds(1));
  EXPECT_TRUE(says(append(3, Keepers::draft_of(1, "anna", medical)), "RESIDENCY_UNAVAILABLE"));
}

TEST_F(RequestRelayTest, one_elsewhere_cannot_hand_over_what_names_the_class) {
  std::optional<SealedRequest> sealed;
  std::map<std::uint64_t, std::string> answers;
  cell.sent = [&](std::uint64_t, std::uint64_t to, const KeyMessage& message) {
    if (const auto* request = std::get_if<SealedRequest>(&message)) sealed = *request;
    if (const auto* answer = std::get_if<SealedAnswer>(&message)) {
      const auto decoded = decode_answer(answer->answer);
      ASSERT_TRUE(decoded);
      answers[to] = *decoded ? "done" : decoded->error().message;
    }
  };
  cell.lead(1);  // then 2 hands over to it
  cell.run(io::seconds(1));
  ASSERT_EQ(append(2, Keepers::draft_of(1, "anna", medical)), "done");
  ASSERT_TRUE(sealed);
  EXPECT_EQ(answers[2], "done");
  cell.members[1].custodian->receive(3, encode_key_message(*sealed));
  cell.members[1].custodian->receive(9, encode_key_message(*sealed));
  cell.run(io::seconds(1));
  EXPECT_TRUE(says(answers[3], "seals nothing for the jurisdiction eu")) << answers[3];
  EXPECT_FALSE(answers.contains(9)) << "it is no member";
}

TEST_F(RequestRelayTest, what_a_door_may_not_ask_is_not_ordered) {
  ledger::Request request;
  request.actor = 5;
  ledger::TurnEpoch turn{};
  turn.number = 9;
  request.add(ledger::CommandKind::turn_epoch, turn);
  std::string said;
  cell.sent = [&](std::uint64_t, std::uint64_t, const KeyMessage& message) {
    if (const auto* answer = std::get_if<SealedAnswer>(&message))
      said = (*decode_answer(answer->answer)).error().message;
  };
  cell.members[3].custodian->receive(
      1, encode_key_message(SealedRequest{1, *encode_request(request)}));
  cell.run(io::seconds(1));
  EXPECT_TRUE(says(said, "not for a door to ask")) << said;
}

TEST_F(RequestRelayTest, what_lives_nowhere_is_not_ordered) {
  const auto request = sealed(1, "somebody", {Keepers::draft_of(1, "", common)});
  EXPECT_TRUE(says(handed_over(1, *request), "nothing of it lives in a jurisdiction"));
  ledger::Request transfer;
  transfer.actor = 5;
  ledger::Transfer one{};
  one.id = 1;
  transfer.add(ledger::CommandKind::create_transfer, one);
  EXPECT_TRUE(says(handed_over(1, transfer), "nothing of it lives in a jurisdiction"));
}

TEST_F(RequestRelayTest, what_is_the_cells_own_is_not_ordered) {
  door::EventDraft draft = Keepers::draft_of(1, "anna", medical);
  EXPECT_EQ(handed_over(1, *sealed(1, "somebody", {draft})), "done");
  EXPECT_TRUE(says(handed_over(1, *sealed(1, "cell", {draft})), "what is the cell's own"));
  draft.is_of_cell = true;
  for (const char* stream :
       {"$policy", "$acts", "$schemas", "$signatures", "$readings", "$issuances-a.example"}) {
    draft.stream = stream;
    EXPECT_TRUE(says(handed_over(1, *sealed(1, "somebody", {draft})), "what is the cell's own"))
        << stream;
  }
  const auto request = sealed(1, "somebody", {Keepers::draft_of(2, "anna", medical)});
  ledger::DeleteStream deletion{};
  deletion.event_id = 3;
  deletion.stream = cell.members[1].door->stream_id("$policy");
  request->add(ledger::CommandKind::delete_stream, deletion);
  EXPECT_TRUE(says(handed_over(1, *request), "what is the cell's own"));
}

TEST_F(RequestRelayTest, readings_of_a_follower_are_ordered_in_the_cells_name_and_once) {
  const auto request = sealed_own(1, readings_of(1));
  EXPECT_EQ(handed_over(1, *request), "done");
  EXPECT_EQ(handed_over(1, *request), "done") << "it came again";
  EXPECT_EQ(handed_over(1, *sealed_own(1, readings_of(1))), "done") << "sealed again";
  EXPECT_EQ(handed_over(2, *sealed_own(2, readings_of(2))), "done");
  EXPECT_EQ(handed_over(9, *request), "no answer") << "it is no member";
  const auto records = cell.stream(readings_stream);
  ASSERT_EQ(records.size(), 2U);
  for (const auto& [record, actor] : records) {
    EXPECT_EQ(actor, cell.members[3].door->actor_id(own_actor));
    EXPECT_EQ(reads(3, record), as_text(readings_of(1).data));
  }
}

TEST_F(RequestRelayTest, readings_are_taken_from_any_region_and_without_keys_of_persons) {
  cell.lead(1);
  cell.run(io::seconds(1));
  std::optional<Result<replica::Answer>> answered;
  cell.submit_own(3, readings_of(1), [&](const auto& answer) { answered = answer; });
  cell.run(io::seconds(1));
  ASSERT_TRUE(answered && *answered) << (answered ? answered->error().message : "no answer");
  EXPECT_EQ(cell.stream(readings_stream).size(), 1U);
}

TEST_F(RequestRelayTest, what_looks_like_readings_and_is_not_is_refused) {
  const auto refused = [&](const door::EventDraft& event, std::string_view words,
                           const std::string& actor = std::string(own_actor)) {
    const std::string said = handed_over(1, *sealed_own(1, event, actor));
    EXPECT_TRUE(says(said, words)) << said;
  };
  refused(readings_of(1), "its actor is another", "somebody");
  door::EventDraft event = readings_of(1);
  event.stream = "$policy";
  refused(event, "it is another event");
  event = readings_of(1);
  event.stream = "notes";
  refused(event, "it is another event");
  event = readings_of(1);
  event.type = "readings";
  refused(event, "it is another event");
  event = readings_of(1);
  event.expected = ledger::Expected::none;
  refused(event, "it is another event");
  event = readings_of(1);
  event.more.push_back({"", common, to_buffer(as_bytes("more"))});
  refused(event, "it is about a person");
  event = readings_of(1);
  event.subject = "anna";
  event.retention = medical;
  refused(event, "it is another event");
  event = readings_of(1);
  event.metadata = to_buffer(as_bytes("{}"));
  refused(event, "its payload has other names");
  event = readings_of(1);
  event.facts.purpose = "a-fact";
  refused(event, "it is more than one event");
  event = readings_of(1);
  event.data = to_buffer(as_bytes(R"({"readings":[]})"));
  refused(event, "no record of readings");

  const auto other = sealed_own(1, readings_of(1));
  auto request = sealed_own(1, readings_of(2));
  request->payloads = other->payloads;  // sealed for another id
  auto changed = ledger::load_command<ledger::AppendEvent>(request->commands.data());
  const auto original = ledger::load_command<ledger::AppendEvent>(other->commands.data());
  changed.commitment = original.commitment;
  request->commands.clear();
  request->runs.clear();
  request->add(ledger::CommandKind::append_event, changed);
  EXPECT_TRUE(says(handed_over(1, *request), "does not open"));
  request = sealed(1, std::string(own_actor), {readings_of(1), readings_of(2)});
  EXPECT_TRUE(says(handed_over(1, *request), "it is more than one event"));
  EXPECT_TRUE(cell.stream(readings_stream).empty());
}

TEST_F(RequestRelayTest, a_leader_that_is_not_heard_leaves_the_outcome_open_or_nothing_done) {
  ASSERT_EQ(append(1, Keepers::draft_of(1, "anna", medical)), "done");
  cell.members[1].is_cut_off = true;
  const auto outcome = cell.hand_over(1, Keepers::draft_of(2, "anna", medical));
  cell.run(io::seconds(2));
  EXPECT_FALSE(*outcome) << "its keys are there, and it waits";
  cell.run(io::seconds(10));
  ASSERT_TRUE(*outcome);
  EXPECT_EQ((*outcome)->error().code, Code::deadline_exceeded);
}

/// Whatever the order in which messages come: what is acknowledged stands before the erasure.
TEST(RequestRelay, nothing_is_ordered_under_a_key_that_is_destroyed) {
  int done = 0, refused = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    struct Rig : RequestRelayTest {
      explicit Rig(std::uint64_t rig_seed) : RequestRelayTest(rig_seed) {}
      void TestBody() override {}
    } rig(seed);
    sim::Random random(seed);
    ASSERT_EQ(rig.append(1, Keepers::draft_of(1, "anna", medical)), "done");
    rig.cell.run(io::seconds(1));
    const auto forgotten = std::make_shared<std::optional<Result<ForgetAnswer>>>();
    auto& leader = rig.cell.members[3];
    const std::uint64_t when = 3 + random.below(6);
    std::vector<std::shared_ptr<std::optional<Result<ledger::RecordIndex>>>> appended;
    for (std::uint64_t id = 2; id < 12; ++id) {
      if (id == when)
        leader.custodian->forget(
            5, leader.door->subject_id("anna"),
            [forgotten](Result<ForgetAnswer> all) { *forgotten = std::move(all); });
      appended.push_back(
          rig.cell.hand_over(1 + random.below(2), Keepers::draft_of(id, "anna", medical)));
      rig.cell.run(io::milliseconds(static_cast<std::int64_t>(random.below(40))));
    }
    rig.cell.run(io::seconds(15));
    ASSERT_TRUE(*forgotten && **forgotten);
    for (const auto& one : appended) {
      ASSERT_TRUE(*one);
      if (!**one) {
        ++refused;
        continue;
      }
      ++done;
      EXPECT_LT(***one, (*forgotten)->value().record);
    }
  }
  EXPECT_GT(done, 5);
  EXPECT_GT(refused, 5);
}

TEST(SealedRequest, comes_back_as_it_was_and_nothing_else_does) {
  ledger::Request request;
  request.actor = 5;
  ledger::AppendEvent event{};
  event.event_id = 9;
  event.payload_size = 3;
  request.payloads = {Byte{1}, Byte{2}, Byte{3}};
  request.add(ledger::CommandKind::append_event, event);
  ledger::Transfer transfer{};
  transfer.id = 8;
  request.add(ledger::CommandKind::create_transfer, transfer);
  ledger::Facts facts;
  facts.country = "DE";
  request.facts.push_back({0, *facts.encode()});
  const auto bytes = encode_request(request);
  ASSERT_TRUE(bytes) << bytes.error().message;
  const auto back = decode_request(*bytes);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ((*back)->actor, request.actor);
  EXPECT_EQ((*back)->commands, request.commands);
  EXPECT_EQ((*back)->payloads, request.payloads);
  ASSERT_EQ((*back)->facts.size(), 1u);
  EXPECT_EQ((*back)->facts[0].bytes, request.facts[0].bytes);
  EXPECT_EQ(*encode_request(**back), *bytes);
  for (std::size_t size = 0; size < bytes->size(); ++size)
    EXPECT_FALSE(decode_request(Bytes(*bytes).first(size))) << size;
  Buffer other = *bytes;
  other[8] = Byte{2};  // its base time
  EXPECT_FALSE(decode_request(other));
}

TEST(SealedRequest, answers_come_back_as_they_were) {
  replica::Answer answer{3, 4, ledger::RecordIndex{5}, 6, {{ledger::Outcome::created, 7, 8}}};
  const auto back = decode_answer(encode_answer(answer));
  ASSERT_TRUE(back && *back);
  EXPECT_EQ((*back)->first_record, answer.first_record);
  ASSERT_EQ((*back)->results.size(), 1u);
  EXPECT_EQ((*back)->results[0].revision, 8u);
  const Error error{Code::failed_precondition, "forgotten"};
  const auto refused = decode_answer(encode_answer(error));
  ASSERT_TRUE(refused && !*refused);
  EXPECT_EQ(refused->error(), error);
  EXPECT_FALSE(decode_answer({}));
  EXPECT_FALSE(decode_answer(Buffer{Byte{200}}));
  Buffer cut = encode_answer(answer);
  cut.pop_back();
  EXPECT_FALSE(decode_answer(cut));
}

}  // namespace
}  // namespace meridian::cell
