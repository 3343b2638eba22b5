// One ledger with its history in memory, driven by requests: for tests and benchmarks.
#pragma once

#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "ledger/ledger.h"
#include "ledger/memory_history.h"

namespace meridian::ledger {

template <typename Command>
void add_command(Request& request, CommandKind kind, const Command& command) {
  std::array<Byte, command_size> bytes;
  std::memcpy(bytes.data(), &command, command_size);
  request.add(kind, bytes);
}

inline Account make_account(u128 id, std::uint16_t flags = 0) {
  Account account{};
  account.id = id;
  account.ledger = 1;
  account.code = 1;
  account.flags = flags;
  return account;
}
inline Transfer make_transfer(u128 id, u128 debit, u128 credit, u128 amount,
                              std::uint16_t flags = 0) {
  Transfer transfer{};
  transfer.id = id;
  transfer.debit_account_id = debit;
  transfer.credit_account_id = credit;
  transfer.amount = amount;
  transfer.ledger = 1;
  transfer.code = 1;
  transfer.flags = flags;
  return transfer;
}
inline Transfer make_resolution(u128 id, u128 pending_id, u128 amount, std::uint16_t flags) {
  Transfer transfer{};
  transfer.id = id;
  transfer.pending_id = pending_id;
  transfer.amount = amount;
  transfer.flags = flags;
  return transfer;
}
inline AppendEvent make_event(u128 id, u128 stream, Expected expected = Expected::any,
                              std::uint64_t revision = 0) {
  AppendEvent event{};
  event.event_id = id;
  event.stream = stream;
  event.category = 1;
  event.type = 1;
  event.expected = expected;
  event.expected_revision = revision;
  event.content_type = ContentType::json;
  event.commitment.fill(static_cast<Byte>(id));
  return event;
}
inline DeleteStream make_deletion(u128 id, u128 stream, Expected expected = Expected::any,
                                  std::uint64_t revision = 0) {
  DeleteStream deletion{};
  deletion.event_id = id;
  deletion.stream = stream;
  deletion.expected = expected;
  deletion.expected_revision = revision;
  return deletion;
}

class TestCell {
 public:
  static constexpr u128 cell_id = 7;

  /// Opened with generation 1 at time 1 unless `open` is false; runs levels up to `level`.
  explicit TestCell(bool open = true, std::uint32_t level = feature_level_newest)
      : level_(level), ledger_(std::make_unique<Ledger>(cell_id, history_, level)) {
    if (!open) return;
    OpenGeneration command{};
    command.cell = cell_id;
    command.generation = 1;
    command.feature_level = level;
    Status opened = apply_one(CommandKind::open_generation, command, 1);
    ASSERT(opened.has_value());
  }

  Status apply(const std::vector<Request>& requests, std::uint64_t base_time) {
    std::vector<const Request*> pointers;
    for (const Request& request : requests) pointers.push_back(&request);
    encode_entry({.base_time = base_time, .clock_uncertainty_us = 0, .secret = {}}, pointers,
                 entry_bytes_);
    EntryView entry = TRY(EntryView::decode(entry_bytes_));
    EntryPosition position{.cell = cell_id,
                           .term = 1,
                           .entry_index = ++entries_,
                           .first_record = RecordIndex{ledger_->records()}};
    TRY(ledger_->apply(entry, applied_));
    history_.keep(position, entry, applied_);
    return {};
  }
  /// At the next nanosecond.
  Status apply(const Request& request) {
    return apply(std::vector<Request>{request}, ledger_->last_time() + 1);
  }
  template <typename Command>
  Status apply_one(CommandKind kind, const Command& command, std::uint64_t time) {
    Request request;
    if (!made_by_clients(kind)) request.attester = Attester::replica;
    add_command(request, kind, command);
    return apply(std::vector<Request>{request}, time);
  }
  /// Its outcome, at the next nanosecond.
  template <typename Command>
  std::string_view outcome_of(CommandKind kind, const Command& command) {
    Status done = apply_one(kind, command, ledger_->last_time() + 1);
    ASSERT(done.has_value());
    return outcome_name(kind, applied_.effects[0].outcome);
  }
  std::string_view outcome_of(const Account& command) {
    return outcome_of(CommandKind::create_account, command);
  }
  std::string_view outcome_of(const Transfer& command) {
    return outcome_of(CommandKind::create_transfer, command);
  }
  std::string_view outcome_of(const AppendEvent& command) {
    return outcome_of(CommandKind::append_event, command);
  }
  std::string_view outcome_of(const DeleteStream& command) {
    return outcome_of(CommandKind::delete_stream, command);
  }
  /// Outcomes of the last entry, by name.
  std::string_view outcome_at(std::size_t number, CommandKind kind) const {
    return outcome_name(kind, applied_.effects[number].outcome);
  }

  /// Attests a jump of the clock to `time`, so that the next entry may be stamped with it.
  void jump_to(std::uint64_t time) {
    TimeAdvance advance{};
    advance.time = time;
    Status done = apply_one(CommandKind::time_advance, advance, ledger_->last_time() + 1);
    ASSERT(done.has_value());
  }

  Balances balances(u128 id) const {
    Account account = ledger_->find_account(id)->account;
    return {account.debits_pending, account.debits_posted, account.credits_pending,
            account.credits_posted};
  }

  std::vector<StateChunk> checkpoint() {
    std::vector<StateChunk> chunks;
    ledger_->begin_checkpoint();
    while (!ledger_->take_chunks(1, chunks)) {
    }
    return chunks;
  }
  /// Goes on with a ledger restored from `chunks`, which must hold everything.
  Status restart(const std::vector<StateChunk>& chunks) {
    auto fresh = std::make_unique<Ledger>(cell_id, history_, level_);
    TRY(fresh->restore(chunks));
    ledger_ = std::move(fresh);
    return {};
  }

  /// From the next restart() on it is a version that runs levels up to `level`.
  void install(std::uint32_t level) { level_ = level; }

  Ledger& ledger() { return *ledger_; }
  MemoryHistory& history() { return history_; }
  const Applied& applied() const { return applied_; }

 private:
  MemoryHistory history_;
  std::uint32_t level_;
  std::unique_ptr<Ledger> ledger_;
  Applied applied_;
  Buffer entry_bytes_;
  std::uint64_t entries_ = 0;
};

}  // namespace meridian::ledger
