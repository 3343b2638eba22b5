// Outwards: ledger values become messages.
#include <cstring>
#include <variant>

#include "api/convert.h"
#include "base/assert.h"
#include "ledger/outcome.h"

namespace meridian::api {

std::string format_u128(u128 value) {
  std::size_t size = 0;
  for (u128 rest = value; rest != 0; rest >>= 8) ++size;
  return {reinterpret_cast<const char*>(&value), size};
}

void fill(const ledger::Account& account, v1::Account& message) {
  message.set_id(format_u128(account.id));
  message.set_debits_pending(format_u128(account.debits_pending));
  message.set_debits_posted(format_u128(account.debits_posted));
  message.set_credits_pending(format_u128(account.credits_pending));
  message.set_credits_posted(format_u128(account.credits_posted));
  message.set_user_data_128(format_u128(account.user_data_128));
  message.set_user_data_64(account.user_data_64);
  message.set_user_data_32(account.user_data_32);
  message.set_ledger(account.ledger);
  message.set_code(account.code);
  message.set_flags(account.flags);
  message.set_timestamp(account.timestamp);
}

void fill(const ledger::Transfer& transfer, v1::Transfer& message) {
  message.set_id(format_u128(transfer.id));
  message.set_debit_account_id(format_u128(transfer.debit_account_id));
  message.set_credit_account_id(format_u128(transfer.credit_account_id));
  message.set_amount(format_u128(transfer.amount));
  message.set_pending_id(format_u128(transfer.pending_id));
  message.set_user_data_128(format_u128(transfer.user_data_128));
  message.set_user_data_64(transfer.user_data_64);
  message.set_user_data_32(transfer.user_data_32);
  message.set_timeout(transfer.timeout);
  message.set_ledger(transfer.ledger);
  message.set_code(transfer.code);
  message.set_flags(transfer.flags);
  message.set_timestamp(transfer.timestamp);
}

void fill(const ledger::AccountBalance& balance, v1::AccountBalance& message) {
  message.set_timestamp(balance.timestamp);
  message.set_debits_pending(format_u128(balance.balances.debits_pending));
  message.set_debits_posted(format_u128(balance.balances.debits_posted));
  message.set_credits_pending(format_u128(balance.balances.credits_pending));
  message.set_credits_posted(format_u128(balance.balances.credits_posted));
}

void fill(const cell::ReadEvent& event, v1::RecordedEvent& message) {
  message.set_record_index(raw(event.header.record_index));
  message.set_time(event.header.time);
  if (const auto* body = std::get_if<ledger::EventBody>(&event.header.body)) {
    message.set_revision(body->revision);
    message.set_event_id(format_u128(body->event_id));
    message.set_stream_id(format_u128(body->stream));
  }
  const door::OpenedEvent& opened = event.event;
  message.set_forgotten(opened.forgotten);
  message.set_parts_forgotten(opened.parts_forgotten);
  message.set_withheld(opened.withheld);
  message.set_parts_withheld(opened.parts_withheld);
  message.set_stream(opened.stream);
  message.set_type(opened.type);
  message.set_content_type(opened.content_type);
  message.set_metadata(opened.metadata.data(), opened.metadata.size());
  message.set_data(opened.data.data(), opened.data.size());
  // Compartment 0 is the envelope, which stands above.
  for (std::size_t i = 1; i < opened.compartments.size(); ++i) {
    const door::OpenedCompartment& compartment = opened.compartments[i];
    v1::Compartment& more = *message.add_more();
    more.set_retention(compartment.retention);
    more.set_content(compartment.content.data(), compartment.content.size());
    more.set_forgotten(compartment.forgotten);
    more.set_withheld(compartment.withheld);
  }
  if (!opened.signature) return;
  message.set_signature_salt(opened.signature->salt.data(), opened.signature->salt.size());
  for (const crypto::Digest& about : opened.signature->about)
    message.add_signature_about(about.data(), about.size());
}

std::size_t reply_size(const cell::ReadEvent& event) {
  constexpr std::size_t fixed = 128;
  const door::OpenedEvent& opened = event.event;
  std::size_t size = fixed + opened.stream.size() + opened.type.size() +
                     opened.content_type.size() + opened.metadata.size() + opened.data.size();
  for (std::size_t i = 1; i < opened.compartments.size(); ++i) {
    size += 16 + opened.compartments[i].content.size();
  }
  if (opened.signature) size += 32 + 48 * opened.signature->about.size();
  return size;
}

std::uint64_t position_of(const cell::ReadEvent& event, cell::ReadQuery::Source source) {
  if (source == cell::ReadQuery::Source::stream) {
    if (const auto* body = std::get_if<ledger::EventBody>(&event.header.body)) {
      return body->revision;
    }
    if (const auto* body = std::get_if<ledger::DeletionBody>(&event.header.body)) {
      return body->revision;
    }
  }
  return raw(event.header.record_index);
}

void fill(const replica::Answer& answer, const std::vector<ledger::CommandKind>& kinds,
          v1::CreateReply& reply) {
  ASSERT(kinds.size() == 1 || kinds.size() == answer.results.size());
  reply.mutable_position()->set_record_index(raw(answer.first_record));
  reply.mutable_position()->set_entry_index(answer.entry_index);
  reply.mutable_position()->set_term(answer.term);
  reply.mutable_results()->Reserve(static_cast<int>(answer.results.size()));
  for (std::size_t i = 0; i < answer.results.size(); ++i) {
    const replica::Answer::CommandResult& from = answer.results[i];
    v1::CommandResult& result = *reply.add_results();
    std::string_view name =
        ledger::outcome_name(kinds.size() == 1 ? kinds[0] : kinds[i], from.outcome);
    result.set_status(ledger::status_code(from.outcome));
    result.set_name(name.data(), name.size());
    result.set_timestamp(from.time);
    result.set_revision(from.revision);
    result.set_record_index(raw(answer.first_record) + i);
  }
}

void fill(const replica::Answer& answer, v1::PackedReply& reply) {
  reply.mutable_position()->set_record_index(raw(answer.first_record));
  reply.mutable_position()->set_entry_index(answer.entry_index);
  reply.mutable_position()->set_term(answer.term);
  reply.set_first_timestamp(answer.first_time);
  reply.set_count(static_cast<std::uint32_t>(answer.results.size()));
  std::string& exceptions = *reply.mutable_exceptions();
  for (std::size_t i = 0; i < answer.results.size(); ++i) {
    if (answer.results[i].outcome == ledger::Outcome::created) continue;
    std::uint32_t pair[] = {static_cast<std::uint32_t>(i),
                            ledger::status_code(answer.results[i].outcome)};
    exceptions.append(reinterpret_cast<const char*>(pair), sizeof pair);
  }
}

void fill(const ledger::Header& header, v1::CommandResult& result) {
  std::string_view name = ledger::outcome_name(header.kind, header.outcome);
  result.set_status(ledger::status_code(header.outcome));
  result.set_name(name.data(), name.size());
  result.set_timestamp(header.imported_time != 0 ? header.imported_time : header.time);
  if (const auto* event = std::get_if<ledger::EventBody>(&header.body)) {
    result.set_revision(event->revision);
  } else if (const auto* deletion = std::get_if<ledger::DeletionBody>(&header.body)) {
    result.set_revision(deletion->revision);
  }
  result.set_record_index(raw(header.record_index));
}

void fill(const cell::ReadPage& page, const cell::ReadQuery& query, v1::ReadReply& reply) {
  reply.set_stream_deleted(page.stream_deleted);
  reply.set_end(page.end);
  reply.set_next(page.next);
  std::size_t bytes = 0;
  for (const cell::ReadEvent& event : page.events) {
    bytes += reply_size(event);
    if (bytes > reply_bytes_max && reply.events_size() > 0) {
      reply.set_end(false);
      reply.set_next(position_of(event, query.source));
      return;
    }
    fill(event, *reply.add_events());
  }
}

}  // namespace meridian::api
