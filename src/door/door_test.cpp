#include "door/door.h"

#include <gtest/gtest.h>

#include <set>

#include "door/internal/door_rig.h"
#include "sim/random.h"

namespace meridian::door {
namespace {

struct DoorTest : testing::Test {
  DoorRig rig;
  void SetUp() override { ASSERT_TRUE(rig.open().has_value()); }
  void reopen() {
    rig.close();
    const Status opened = rig.open();
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
  }
  std::string refusal(std::vector<CommandDraft> drafts) {
    auto made = rig.prepare(std::move(drafts));
    EXPECT_FALSE(made.has_value());
    return made ? "accepted" : made.error().message;
  }
  Door::SealedEvent seal(EventDraft draft) {
    auto made = rig.prepare({std::move(draft)});
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().message);
    return DoorRig::sealed(**made);
  }
};

ledger::Transfer transfer_with(std::uint64_t user_data_64, u128 user_data_128 = 0) {
  ledger::Transfer transfer{};
  transfer.id = 1;
  transfer.user_data_64 = user_data_64;
  transfer.user_data_128 = user_data_128;
  return transfer;
}
template <typename Command>
Bytes bytes_of(const Command& command) {
  return {reinterpret_cast<const Byte*>(&command), sizeof command};
}
bool contains(Bytes haystack, std::string_view needle) {
  return as_text(haystack).find(needle) != std::string_view::npos;
}

TEST_F(DoorTest, what_is_sealed_opens_again_also_after_a_restart) {
  EventDraft draft = event_draft(1, "anna");
  draft.metadata = to_buffer(as_bytes("{\"trace\":9}"));
  draft.more.push_back({"bert", 3, to_buffer(as_bytes("for bert"))});
  draft.more.push_back({"", 0, to_buffer(as_bytes("for nobody"))});
  const Door::SealedEvent event = seal(draft);
  EXPECT_FALSE(contains(event.payload, "well"));
  EXPECT_FALSE(contains(event.payload, "patient"));
  EXPECT_FALSE(contains(event.payload, "anna"));
  for (int restarts = 0; restarts < 2; ++restarts) {
    auto opened = rig.open_event(event);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    EXPECT_FALSE(opened->forgotten);
    EXPECT_EQ(opened->stream, draft.stream);
    EXPECT_EQ(opened->type, draft.type);
    EXPECT_EQ(opened->content_type, "application/json");
    EXPECT_EQ(opened->data, draft.data);
    EXPECT_EQ(opened->metadata, draft.metadata);
    ASSERT_EQ(opened->compartments.size(), 3U);
    EXPECT_EQ(opened->compartments[1].content, draft.more[0].content);
    EXPECT_EQ(opened->compartments[1].retention, 3);
    EXPECT_EQ(opened->compartments[2].content, draft.more[1].content);
    for (std::size_t i = 0; i < 3; ++i) {
      const auto& one = opened->compartments[i];
      const auto payload = ledger::Payload::decode(event.payload);
      EXPECT_EQ(ledger::commit(one.salt, one.content), payload->compartments[i].commitment);
    }
    reopen();
  }
}

TEST_F(DoorTest, a_retry_commits_to_the_same_and_seals_anew) {
  const Door::SealedEvent first = seal(event_draft(1, "anna"));
  const Door::SealedEvent second = seal(event_draft(1, "anna"));
  reopen();
  const Door::SealedEvent third = seal(event_draft(1, "anna"));
  EXPECT_EQ(first.header.payload_commitment, second.header.payload_commitment);
  EXPECT_EQ(first.header.payload_commitment, third.header.payload_commitment);
  EXPECT_NE(first.payload, second.payload);
  EXPECT_NE(second.payload, third.payload);
  // Another id or another subject commits to something else, though the content is equal.
  EXPECT_NE(seal(event_draft(2, "anna")).header.payload_commitment,
            first.header.payload_commitment);
  EXPECT_NE(seal(event_draft(1, "bert")).header.payload_commitment,
            first.header.payload_commitment);
  EXPECT_NE(seal(event_draft(1)).header.payload_commitment, first.header.payload_commitment);
}

TEST_F(DoorTest, a_forgotten_subject_is_unreadable_and_nobody_else) {
  EventDraft mixed = event_draft(3, "bert");
  mixed.more.push_back({"anna", 0, to_buffer(as_bytes("about anna"))});
  const Door::SealedEvent annas = seal(event_draft(1, "anna"));
  const Door::SealedEvent berts = seal(event_draft(2, "bert"));
  const Door::SealedEvent both = seal(mixed);
  const Door::SealedEvent nobodys = seal(event_draft(4));

  auto erased = rig.forget("anna");
  ASSERT_TRUE(erased.has_value()) << erased.error().message;
  EXPECT_EQ(erased->keys_destroyed, 2U) << "sealing and commitment key";
  EXPECT_EQ(erased->classes, (std::vector<std::uint8_t>{0}));
  ASSERT_EQ(erased->request->runs.size(), 1U);
  EXPECT_EQ(erased->request->runs[0].kind, ledger::CommandKind::erase_subject);
  const auto command = ledger::load_command<ledger::EraseSubject>(erased->request->commands.data());
  EXPECT_TRUE(command.subject == erased->subject);
  EXPECT_EQ(command.keys_destroyed, 2U);
  EXPECT_EQ(command.classes[0], 1);

  for (int restarts = 0; restarts < 2; ++restarts) {
    auto gone = rig.open_event(annas);
    ASSERT_TRUE(gone.has_value()) << gone.error().message;
    EXPECT_TRUE(gone->forgotten);
    EXPECT_TRUE(gone->data.empty() && gone->stream.empty() && gone->type.empty());
    EXPECT_TRUE(gone->compartments[0].content.empty());
    EXPECT_FALSE(rig.open_event(berts)->forgotten);
    EXPECT_FALSE(rig.open_event(nobodys)->forgotten);
    auto half = rig.open_event(both);
    ASSERT_TRUE(half.has_value());
    EXPECT_FALSE(half->forgotten);
    EXPECT_TRUE(half->compartments[1].forgotten);
    EXPECT_TRUE(half->compartments[1].content.empty());
    reopen();
  }
  EXPECT_NE(refusal({event_draft(9, "anna")}).find("was forgotten"), std::string::npos);
  EXPECT_TRUE(rig.prepare({event_draft(9, "bert")}).has_value());
}

TEST_F(DoorTest, damaged_or_moved_payloads_are_data_loss) {
  EventDraft draft = event_draft(1, "anna");
  draft.more.push_back({"", 0, to_buffer(as_bytes("more"))});
  const Door::SealedEvent event = seal(draft);
  for (std::size_t at = 0; at < event.payload.size(); ++at) {
    Door::SealedEvent damaged = event;
    damaged.payload[at] ^= static_cast<Byte>(1 << at % 8);
    auto opened = rig.open_event(damaged);
    ASSERT_FALSE(opened.has_value()) << "byte " << at;
    EXPECT_EQ(opened.error().code, Code::data_loss) << opened.error().message;
    EXPECT_TRUE(opened.error().message.starts_with("the payload of record 77 "))
        << opened.error().message;
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, event.payload.size() - 1}) {
    Door::SealedEvent cut = event;
    cut.payload.resize(size);
    EXPECT_EQ(rig.open_event(cut).error().code, Code::data_loss);
  }
  Door::SealedEvent of_another_event = event;
  std::get<ledger::EventBody>(of_another_event.header.body).event_id = 2;
  EXPECT_EQ(rig.open_event(of_another_event).error().code, Code::data_loss);
  Door::SealedEvent of_another_cell = event;
  of_another_cell.header.cell += 1;
  EXPECT_EQ(rig.open_event(of_another_cell).error().code, Code::data_loss);
  Door::SealedEvent no_event = event;
  no_event.header.body = ledger::SystemBody{};
  EXPECT_EQ(rig.open_event(no_event).error().message, "record 77 is not an event");
}

