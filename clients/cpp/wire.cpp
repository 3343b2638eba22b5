#include "wire.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace meridian::client {

static_assert(std::endian::native == std::endian::little,
              "ids and packed records are copied as is");

std::string format_u128(u128 value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  bytes.resize(bytes.find_last_not_of('\0') + 1);  // npos + 1 is 0
  return bytes;
}

u128 parse_u128(std::string_view bytes) {
  u128 value = 0;
  std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
  return value;
}

Account to_account(const v1::Account& message) {
  return {.id = parse_u128(message.id()),
          .debits_pending = parse_u128(message.debits_pending()),
          .debits_posted = parse_u128(message.debits_posted()),
          .credits_pending = parse_u128(message.credits_pending()),
          .credits_posted = parse_u128(message.credits_posted()),
          .user_data_128 = parse_u128(message.user_data_128()),
          .user_data_64 = message.user_data_64(),
          .user_data_32 = message.user_data_32(),
          .ledger = message.ledger(),
          .code = static_cast<std::uint16_t>(message.code()),
          .flags = static_cast<std::uint16_t>(message.flags()),
          .timestamp = message.timestamp()};
}

Transfer to_transfer(const v1::Transfer& message) {
  return {.id = parse_u128(message.id()),
          .debit_account_id = parse_u128(message.debit_account_id()),
          .credit_account_id = parse_u128(message.credit_account_id()),
          .amount = parse_u128(message.amount()),
          .pending_id = parse_u128(message.pending_id()),
          .user_data_128 = parse_u128(message.user_data_128()),
          .user_data_64 = message.user_data_64(),
          .user_data_32 = message.user_data_32(),
          .timeout = message.timeout(),
          .ledger = message.ledger(),
          .code = static_cast<std::uint16_t>(message.code()),
          .flags = static_cast<std::uint16_t>(message.flags()),
          .timestamp = message.timestamp()};
}

Event to_event(const v1::RecordedEvent& message) {
  return {.record_index = message.record_index(),
          .revision = message.revision(),
          .time = message.time(),
          .id = parse_u128(message.event_id()),
          .forgotten = message.forgotten(),
          .stream = message.stream(),
          .type = message.type(),
          .content_type = message.content_type(),
          .metadata = message.metadata(),
          .data = message.data()};
}

Record to_record(const v1::CommandResult& message) {
  return {.status = message.status(),
          .name = message.name(),
          .timestamp = message.timestamp(),
          .revision = message.revision(),
          .record_index = message.record_index()};
}

void fill(const NewEvent& event, v1::NewEvent& message) {
  message.set_event_id(format_u128(event.id));
  message.set_stream(event.stream);
  message.set_type(event.type);
  message.set_content_type(event.content_type);
  message.set_metadata(event.metadata);
  message.set_data(event.data);
  message.set_subject(event.subject);
  message.set_retention(event.retention);
  message.set_classification(event.classification);
  message.set_expected(static_cast<v1::ExpectedRevision>(event.expected));
  message.set_revision(event.revision);
}

v1::LookupRequest lookup_request(const std::vector<u128>& ids) {
  v1::LookupRequest request;
  for (const u128 id : ids) request.add_ids(format_u128(id));
  return request;
}

v1::OutcomeRequest outcome_request(Kind kind, u128 id) {
  v1::OutcomeRequest request;
  switch (kind) {
    case Kind::account: request.set_kind(v1::OutcomeRequest::ACCOUNT); break;
    case Kind::transfer: request.set_kind(v1::OutcomeRequest::TRANSFER); break;
    case Kind::event: request.set_kind(v1::OutcomeRequest::EVENT); break;
  }
  request.set_id(format_u128(id));
  return request;
}

bool is_same(const Account& sent, const Account& kept) {
  // A closing transfer sets `closed` later, and voiding it takes it away.
  const auto lasting = static_cast<std::uint16_t>(~account_flags::closed);
  return sent.id == kept.id && sent.user_data_128 == kept.user_data_128 &&
         sent.user_data_64 == kept.user_data_64 && sent.user_data_32 == kept.user_data_32 &&
         sent.ledger == kept.ledger && sent.code == kept.code &&
         (sent.flags & lasting) == (kept.flags & lasting);
}

bool is_same(const Transfer& sent, const Transfer& kept) {
  using namespace transfer_flags;
  const bool resolves = (sent.flags & (post_pending_transfer | void_pending_transfer)) != 0;
  const bool is_balancing = (sent.flags & (balancing_debit | balancing_credit)) != 0;
  const auto same = [resolves](auto a, auto b) { return a == b || (resolves && a == 0); };
  return sent.id == kept.id && sent.flags == kept.flags && sent.pending_id == kept.pending_id &&
         sent.timeout == kept.timeout && same(sent.debit_account_id, kept.debit_account_id) &&
         same(sent.credit_account_id, kept.credit_account_id) &&
         (resolves || is_balancing || sent.amount == kept.amount) &&
         same(sent.user_data_128, kept.user_data_128) &&
         same(sent.user_data_64, kept.user_data_64) && same(sent.user_data_32, kept.user_data_32) &&
         same(sent.ledger, kept.ledger) && same(sent.code, kept.code);
}

}  // namespace meridian::client
