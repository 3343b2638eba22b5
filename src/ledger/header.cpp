// header = common(96) body(by kind) section*                      (docs/formats/header.md)
#include "ledger/header.h"

#include <cstring>

#include "base/assert.h"
#include "ledger/internal/command_checks.h"
#include "ledger/internal/header_layout.h"

namespace meridian::ledger {
namespace {

using layout::put;
using layout::put_bytes;

struct BodyWriter {
  const Header& header;
  Byte* at;
  std::uint16_t sections = 0;

  void operator()(const TransferBody& body) {
    ASSERT(layout::is_transfer(header.kind));
    ASSERT(body.applied == (header.outcome == Outcome::created));
    at = put_bytes(at,
                   Bytes(reinterpret_cast<const Byte*>(&body.transfer), layout::object_body_size));
    if (!body.applied) return;
    bool wide = layout::needs_wide(body.debit, body.credit);
    if (wide) sections |= layout::wide_balances;
    at = layout::put_balances(at, body.debit, body.credit, wide);
    at = put(at, raw(body.previous_debit));
    at = put(at, raw(body.previous_credit));
    bool reduced = body.requested_amount != body.transfer.amount;
    if (reduced && header.kind == CommandKind::create_transfer)
      sections |= layout::requested_amount;
  }
  void operator()(const AccountBody& body) {
    ASSERT(header.kind == CommandKind::create_account);
    at = put_bytes(at,
                   Bytes(reinterpret_cast<const Byte*>(&body.account), layout::object_body_size));
  }
  void operator()(const EventBody& body) {
    ASSERT(header.kind == CommandKind::append_event);
    at = put(put(put(put(at, body.event_id), body.stream), body.category), body.type);
    at = put(put(put(at, body.revision), body.expected_revision), raw(body.previous));
    at = put(put(put(put(at, body.payload_size), body.expected), body.content_type), body.flags);
  }
  void operator()(const DeletionBody& body) {
    ASSERT(header.kind == CommandKind::delete_stream);
    at = put(put(at, body.event_id), body.stream);
    at = put(put(put(at, body.revision), body.expected_revision), raw(body.previous));
    at = put(put(put(put(at, std::uint32_t{0}), body.expected), std::uint8_t{0}), body.flags);
  }
  void operator()(const SystemBody& body) {
    ASSERT(!made_by_clients(header.kind));
    ASSERT(header.kind != CommandKind::expire_pending);
    at = put_bytes(at, body.command);
  }
};

void write_common(const Header& header, std::uint16_t sections, Byte* out) {
  std::memset(out, 0, header_common_size);
  out[layout::version_at] = layout::header_version;
  out[layout::kind_at] = static_cast<Byte>(header.kind);
  store_le(out + layout::sections_at, sections);
  store_le(out + layout::outcome_at, header.outcome);
  out[layout::classification_at] = header.classification;
  out[layout::retention_at] = header.retention;
  store_le(out + layout::cell_at, header.cell);
  store_le(out + layout::record_index_at, header.record_index);
  store_le(out + layout::term_at, header.term);
  store_le(out + layout::entry_index_at, header.entry_index);
  store_le(out + layout::time_at, header.time);
  store_le(out + layout::clock_uncertainty_at, header.clock_uncertainty_us);
  out[layout::attester_at] = static_cast<Byte>(header.attester);
  out[layout::decision_at] = header.decision;
  store_le(out + layout::actor_at, header.actor);
  put_bytes(out + layout::salt_at, header.salt);
}

std::uint16_t common_sections(const Header& header) {
  std::uint16_t sections = 0;
  if (header.imported_time != 0) sections |= layout::imported_time;
  if (!header.facts.empty()) sections |= layout::facts;
  if (!all_zero(header.signature_digest)) sections |= layout::client_signature;
  if (!all_zero(header.rule_set)) sections |= layout::rules;
  if (!all_zero(header.payload_commitment)) sections |= layout::payload;
  return sections;
}

Byte* put_sized(Byte* at, Bytes bytes) {
  return put_bytes(put(at, static_cast<std::uint16_t>(bytes.size())), bytes);
}

}  // namespace

Buffer Header::encode() const {
  ASSERT(facts.size() <= facts_size_max);
  ASSERT(rule_aggregates.size() <= layout::aggregates_size_max);
  ASSERT(rule_aggregates.empty() || !all_zero(rule_set));
  Buffer out(header_size_max);
  BodyWriter writer{*this, out.data() + header_common_size};
  std::visit(writer, body);
  Byte* at = writer.at;
  std::uint16_t sections = writer.sections | common_sections(*this);
  if (sections & layout::requested_amount)
    at = put(at, std::get<TransferBody>(body).requested_amount);
  if (sections & layout::imported_time) at = put(at, imported_time);
  if (sections & layout::facts) at = put_sized(at, facts);
  if (sections & layout::client_signature) at = put_bytes(at, signature_digest);
  if (sections & layout::rules) at = put_sized(put_bytes(at, rule_set), rule_aggregates);
  if (sections & layout::payload) at = put_bytes(at, payload_commitment);
  write_common(*this, sections, out.data());
  out.resize(static_cast<std::size_t>(at - out.data()));
  return out;
}

u128 command_id(const Header& header) {
  return std::visit(
      [](const auto& body) -> u128 {
        using Body = std::decay_t<decltype(body)>;
        if constexpr (std::is_same_v<Body, TransferBody>)
          return body.transfer.id;
        else if constexpr (std::is_same_v<Body, AccountBody>)
          return body.account.id;
        else if constexpr (std::is_same_v<Body, SystemBody>)
          return 0;
        else
          return body.event_id;
      },
      header.body);
}

}  // namespace meridian::ledger