TEST_F(DoorTest, a_key_that_is_missing_without_an_erasure_is_damage_not_forgetting) {
  const Door::SealedEvent event = seal(event_draft(1, "anna"));
  rig.close();
  ASSERT_TRUE(rig.disk->remove("keys/table").has_value());
  ASSERT_TRUE(rig.open().has_value());
  auto opened = rig.open_event(event);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::data_loss);
  EXPECT_NE(opened.error().message.find("was not forgotten"), std::string::npos);
}

TEST_F(DoorTest, keys_are_durable_before_the_request_is_handed_out) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const Door::SealedEvent event = seal(event_draft(seed, "subject " + std::to_string(seed)));
    rig.crash(seed);
    ASSERT_TRUE(rig.open().has_value());
    EXPECT_TRUE(rig.open_event(event).has_value());
  }
}

TEST_F(DoorTest, personal_data_is_refused_and_counted_without_its_value) {
  EXPECT_EQ(refusal({transfer_with(0), transfer_with(4'111'111'111'111'111)}),
            "user_data_64 of command 1 looks like a card number: personal data must be in a sealed "
            "payload, never in a record's header");
  ledger::Account account{};
  std::string iban = "BE68539007547034";
  account.user_data_128 = load_le<u128>(reinterpret_cast<const Byte*>(iban.data()));
  EXPECT_EQ(refusal({account}),
            "user_data_128 of command 0 looks like an IBAN: personal data must be in a sealed "
            "payload, never in a record's header");
  auto packed = rig.door->prepare_packed(5, ledger::CommandKind::create_transfer,
                                         bytes_of(transfer_with(378'282'246'310'005)));
  ASSERT_FALSE(packed.has_value());
  EXPECT_EQ(packed.error().code, Code::invalid_argument);
  EventDraft tells = event_draft(1);
  tells.facts.purpose = "refund-4111111111111111";
  EXPECT_EQ(refusal({tells}),
            "facts.purpose of command 0 holds a card number (16 characters from 7 on): personal "
            "data must be in a sealed payload, never in a record's header");
  tells.facts.purpose = "refund";
  tells.facts.channel = "78-05-1120-078-05-1120";
  EXPECT_TRUE(contains(as_bytes(refusal({tells})), "facts.channel of command 0 holds a US social"));
  EXPECT_EQ(refusal({}), "the request holds 0 commands; it needs 1 to 8190");

  auto refusals = rig.door->take_refusals();
  ASSERT_NE(refusals, nullptr);
  ASSERT_EQ(refusals->command_count(), 2U);
  std::map<std::uint32_t, std::uint64_t> counts;
  for (std::uint32_t i = 0; i < 2; ++i) {
    const auto one = ledger::load_command<ledger::DoorRefusals>(refusals->commands.data() +
                                                                i * ledger::command_size);
    EXPECT_TRUE(one.actor == 5);
    EXPECT_EQ(one.minute, 1'700'000'000U / 60);
    counts[one.reason] = one.count;
  }
  EXPECT_EQ(counts, (std::map<std::uint32_t, std::uint64_t>{{1, 1}, {2, 5}}));
  const std::uint64_t card = 4'111'111'111'111'111;
  EXPECT_FALSE(contains(refusals->commands, as_text(bytes_of(card))));
  EXPECT_FALSE(contains(refusals->commands, iban));
  EXPECT_EQ(rig.door->take_refusals(), nullptr);
}

TEST_F(DoorTest, refusals_stay_bounded_however_many_actors_there_are) {
  for (std::uint64_t actor = 1; actor <= 5'000; ++actor)
    EXPECT_FALSE(
        rig.door->prepare_packed(actor, ledger::CommandKind::create_transfer, {}).has_value());
  auto refusals = rig.door->take_refusals();
  ASSERT_NE(refusals, nullptr);
  EXPECT_LE(refusals->command_count(), 1'025U);
  std::uint64_t total = 0;
  for (std::uint32_t i = 0; i < refusals->command_count(); ++i)
    total += ledger::load_command<ledger::DoorRefusals>(refusals->commands.data() +
                                                        i * ledger::command_size)
                 .count;
  EXPECT_EQ(total, 5'000U) << "counts stay exact";
}

TEST_F(DoorTest, malformed_drafts_are_refused_with_the_field_and_what_to_do) {
  EventDraft no_id = event_draft(0);
  EXPECT_EQ(refusal({transfer_with(1), no_id}),
            "event_id of command 1 is missing: choose one, so that sending it again cannot append "
            "it twice");
  EventDraft no_stream = event_draft(1);
  no_stream.stream.clear();
  EXPECT_EQ(refusal({no_stream}), "stream of command 0 has 0 bytes; it needs 1 to 1024");
  EventDraft long_type = event_draft(1);
  long_type.type.assign(1'025, 'x');
  EXPECT_EQ(refusal({long_type}), "type of command 0 has 1025 bytes; it needs 1 to 1024");
  EventDraft xml = event_draft(1);
  xml.content_type = "text/xml";
  EXPECT_EQ(refusal({xml}),
            "content_type of command 0 must be application/json or application/octet-stream");
  EventDraft broken = event_draft(1);
  broken.data = to_buffer(as_bytes("{\"a\":"));
  EXPECT_EQ(refusal({broken}), "data of command 0 is not JSON although content_type says so");
  EventDraft many = event_draft(1);
  many.more.resize(8);
  EXPECT_EQ(refusal({many}), "the event has 9 compartments; at most 8 are allowed");
  EventDraft large = event_draft(1);
  large.content_type = "application/octet-stream";
  large.data.resize(ledger::payload_size_max);
  EXPECT_NE(refusal({large}).find("at most 524288 fit"), std::string::npos);
  EventDraft reserved = event_draft(1, "anna");
  reserved.retention = 255;
  EXPECT_NE(refusal({reserved}).find("retention class 255 is reserved"), std::string::npos);
  EventDraft bad_facts = event_draft(1);
  bad_facts.facts.country = "Germany";
  EXPECT_NE(refusal({bad_facts}).find("country"), std::string::npos);
  DeletionDraft deletion;
  deletion.stream = "a";
  EXPECT_EQ(refusal({deletion}), "event_id of command 0 is missing: choose one");
  std::vector<CommandDraft> half(3, event_draft(1));
  for (CommandDraft& draft : half) {
    std::get<EventDraft>(draft).content_type = "application/octet-stream";
    std::get<EventDraft>(draft).data.resize(400 << 10);
  }
  EXPECT_EQ(refusal(half),
            "the request's commands and payloads pass 1048576 bytes at command 2: split it");
  EXPECT_EQ(
      rig.door->prepare_packed(5, ledger::CommandKind::create_account, Buffer(129)).error().message,
      "129 bytes are not one or more commands of 128 bytes");
  EXPECT_EQ(rig.door
                ->prepare_packed(5, ledger::CommandKind::create_transfer,
                                 Buffer(std::size_t{128} * 8'191))
                .error()
                .message,
            "the request holds 8191 commands; at most 8190 fit: split it");
}

TEST_F(DoorTest, the_largest_event_that_is_allowed_opens_again) {
  EventDraft large = event_draft(1);
  large.content_type = "application/octet-stream";
  large.data.resize(ledger::payload_size_max - 400, 7);
  auto opened = rig.open_event(seal(large));
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(opened->data, large.data);
}

TEST_F(DoorTest, an_atomic_request_is_one_chain_and_others_keep_their_own_links) {
  std::vector<CommandDraft> drafts = {ledger::Account{}, ledger::Transfer{}, event_draft(1),
                                      DeletionDraft{2, "s"}, ledger::Transfer{}};
  for (const bool atomic : {true, false}) {
    auto made = rig.prepare(drafts, atomic);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    const Byte* at = (*made)->commands.data();
    const auto flags = [&](std::size_t i) { return at + i * ledger::command_size; };
    EXPECT_EQ(ledger::load_command<ledger::Account>(flags(0)).flags, atomic ? 1 : 0);
    EXPECT_EQ(ledger::load_command<ledger::Transfer>(flags(1)).flags, atomic ? 1 : 0);
    EXPECT_EQ(ledger::load_command<ledger::AppendEvent>(flags(2)).flags, atomic ? 1 : 0);
    EXPECT_EQ(ledger::load_command<ledger::DeleteStream>(flags(3)).flags, atomic ? 1 : 0);
    EXPECT_EQ(ledger::load_command<ledger::Transfer>(flags(4)).flags, 0);
  }
}

TEST_F(DoorTest, what_waits_to_be_sealed_is_bounded) {
  EventDraft large = event_draft(1);
  large.data.resize(33 << 20, ' ');
  int refused = 0, done = 0;
  for (int i = 0; i < 3; ++i)
    rig.door->prepare(1, {large}, false, [&](DoorRig::Made made) {
      ++done;
      if (!made && made.error().code == Code::resource_exhausted) ++refused;
    });
  EXPECT_EQ(refused, 2) << "answered at once";
  rig.world.run_until_idle();
  EXPECT_EQ(done, 3);
  EXPECT_TRUE(rig.prepare({event_draft(1)}).has_value()) << "the room is free again";
}

TEST_F(DoorTest, names_become_ids_that_stay_and_do_not_mix) {
  const u128 stream = rig.door->stream_id("anna");
  std::set<u128> ids = {stream, rig.door->category_id("anna"), rig.door->type_id("anna"),
                        rig.door->actor_id("anna"), rig.door->stream_id("bert")};
  EXPECT_EQ(ids.size(), 5U);
  reopen();
  EXPECT_TRUE(rig.door->stream_id("anna") == stream);
  DoorRig other(2);
  ASSERT_TRUE(other.open().has_value());
  EXPECT_FALSE(other.door->stream_id("anna") == stream) << "another node, another key";
}

TEST_F(DoorTest, subject_status_tells_what_is_known) {
  const auto status = [&](std::string subject) {
    std::optional<Result<Door::SubjectStatus>> got;
    rig.door->subject_status(std::move(subject), [&](auto answer) { got = std::move(answer); });
    rig.world.run_until_idle();
    return *got;
  };
  EXPECT_FALSE(status("anna")->known);
  EventDraft draft = event_draft(1, "anna");
  draft.retention = 7;
  seal(draft);
  EXPECT_TRUE(status("anna")->known);
  EXPECT_FALSE(status("anna")->forgotten);
  EXPECT_EQ(status("anna")->classes, (std::vector<std::uint8_t>{7}));
  ASSERT_TRUE(rig.forget("anna").has_value());
  EXPECT_TRUE(status("anna")->forgotten);
  EXPECT_TRUE(status("anna")->classes.empty());
  EXPECT_FALSE(status("").has_value());
}

TEST_F(DoorTest, erasures_are_owed_until_their_record_is_confirmed) {
  seal(event_draft(1, "anna"));
  auto erased = rig.forget("anna");
  ASSERT_TRUE(erased.has_value());
  for (int restarts = 0; restarts < 2; ++restarts) {
    auto owed = rig.owed();
    ASSERT_TRUE(owed.has_value());
    ASSERT_EQ(owed->size(), 1U);
    EXPECT_EQ((*owed)[0].keys_destroyed, erased->keys_destroyed) << "what the record says stays";
    EXPECT_EQ((*owed)[0].epoch, erased->epoch);
    EXPECT_EQ((*owed)[0].classes, erased->classes);
    EXPECT_EQ((*owed)[0].request->commands, erased->request->commands);
    EXPECT_TRUE((*owed)[0].request->actor == 5);
    reopen();
  }
  rig.door->confirm_recorded(erased->actor, erased->commands);
  rig.world.run_until_idle();
  EXPECT_TRUE(rig.owed()->empty());
  reopen();
  EXPECT_TRUE(rig.owed()->empty());
}

/// Power fails at every change of the disk while a subject is forgotten: afterwards either nothing
/// has begun, or owed_erasures finishes it and nothing opens what was sealed.
TEST(DoorCrash, a_forget_that_was_begun_is_finished_after_a_restart) {
  int begun = 0, untouched = 0;
  for (std::uint64_t at = 1;; ++at) {
    bool crashed = false;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      SCOPED_TRACE("mutation " + std::to_string(at) + " seed " + std::to_string(seed));
      DoorRig rig(seed);
      ASSERT_TRUE(rig.open().has_value());
      auto annas = rig.prepare({event_draft(1, "anna")});
      auto berts = rig.prepare({event_draft(2, "bert")});
      ASSERT_TRUE(annas.has_value() && berts.has_value());
      rig.disk->crash_at_mutation(rig.disk->mutation_count() + at);
      auto erased = rig.forget("anna");
      crashed = rig.disk->has_crashed();
      rig.crash(seed);
      const Status opened = rig.open();
      ASSERT_TRUE(opened.has_value()) << opened.error().message;
      auto owed = rig.owed();
      ASSERT_TRUE(owed.has_value()) << owed.error().message;
      if (erased) {
        EXPECT_EQ(owed->size(), 1U) << "answered, so it is owed";
      }
      auto opened_event = rig.open_event(DoorRig::sealed(**annas));
      ASSERT_TRUE(opened_event.has_value()) << opened_event.error().message;
      if (owed->empty()) {
        ++untouched;
        EXPECT_FALSE(opened_event->forgotten);
      } else {
        ++begun;
        EXPECT_TRUE(opened_event->forgotten);
        EXPECT_EQ((*owed)[0].classes, (std::vector<std::uint8_t>{0}));
      }
      EXPECT_FALSE(rig.open_event(DoorRig::sealed(**berts))->forgotten);
    }
    if (!crashed) break;
  }
  EXPECT_GT(begun, 10);
  EXPECT_GT(untouched, 2);
}

TEST(DoorOpen, what_a_version_before_owed_is_taken_over) {
  DoorRig rig;
  ASSERT_TRUE(rig.open().has_value());
  const u128 anna = rig.door->subject_id("anna");
  rig.close();
  Buffer old;
  ByteWriter out(old);
  out.id(anna);
  out.id(5);
  out.u8(0x80);  // class 7
  out.zeros(31);
  out.u32(2);
  out.u32(1);
  ASSERT_TRUE(io::replace_file(*rig.disk, "keys/owed", old).has_value());
  for (int starts = 0; starts < 2; ++starts, rig.close()) {
    ASSERT_TRUE(rig.open().has_value());
    EXPECT_FALSE(*rig.disk->exists("keys/owed"));
    const auto owed = rig.owed();
    ASSERT_TRUE(owed.has_value());
    ASSERT_EQ(owed->size(), 1U);
    EXPECT_EQ((*owed)[0].subject, anna);
    EXPECT_EQ((*owed)[0].classes, std::vector<std::uint8_t>{7});
    EXPECT_EQ((*owed)[0].keys_destroyed, 2U);
    EXPECT_TRUE((*owed)[0].request->actor == 5);
  }
}

TEST(DoorOpen, a_damaged_list_of_owed_erasures_is_named) {
  DoorRig rig;
  ASSERT_TRUE(rig.open().has_value());
  rig.close();
  ASSERT_TRUE(io::replace_file(*rig.disk, "keys/owed", Buffer(71)).has_value());
  const Status opened = rig.open();
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::data_loss);
  EXPECT_NE(opened.error().message.find("keys/owed is damaged"), std::string::npos);
}

}  // namespace
}  // namespace meridian::door
