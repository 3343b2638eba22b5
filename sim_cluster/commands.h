// Commands as clients of the simulated cells build them.
#pragma once

#include "crypto/sha256.h"
#include "ledger/entry.h"
#include "ledger/header.h"
#include "ledger/payload.h"

namespace meridian::sim_cluster {

inline void add_account(ledger::Request& request, u128 id) {
  ledger::Account account{};
  account.id = id;
  account.ledger = 1;
  account.code = 1;
  request.add(ledger::CommandKind::create_account, account);
}

inline ledger::Transfer transfer_of(u128 id, u128 debit, u128 credit, u128 amount) {
  ledger::Transfer transfer{};
  transfer.id = id;
  transfer.debit_account_id = debit;
  transfer.credit_account_id = credit;
  transfer.amount = amount;
  transfer.ledger = 1;
  transfer.code = 1;
  return transfer;
}

inline void add_transfer(ledger::Request& request, u128 id, u128 debit, u128 credit, u128 amount) {
  request.add(ledger::CommandKind::create_transfer, transfer_of(id, debit, credit, amount));
}

inline void add_pending(ledger::Request& request, u128 id, u128 debit, u128 credit, u128 amount) {
  ledger::Transfer transfer = transfer_of(id, debit, credit, amount);
  transfer.flags = ledger::transfer_flags::pending;
  transfer.timeout = 2;  // seconds
  request.add(ledger::CommandKind::create_transfer, transfer);
}

inline void add_end(ledger::Request& request, u128 id, u128 pending, u128 amount,
                    std::uint16_t flag) {
  ledger::Transfer transfer = transfer_of(id, 0, 0, amount);
  transfer.ledger = 0;
  transfer.code = 0;
  transfer.pending_id = pending;
  transfer.flags = flag;
  request.add(ledger::CommandKind::create_transfer, transfer);
}
inline void add_post(ledger::Request& request, u128 id, u128 pending) {
  add_end(request, id, pending, ~u128{0}, ledger::transfer_flags::post_pending_transfer);
}
inline void add_void(ledger::Request& request, u128 id, u128 pending) {
  add_end(request, id, pending, 0, ledger::transfer_flags::void_pending_transfer);
}

/// Sealed as the door would, but for the key: `size` bytes that nobody opens.
inline void add_event(ledger::Request& request, u128 id, u128 stream, std::uint64_t size,
                      ledger::Expected expected = ledger::Expected::any,
                      std::uint64_t revision = 0) {
  ledger::Payload payload;
  ledger::Compartment part;
  part.sealed = Buffer(48 + size, Byte{0x5A});
  part.commitment = crypto::sha256(part.sealed);
  payload.compartments.push_back(part);

  ledger::AppendEvent event{};
  event.event_id = id;
  event.stream = stream;
  event.expected = expected;
  event.expected_revision = revision;
  event.category = 77;
  event.type = 78;
  event.commitment = ledger::fold_commitments({&part.commitment, 1});
  event.payload_offset = static_cast<std::uint32_t>(request.payloads.size());
  payload.encode(request.payloads);
  event.payload_size = static_cast<std::uint32_t>(request.payloads.size() - event.payload_offset);
  event.content_type = ledger::ContentType::bytes;
  request.add(ledger::CommandKind::append_event, event);
}

}  // namespace meridian::sim_cluster
