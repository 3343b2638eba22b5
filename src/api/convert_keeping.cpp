#include "api/convert_keeping.h"

#include <fmt/format.h>

#include "api/convert.h"
#include "ledger/describe.h"

namespace meridian::api {
namespace {

/// Classes of a bit set; none if it covers all of them.
std::vector<std::uint32_t> classes_in(const storage::Hold& hold) {
  std::vector<std::uint32_t> classes;
  for (std::uint32_t retention = 0; retention < storage::forgotten_row; ++retention)
    if (hold.covers(static_cast<std::uint8_t>(retention))) classes.push_back(retention);
  if (classes.size() == storage::forgotten_row) classes.clear();
  return classes;
}

Result<std::uint8_t> parse_class(std::uint32_t retention) {
  if (retention >= storage::forgotten_row)
    return fail(Code::invalid_argument,
                fmt::format("retention class {}: it must be 0 to 253", retention));
  return static_cast<std::uint8_t>(retention);
}

Result<storage::Span> parse_field(std::string_view name, const std::string& text) {
  Result<storage::Span> span = storage::parse_span(text);
  if (!span) return with_context(span.error(), name);
  return span;
}

}  // namespace

Result<door::RetentionDraft> parse_retention(const v1::RetentionClass& message) {
  storage::RetentionClass retention;
  retention.retention = TRY(parse_class(message.retention()));
  if (message.name().size() > storage::class_name_size)
    return fail(Code::invalid_argument, "name: at most 24 bytes");
  if (message.basis().size() > storage::class_basis_size)
    return fail(Code::invalid_argument, "basis: at most 44 bytes");
  retention.name = storage::text_field<storage::class_name_size>(message.name());
  retention.basis = storage::text_field<storage::class_basis_size>(message.basis());
  retention.is_by_month = message.by_month();
  retention.keep = TRY(parse_field("keep_at_least", message.keep_at_least()));
  if (!message.erase_at_latest().empty())
    retention.erase = TRY(parse_field("erase_at_latest", message.erase_at_latest()));
  return door::RetentionDraft(retention, message.residency());
}

Result<door::ResidencyDraft> parse_residency(const v1::Jurisdiction& message) {
  if (message.name().empty() || message.name().size() > storage::jurisdiction_name_size)
    return fail(Code::invalid_argument, "name: 1 to 24 bytes are needed");
  if (message.regions_size() < 2)
    return fail(Code::invalid_argument, "regions: a jurisdiction has two or more");
  return door::ResidencyDraft{message.name(), {message.regions().begin(), message.regions().end()}};
}

Result<door::HoldDraft> parse_hold(const v1::PlaceHoldRequest& message, u128 subject) {
  door::HoldDraft draft;
  draft.subject = subject;
  for (const std::uint32_t retention : message.classes())
    draft.classes.push_back(TRY(parse_class(retention)));
  draft.reference = message.reference();
  return draft;
}

Result<door::ReleaseDraft> parse_release(const v1::ReleaseHoldRequest& message) {
  if (message.hold_id().size() != 16)
    return fail(Code::invalid_argument, "hold_id: 16 bytes are needed");
  return door::ReleaseDraft{TRY(parse_u128(message.hold_id(), "hold_id"))};
}

Result<cell::ErasuresQuery> parse_erasures(const v1::ErasuresRequest& message) {
  if (message.of_case() == v1::ErasuresRequest::kRetention)
    return cell::ErasuresQuery{door::RetentionNumber{TRY(parse_class(message.retention()))},
                               message.position()};
  if (message.subject().empty())
    return fail(Code::invalid_argument,
                "subject: empty, name the person it is about, or a retention class");
  return cell::ErasuresQuery{message.subject(), message.position()};
}

void fill(const storage::RetentionClass& retention, v1::RetentionClass& message) {
  message.set_retention(retention.retention);
  message.set_name(std::string(storage::text_of(retention.name)));
  message.set_basis(std::string(storage::text_of(retention.basis)));
  message.set_by_month(retention.is_by_month);
  message.set_keep_at_least(to_text(retention.keep));
  if (!retention.erase.is_zero()) message.set_erase_at_latest(to_text(retention.erase));
  message.set_defined(to_text(retention.defined));
}

void fill(const storage::Hold& hold, v1::Hold& message) {
  message.set_hold_id(format_u128(hold.id));
  message.set_subject_id(format_u128(hold.subject));
  for (const std::uint32_t retention : classes_in(hold)) message.add_classes(retention);
  message.set_reference(std::string(storage::text_of(hold.reference)));
}

void fill(const storage::KeyName& key, v1::SubjectKey& message) {
  message.set_retention(key.retention);
  message.set_period(storage::period_text(key.version));
}

void fill(const door::Kept& kept, v1::SubjectKey& message) {
  fill(kept.key, message);
  if (kept.until) message.set_kept_until(to_text(*kept.until));
  message.set_class_name(kept.class_name);
  message.set_basis(kept.basis);
  if (kept.hold != 0) message.set_hold_id(format_u128(kept.hold));
  message.set_reference(kept.reference);
}

void fill(const cell::ForgetAnswer& answer, v1::ForgetReply& message) {
  message.set_subject_id(format_u128(answer.subject));
  message.set_keys_destroyed(answer.keys_destroyed);
  message.set_epoch(answer.epoch);
  for (const std::uint8_t one : answer.classes) message.add_classes_erased(one);
  message.set_record_index(raw(answer.record));
  message.set_records(answer.records);
  for (const std::uint64_t id : answer.destroyed_on) message.add_destroyed_on(id);
  for (const std::uint64_t id : answer.not_yet_on) message.add_not_yet_on(id);
  for (const storage::KeyName& key : answer.erased) fill(key, *message.add_erased());
  for (const door::Kept& kept : answer.kept) fill(kept, *message.add_kept());
  if (answer.turn) message.set_turn_record(raw(*answer.turn));
}

void fill(const cell::Erasure& erasure, v1::Erasure& message) {
  const door::ErasureRecord& said = erasure.said;
  message.set_record_index(said.record);
  message.set_kind(std::string(ledger::kind_name(said.kind)));
  message.set_time_ns(said.time_ns);
  for (const std::uint8_t one : said.classes) message.add_classes(one);
  if (said.kind == ledger::CommandKind::erase_key ||
      said.kind == ledger::CommandKind::expire_class) {
    message.set_period(storage::period_text(said.version));
    message.set_version(said.version);
  }
  if (said.destroys()) message.set_keys_destroyed(said.keys);
  message.set_epoch(said.epoch);
  if (erasure.turn) message.set_turn_record(*erasure.turn);
  if (said.wished) {
    message.set_keys_kept(said.keys);
    message.set_forget_since(to_text(*said.wished));
  }
  if (said.hold != 0) message.set_hold_id(format_u128(said.hold));
  message.set_is_clear(erasure.is_clear);
}

void fill(const cell::ErasuresPage& page, v1::ErasuresReply& message) {
  if (page.subject != 0) message.set_subject_id(format_u128(page.subject));
  for (const cell::Erasure& one : page.erasures) fill(one, *message.add_erasures());
  message.set_next(page.next);
  message.set_end(page.end);
  message.set_records(page.records);
  for (const door::Kept& kept : page.kept) fill(kept, *message.add_kept());
  for (const cell::ReplicaEpoch& one : page.replicas) {
    v1::ReplicaEpoch& out = *message.add_replicas();
    out.set_replica(one.id);
    out.set_epoch(one.epoch);
  }
}

void fill(const door::Door::SubjectStatus& status, v1::SubjectStatusReply& message) {
  message.set_subject_id(format_u128(status.subject));
  message.set_known(status.known);
  message.set_forgotten(status.forgotten);
  for (const std::uint8_t one : status.classes) message.add_classes(one);
  if (status.wish) message.set_forget_since(to_text(*status.wish));
  for (const door::Kept& kept : status.keys) fill(kept, *message.add_keys());
  for (const storage::Hold& hold : status.holds) fill(hold, *message.add_holds());
}

void fill(const door::KeepingList& list, v1::KeepingReply& message) {
  message.set_today(to_text(list.today));
  for (const storage::RetentionClass& one : list.classes) {
    v1::RetentionClass& out = *message.add_classes();
    fill(one, out);
    for (const door::KeepingList::Place& place : list.places)
      if (place.jurisdiction.number == one.residency) out.set_residency(place.jurisdiction.name);
  }
  for (const door::KeepingList::Place& place : list.places) {
    v1::Jurisdiction& out = *message.add_jurisdictions();
    out.set_name(place.jurisdiction.name);
    for (const std::string& region : place.jurisdiction.regions) out.add_regions(region);
    out.set_has_key(place.jurisdiction.has_key());
    out.set_turn(place.jurisdiction.turn());
    out.set_turning(place.jurisdiction.is_turning);
    out.set_older_keys(place.older_keys);
    out.set_held_here(place.is_held);
    out.set_available(place.is_up);
  }
  for (const storage::Hold& hold : list.holds) fill(hold, *message.add_holds());
}

void fill(const cell::KeepAnswer& answer, v1::KeepReply& message) {
  message.set_record_index(raw(answer.record));
  if (answer.hold != 0) message.set_hold_id(format_u128(answer.hold));
}

}  // namespace meridian::api
