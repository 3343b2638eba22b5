// Event streams: append with an expected revision, idempotent by event id, soft deletion.
//
//   (nothing) --append--> live --delete--> deleted --append--> live
//
// A deleted stream takes new events (expected any, none, or exactly its last revision) and goes on
// numbering where it was; `exists` fails with stream_deleted. A deletion has no revision of its
// own: it names the last one that it hides.
#include "base/assert.h"
#include "ledger/internal/command_checks.h"
#include "ledger/internal/ledger_state.h"

namespace meridian::ledger::internal {
namespace {

constexpr std::uint64_t revision_max = timestamp_max;

EventOutcome check_fields(const AppendEvent& command) {
  if ((command.flags & ~event_flag_linked) != 0) return EventOutcome::reserved_flag;
  if (!all_zero(command.zero) || command.expected > Expected::exact ||
      command.classification > classification_max ||
      (command.content_type != ContentType::bytes && command.content_type != ContentType::json))
    return EventOutcome::reserved_field;
  if (command.event_id == 0) return EventOutcome::id_must_not_be_zero;
  if (command.event_id == u128_max) return EventOutcome::id_must_not_be_int_max;
  if (command.stream == 0) return EventOutcome::stream_must_not_be_zero;
  if (command.category == 0) return EventOutcome::category_must_not_be_zero;
  if (command.type == 0) return EventOutcome::type_must_not_be_zero;
  return EventOutcome::created;
}

EventOutcome check_fields(const DeleteStream& command) {
  if ((command.flags & ~event_flag_linked) != 0) return EventOutcome::reserved_flag;
  if (!all_zero(command.zero_a) || !all_zero(command.zero_b) || !all_zero(command.zero_c) ||
      command.expected > Expected::exact)
    return EventOutcome::reserved_field;
  if (command.event_id == 0) return EventOutcome::id_must_not_be_zero;
  if (command.event_id == u128_max) return EventOutcome::id_must_not_be_int_max;
  if (command.stream == 0) return EventOutcome::stream_must_not_be_zero;
  return EventOutcome::created;
}

/// What an id that was used before stands for.
struct PastEvent {
  bool is_deletion;
  u128 stream;
  u128 type;
  ContentType content_type;
  crypto::Digest commitment;
  std::uint64_t revision;
};

Result<PastEvent> past_event(LedgerState& state, RecordIndex at) {
  if (raw(at) >= state.records) {
    auto number = static_cast<std::uint32_t>(raw(at) - state.records);
    const Byte* command = state.entry->command(number);
    std::uint64_t revision = state.applied->effects[number].revision;
    if (state.kinds[number] == CommandKind::append_event) {
      auto event = load_command<AppendEvent>(command);
      return PastEvent{false,   event.stream, event.type, event.content_type, event.commitment,
                       revision};
    }
    ASSERT(state.kinds[number] == CommandKind::delete_stream);
    return PastEvent{true,    load_command<DeleteStream>(command).stream, 0, ContentType::bytes, {},
                     revision};
  }
  Header header = TRY(state.history.read(at));
  if (const auto* event = std::get_if<EventBody>(&header.body))
    return PastEvent{
        false,          event->stream, event->type, event->content_type, header.payload_commitment,
        event->revision};
  if (const auto* deletion = std::get_if<DeletionBody>(&header.body))
    return PastEvent{true, deletion->stream, 0, ContentType::bytes, {}, deletion->revision};
  return fail(Code::data_loss, "record " + std::to_string(raw(at)) +
                                   " must be an event or a stream deletion: the id index or the "
                                   "record is damaged");
}

/// Compared to the stream as it stands; `stream` is null if it never existed.
EventOutcome check_revision(Expected expected, std::uint64_t revision, const StreamSlot* stream) {
  bool deleted = stream != nullptr && stream->deleted();
  bool as_expected = true;
  switch (expected) {
    case Expected::any: break;
    case Expected::none: as_expected = stream == nullptr || deleted; break;
    case Expected::exists:
      if (deleted) return EventOutcome::stream_deleted;
      as_expected = stream != nullptr;
      break;
    case Expected::exact:
      as_expected = stream != nullptr && stream->last_revision == revision;
      break;
  }
  return as_expected ? EventOutcome::created : EventOutcome::wrong_expected_revision;
}

}  // namespace

Result<Outcome> LedgerState::judge_event(const AppendEvent& command, const CommandPlace& place,
                                         Effect& effect) {
  EventOutcome verdict = check_fields(command);
  if (verdict != EventOutcome::created) return outcome(verdict);
  if (auto at = TRY(history.find(IdSpace::event, command.event_id)); at.has_value()) {
    PastEvent past = TRY(past_event(*this, *at));
    if (command.stream != past.stream) return outcome(EventOutcome::exists_with_different_stream);
    if (past.is_deletion) return outcome(EventOutcome::exists_with_different_kind);
    if (command.type != past.type) return outcome(EventOutcome::exists_with_different_type);
    if (command.content_type != past.content_type)
      return outcome(EventOutcome::exists_with_different_content_type);
    if (command.commitment != past.commitment)
      return outcome(EventOutcome::exists_with_different_payload);
    effect.revision = past.revision;
    return outcome(EventOutcome::exists);
  }
  std::uint32_t slot = streams.find(command.stream);
  verdict = check_revision(command.expected, command.expected_revision,
                           slot == no_slot ? nullptr : &streams[slot]);
  if (verdict != EventOutcome::created) return outcome(verdict);
  if (slot != no_slot && streams[slot].last_revision >= revision_max)
    return outcome(EventOutcome::revision_overflow);

  insert_id(IdSpace::event, command.event_id, record_of(place));
  if (slot == no_slot) {
    effect.revision = 0;
    streams.add({.stream = command.stream,
                 .last_revision = 0,
                 .last_record = record_of(place),
                 .first_revision = 0,
                 .saved_epoch = 0});
    if (chain_open) undo.push_back({.kind = Undo::Kind::stream_added});
    return Outcome::created;
  }
  StreamSlot& stream = change_stream(slot);
  effect.previous_debit = stream.last_record;
  effect.revision = ++stream.last_revision;
  stream.last_record = record_of(place);
  return Outcome::created;
}

Result<Outcome> LedgerState::judge_deletion(const DeleteStream& command, const CommandPlace& place,
                                            Effect& effect) {
  EventOutcome verdict = check_fields(command);
  if (verdict != EventOutcome::created) return outcome(verdict);
  if (auto at = TRY(history.find(IdSpace::event, command.event_id)); at.has_value()) {
    PastEvent past = TRY(past_event(*this, *at));
    if (command.stream != past.stream) return outcome(EventOutcome::exists_with_different_stream);
    if (!past.is_deletion) return outcome(EventOutcome::exists_with_different_kind);
    effect.revision = past.revision;
    return outcome(EventOutcome::exists);
  }
  std::uint32_t slot = streams.find(command.stream);
  if (slot != no_slot && streams[slot].deleted()) return outcome(EventOutcome::stream_deleted);
  verdict = check_revision(command.expected, command.expected_revision,
                           slot == no_slot ? nullptr : &streams[slot]);
  if (verdict != EventOutcome::created) return outcome(verdict);
  if (slot == no_slot) return outcome(EventOutcome::stream_not_found);

  insert_id(IdSpace::event, command.event_id, record_of(place));
  StreamSlot& stream = change_stream(slot);
  effect.previous_debit = stream.last_record;
  effect.revision = stream.last_revision;
  stream.last_record = record_of(place);
  stream.first_revision = stream.last_revision + 1;
  return Outcome::created;
}

}  // namespace meridian::ledger::internal
