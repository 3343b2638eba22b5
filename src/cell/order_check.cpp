#include "cell/order_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "cell/issuance_records.h"
#include "cell/reading.h"
#include "cell/schema_book.h"
#include "door/signed_text.h"
#include "ledger/payload.h"
#include "mesh/act_history.h"
#include "mesh/policy_history.h"

namespace meridian::cell {
namespace {

constexpr std::array<std::string_view, 5> own_streams = {
    SchemaBook::stream, door::signatures_stream, mesh::policy_stream, mesh::acts_stream,
    readings_stream};

Error not_for_others(std::string_view why) {
  return {Code::permission_denied,
          fmt::format("what is the cell's own is written by who leads, but for readings: {}", why)};
}

/// Calls `look` with each command that is one of a stream, and its bytes.
template <typename Look>
void each_of_streams(const ledger::Request& request, Look look) {
  const Byte* at = request.commands.data();
  for (const ledger::Run& run : request.runs)
    for (std::uint32_t i = 0; i < run.count; ++i, at += ledger::command_size) look(run.kind, at);
}

}  // namespace

void OrderCheck::check(const ledger::Request& request, const std::string& region,
                       const Checked& checked) const {
  if (const Status ready = parts_.door.ready(); !ready) return checked(ready);
  if (request.attester != ledger::Attester::door)
    return checked(fail(Code::invalid_argument, "it is not for a door to ask"));
  if (is_of_cell(request)) return check_readings(request, checked);
  checked(check_resident(request, region));
}

/// A stream whose name no replica elsewhere can look up is found by its category.
bool OrderCheck::is_of_cell(const ledger::Request& request) const {
  bool found = request.actor == parts_.door.actor_id(own_actor);
  const auto is_own = [&](u128 stream, u128 category) {
    return category == parts_.door.category_id(ledger::category_of(issuances_stream(""))) ||
           std::ranges::any_of(own_streams, [&](std::string_view name) {
             return stream == parts_.door.stream_id(name) ||
                    category == parts_.door.category_id(name);
           });
  };
  each_of_streams(request, [&](ledger::CommandKind kind, const Byte* at) {
    if (kind == ledger::CommandKind::append_event) {
      const auto event = ledger::load_command<ledger::AppendEvent>(at);
      found |= is_own(event.stream, event.category);
    } else if (kind == ledger::CommandKind::delete_stream) {
      found |= is_own(ledger::load_command<ledger::DeleteStream>(at).stream, 0);
    }
  });
  return found;
}

/// Exactly what a keeper of readings makes where another leads: what it says is the replica's word.
void OrderCheck::check_readings(const ledger::Request& request, const Checked& checked) const {
  Result<door::Door::SealedEvent> event = readings_event(request);
  if (!event) return checked(event.error());
  parts_.door.open_events({std::move(*event)}, [checked](const auto& opened) {
    if (!opened.front()) return checked(opened.front().error());
    const door::OpenedEvent& one = *opened.front();
    if (one.stream != readings_stream || one.type != readings_type || !one.metadata.empty())
      return checked(not_for_others("its payload has other names"));
    checked(cell::check_readings(as_text(one.data)));
  });
}

Result<door::Door::SealedEvent> OrderCheck::readings_event(const ledger::Request& request) const {
  const door::Door& door = parts_.door;
  if (request.actor != door.actor_id(own_actor)) return not_for_others("its actor is another");
  if (request.command_count() != 1 || !request.facts.empty() ||
      request.runs.front().kind != ledger::CommandKind::append_event)
    return not_for_others("it is more than one event");
  const auto event = ledger::load_command<ledger::AppendEvent>(request.commands.data());
  ledger::AppendEvent expected{};
  expected.event_id = event.event_id;
  expected.stream = door.stream_id(readings_stream);
  expected.category = door.category_id(ledger::category_of(readings_stream));
  expected.type = door.type_id(readings_type);
  expected.commitment = event.commitment;
  expected.payload_size = event.payload_size;
  expected.content_type = ledger::ContentType::json;
  if (event.event_id == 0 || event != expected) return not_for_others("it is another event");
  const ledger::Payload payload = TRY(ledger::Payload::decode(request.payloads));
  if (payload.compartments.size() != 1 ||
      payload.compartments.front().key_kind != ledger::KeyKind::own)
    return not_for_others("it is about a person");
  door::Door::SealedEvent sealed;
  sealed.header.kind = ledger::CommandKind::append_event;
  sealed.header.cell = parts_.cell;
  sealed.header.payload_commitment = event.commitment;
  ledger::EventBody body;
  body.event_id = event.event_id;
  sealed.header.body = body;
  sealed.payload = request.payloads;
  return sealed;
}

/// As if its own door had sealed it just now.
Status OrderCheck::check_resident(const ledger::Request& request, const std::string& region) const {
  if (parts_.table.makes_in() == 0)
    return fail(Code::unavailable, "this replica does not make keys of persons now");
  const storage::Keeping& keeping = parts_.table.keeping();
  bool is_resident = false;
  const auto check_event = [&](const ledger::AppendEvent& event) -> Status {
    const ledger::Payload payload = TRY(ledger::Payload::decode(
        Bytes(request.payloads).subspan(event.payload_offset, event.payload_size)));
    for (const ledger::Compartment& one : payload.compartments) {
      if (one.key_kind != ledger::KeyKind::subject) continue;
      TRY(parts_.table.check_sealed(one.subject, {one.retention, one.key_version}));
      const storage::Jurisdiction* place = keeping.home_of(one.retention);
      is_resident |= place != nullptr;
      if (place != nullptr && !place->has(region))
        return fail(Code::permission_denied,
                    fmt::format("a replica in {} seals nothing for the jurisdiction {}", region,
                                to_text(*place)));
    }
    return {};
  };
  Status checked;
  each_of_streams(request, [&](ledger::CommandKind kind, const Byte* at) {
    if (kind == ledger::CommandKind::append_event && checked)
      checked = check_event(ledger::load_command<ledger::AppendEvent>(at));
  });
  if (checked && !is_resident)
    return fail(Code::permission_denied,
                "nothing of it lives in a jurisdiction: who leads seals that itself");
  return checked;
}

}  // namespace meridian::cell
