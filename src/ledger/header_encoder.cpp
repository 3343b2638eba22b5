// Straight stores into `out`: the common part from a template, the body mostly one copy of the
// command, then the sections that are there. Layout: docs/formats/header.md.
#include <cstring>

#include "base/assert.h"
#include "ledger/header.h"
#include "ledger/internal/command_checks.h"
#include "ledger/internal/header_layout.h"
#include "ledger/ledger.h"

namespace meridian::ledger {
namespace {

using layout::put;
using layout::put_bytes;

// What a body adds to the sections and the common part.
struct BodyEnd {
  Byte* at;
  std::uint16_t sections = 0;
  std::uint8_t classification = 0;
  std::uint8_t retention = 0;
  u128 requested_amount = 0;
  std::uint64_t imported_time = 0;
  const Byte* commitment = nullptr;  // in the command, if section bit 6 is set
};

BodyEnd put_applied(BodyEnd body, const Effect& effect) {
  bool wide = layout::needs_wide(effect.debit, effect.credit);
  if (wide) body.sections |= layout::wide_balances;
  body.at = layout::put_balances(body.at, effect.debit, effect.credit, wide);
  body.at = put(body.at, raw(effect.previous_debit));
  body.at = put(body.at, raw(effect.previous_credit));
  return body;
}

BodyEnd put_imported(BodyEnd body, std::uint64_t timestamp) {
  if (timestamp == 0) [[likely]]
    return body;
  body.sections |= layout::imported_time;
  body.imported_time = timestamp;
  return body;
}

// A post or void that was created names what it ends in full, whatever the client left out: its
// receipt must tell the accounts without a second one.
void put_resolved(Byte* at, const Transfer& command, const Effect& effect,
                  std::span<const Transfer> ended) {
  ASSERT(effect.revision < ended.size());
  ASSERT(ended[effect.revision].id == command.pending_id);
  Transfer whole = resolved(command, ended[effect.revision]);
  put_bytes(at, Bytes(reinterpret_cast<const Byte*>(&whole), layout::object_body_size));
}

BodyEnd put_transfer(Byte* at, const Byte* command, const Effect& effect,
                     std::span<const Transfer> ended) {
  put_bytes(at, Bytes(command, layout::object_body_size));
  BodyEnd body{.at = at + layout::object_body_size};
  if (effect.outcome == Outcome::created) [[likely]] {
    if ((load_le<std::uint16_t>(command + offsetof(Transfer, flags)) & transfer_resolves) != 0)
      put_resolved(at, load_command<Transfer>(command), effect, ended);
    Byte* amount = at + offsetof(Transfer, amount);
    auto requested = load_le<u128>(amount);
    if (requested != effect.amount) {
      body.sections |= layout::requested_amount;
      body.requested_amount = requested;
      store_le(amount, effect.amount);
    }
    body = put_applied(body, effect);
  }
  return put_imported(body, load_le<std::uint64_t>(command + offsetof(Transfer, timestamp)));
}

// The pending transfer that ended; of a refused expiry no more is known than its id.
BodyEnd put_expiry(Byte* at, const Byte* command, const Effect& effect,
                   std::span<const Transfer> expired) {
  Transfer transfer{};
  transfer.id = load_command<ExpirePending>(command).transfer_id;
  bool applied = effect.outcome == Outcome::created;
  if (applied) {
    ASSERT(effect.revision < expired.size());
    ASSERT(expired[effect.revision].id == transfer.id);
    transfer = expired[effect.revision];
    transfer.amount = effect.amount;
  }
  transfer.pending_id = transfer.id;
  put_bytes(at, Bytes(reinterpret_cast<const Byte*>(&transfer), layout::object_body_size));
  BodyEnd body{.at = at + layout::object_body_size};
  return applied ? put_applied(body, effect) : body;
}

BodyEnd put_account(Byte* at, const Byte* command) {
  at = put_bytes(at, Bytes(command, layout::object_body_size));
  return put_imported(BodyEnd{.at = at},
                      load_le<std::uint64_t>(command + offsetof(Account, timestamp)));
}

BodyEnd put_event(Byte* at, const Byte* command, const Effect& effect) {
  auto event = load_command<AppendEvent>(command);
  bool created = effect.outcome == Outcome::created;
  if (created) {
    ASSERT(effect.revision != no_revision);
    ASSERT(event.classification <= classification_max);
    ASSERT(event.expected <= Expected::exact);
    ASSERT(event.content_type == ContentType::bytes || event.content_type == ContentType::json);
  }
  at = put_bytes(at, Bytes(command, offsetof(AppendEvent, commitment)));
  at = put(at, created ? effect.revision : no_revision);
  at = put(at, event.expected_revision);
  at = put(at, raw(created ? effect.previous_debit : no_record));
  at = put(at, event.payload_size);
  at = put(at, event.expected);
  at = put(at, event.content_type);
  at = put(at, event.flags);
  BodyEnd body{.at = at, .classification = event.classification, .retention = event.retention};
  if (!all_zero(event.commitment)) {
    body.sections |= layout::payload;
    body.commitment = command + offsetof(AppendEvent, commitment);
  }
  return body;
}

BodyEnd put_deletion(Byte* at, const Byte* command, const Effect& effect) {
  auto deletion = load_command<DeleteStream>(command);
  bool created = effect.outcome == Outcome::created;
  if (created) ASSERT(deletion.expected <= Expected::exact);
  at = put_bytes(at, Bytes(command, offsetof(DeleteStream, zero_a)));
  at = put(at, created ? effect.revision : no_revision);
  at = put(at, deletion.expected_revision);
  at = put(at, raw(created ? effect.previous_debit : no_record));
  at = put(at, std::uint32_t{0});
  at = put(at, deletion.expected);
  at = put(at, std::uint8_t{0});
  at = put(at, deletion.flags);
  return BodyEnd{.at = at};
}

BodyEnd put_body(Byte* at, CommandKind kind, const Byte* command, const Effect& effect,
                 std::span<const Transfer> expired) {
  switch (kind) {
    case CommandKind::create_transfer: return put_transfer(at, command, effect, expired);
    case CommandKind::create_account: return put_account(at, command);
    case CommandKind::append_event: return put_event(at, command, effect);
    case CommandKind::delete_stream: return put_deletion(at, command, effect);
    case CommandKind::expire_pending: return put_expiry(at, command, effect, expired);
    case CommandKind::open_generation:
    case CommandKind::set_feature_level:
    case CommandKind::state_digest:
    case CommandKind::time_advance:
    case CommandKind::erase_subject:
    case CommandKind::door_refusals:
    case CommandKind::dropped_tail:
    case CommandKind::member_change:
    case CommandKind::cell_key_grant:
    case CommandKind::subject_key:
    case CommandKind::turn_epoch:
    case CommandKind::set_retention:
    case CommandKind::place_hold:
    case CommandKind::release_hold:
    case CommandKind::forget_subject:
    case CommandKind::erase_key:
    case CommandKind::expire_class:
    case CommandKind::set_residency:
    case CommandKind::residency_key:
    case CommandKind::turn_residency:
    case CommandKind::entry_skipped: break;
  }
  return BodyEnd{.at = put_bytes(at, Bytes(command, command_size))};
}

}  // namespace

HeaderEncoder::HeaderEncoder(const EntryPosition& position, const EntryView& entry)
    : entry_(entry), first_record_(raw(position.first_record)), salt_key_(entry.secret()) {
  common_[layout::version_at] = layout::header_version;
  store_le(&common_[layout::cell_at], position.cell);
  store_le(&common_[layout::term_at], position.term);
  store_le(&common_[layout::entry_index_at], position.entry_index);
  store_le(&common_[layout::clock_uncertainty_at], entry.clock_uncertainty_us());
}

const Byte* HeaderEncoder::salt_of(std::uint64_t record_index) {
  std::uint64_t pair = record_index >> 1;
  if (pair != salt_pair_) {
    std::array<Byte, 8> message;
    store_le(message.data(), pair);
    salts_ = salt_key_.mac(message);
    salt_pair_ = pair;
  }
  return salts_.data() + (record_index & 1) * layout::salt_size;
}

std::size_t HeaderEncoder::encode(std::uint32_t number, CommandKind kind,
                                  const RequestHeader& request, const Effect& effect,
                                  std::span<const Transfer> expired, MutableBytes out) {
  ASSERT(out.size() >= header_size_max);
  ASSERT(number < entry_.command_count());
  Byte* start = out.data();
  std::uint64_t record_index = first_record_ + number;
  std::memcpy(start, common_.data(), header_common_size);

  BodyEnd body =
      put_body(start + header_common_size, kind, entry_.command(number), effect, expired);
  Byte* at = body.at;
  std::uint16_t sections = body.sections;
  if (sections & layout::requested_amount) at = put(at, body.requested_amount);
  if (sections & layout::imported_time) at = put(at, body.imported_time);
  if (entry_.has_facts()) {
    if (Bytes facts = entry_.facts(number); !facts.empty()) {
      sections |= layout::facts;
      at = put_bytes(put(at, static_cast<std::uint16_t>(facts.size())), facts);
    }
  }
  if (!all_zero(request.signature_digest)) {
    sections |= layout::client_signature;
    at = put_bytes(at, request.signature_digest);
  }
  if (sections & layout::payload)
    at = put_bytes(at, Bytes(body.commitment, sizeof(crypto::Digest)));

  start[layout::kind_at] = static_cast<Byte>(kind);
  store_le(start + layout::sections_at, sections);
  store_le(start + layout::outcome_at, effect.outcome);
  start[layout::classification_at] = body.classification;
  start[layout::retention_at] = body.retention;
  store_le(start + layout::record_index_at, record_index);
  store_le(start + layout::time_at, entry_.base_time() + number);
  start[layout::attester_at] = static_cast<Byte>(request.attester);
  store_le(start + layout::actor_at, request.actor);
  std::memcpy(start + layout::salt_at, salt_of(record_index), layout::salt_size);
  return static_cast<std::size_t>(at - start);
}

}  // namespace meridian::ledger
