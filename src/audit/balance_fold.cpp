#include <absl/container/flat_hash_map.h>

#include "audit/internal/balance_fold.h"
#include "door/keeping_commands.h"
#include "ledger/outcome.h"

namespace meridian::audit::internal {

using ledger::Balances;
using ledger::CommandKind;
using ledger::Header;

struct BalanceFold::Tables {
  AccountTable accounts;
  absl::flat_hash_map<u128, Pending, U128Hash> pendings;
};

BalanceFold::BalanceFold(u128 cell, Findings& findings)
    : cell_(cell), findings_(findings), tables_(std::make_unique<Tables>()) {}
BalanceFold::~BalanceFold() = default;

std::uint64_t BalanceFold::accounts() const { return tables_->accounts.size(); }

void BalanceFold::wrong(const Header& header, std::string what) {
  if (has_lost_) what += " (records before it could not be read)";
  findings_.add(raw(header.record_index), std::move(what));
}

void BalanceFold::lost() { has_lost_ = true; }

namespace {

// Where a transfer's header has its accounts (docs/formats/header.md). Only hints come of it.
constexpr std::size_t kind_at = 1;
constexpr std::size_t debit_at =
    ledger::header_common_size + offsetof(ledger::Transfer, debit_account_id);
constexpr std::size_t credit_at =
    ledger::header_common_size + offsetof(ledger::Transfer, credit_account_id);

bool is_transfer(Bytes header) {
  return header.size() >= credit_at + sizeof(u128) &&
         header[kind_at] == static_cast<Byte>(CommandKind::create_transfer);
}

}  // namespace

void BalanceFold::fetch_index(Bytes header) const {
  if (!is_transfer(header)) return;
  tables_->accounts.fetch_index(load_le<u128>(&header[debit_at]));
  tables_->accounts.fetch_index(load_le<u128>(&header[credit_at]));
}

void BalanceFold::fetch_accounts(Bytes header) const {
  if (!is_transfer(header)) return;
  tables_->accounts.fetch_account(load_le<u128>(&header[debit_at]));
  tables_->accounts.fetch_account(load_le<u128>(&header[credit_at]));
}

void BalanceFold::check_place(const Header& header) {
  if (header.cell != cell_) wrong(header, "its header is of another cell");
  if (header.time <= last_time_) wrong(header, "its time is not after that of the record before");
  if (header.entry_index < last_entry_)
    wrong(header, "its entry is before that of the record before");
  if (raw(header.record_index) == 0 && header.kind != CommandKind::open_generation)
    wrong(header, "the first record does not open a generation");
  last_time_ = header.time;
  last_entry_ = header.entry_index;
}

void BalanceFold::add(const Header& header) {
  check_place(header);
  const bool created = header.outcome == ledger::Outcome::created;
  if (const auto* body = std::get_if<ledger::TransferBody>(&header.body)) {
    if (body->applied) transfer(header, *body);
  } else if (const auto* account = std::get_if<ledger::AccountBody>(&header.body)) {
    if (!created) return;
    const bool is_strict =
        (account->account.flags & ledger::account_flags::requires_signature) != 0;
    if (!tables_->accounts.insert({account->account.id, {}, raw(header.record_index), is_strict}))
      wrong(header, "makes an account that an earlier record made");
  } else if (const auto* system_body = std::get_if<ledger::SystemBody>(&header.body)) {
    if (created) system(header, *system_body);
  } else if (created && header.kind == CommandKind::append_event) {
    ++events_;
  }
}

void BalanceFold::generation(const Header& header, const ledger::OpenGeneration& command) {
  const std::uint64_t record = raw(header.record_index);
  if (record > 0 && command.generation != generation_ + 1)
    wrong(header,
          fmt::format("opens generation {} behind generation {}", command.generation, generation_));
  generation_ = command.generation;
  if (record > 0) successions_.push_back({record, command});
}

void BalanceFold::system(const Header& header, const ledger::SystemBody& body) {
  if (header.kind == CommandKind::open_generation)
    generation(header, ledger::load_command<ledger::OpenGeneration>(body.command.data()));
  if (header.kind == CommandKind::erase_subject) forgetting(body.command.data());
  if (header.outcome == ledger::Outcome::created) erasure(header.kind, body.command.data());
  if (header.kind == CommandKind::state_digest) {
    const auto digest = ledger::load_command<ledger::StateDigest>(body.command.data());
    digests_[digest.record_index] = digest.digest;
  }
}

void BalanceFold::forgetting(const Byte* command) {
  const auto erase = ledger::load_command<ledger::EraseSubject>(command);
  erased_.emplace_back(erase.subject, erase.classes);
}

void BalanceFold::owe(const door::KeepingCommand& command) {
  if (command.kind == CommandKind::erase_subject) forgetting(command.bytes.data());
  erasure(command.kind, command.bytes.data());
}

void BalanceFold::erasure(CommandKind kind, const Byte* command) {
  const auto change = door::change_of(kind, command);
  if (!change) return;
  if (change->kind == storage::RowKind::retention_class)
    keeping_.define(storage::class_in(*change));
  if (change->kind == storage::RowKind::expired)
    keeping_.expire(change->retention, change->version);
  if (change->kind == storage::RowKind::gone)
    erased_keys_.insert({change->subject, {change->retention, change->version}});
}

bool BalanceFold::is_erased(u128 subject, const storage::KeyName& key) const {
  const std::uint8_t retention = key.retention;
  for (const auto& [erased, classes] : erased_)
    if (erased == subject && has_bit(classes, retention)) return true;
  return erased_keys_.contains({subject, key}) || keeping_.is_expired(retention, key.version);
}

void BalanceFold::side(const Header& header, const char* name, u128 id, const Balances& said,
                       std::uint64_t previous, Account* account) {
  if (account == nullptr)
    return wrong(header, fmt::format("its {} account {} was never made", name, to_decimal(id)));
  if (account->balances != said)
    wrong(header, fmt::format("its balances of {} account {} are not those that the records before "
                              "it give",
                              name, to_decimal(id)));
  if (account->last_record != previous)
    wrong(header,
          fmt::format("it names record {} as the one before it of {} account {}, which is {}",
                      previous, name, to_decimal(id), account->last_record));
  if (account->requires_signature && header.kind != CommandKind::expire_pending &&
      header.attester != ledger::Attester::client_signature)
    wrong(header, fmt::format("it touches {} account {}, which requires signatures, and no client "
                              "signed it",
                              name, to_decimal(id)));
  // What the record says is taken over, so that one wrong record is one finding.
  account->balances = said;
  account->last_record = raw(header.record_index);
}

void BalanceFold::transfer(const Header& header, const ledger::TransferBody& body) {
  const ledger::Transfer& command = body.transfer;
  const bool expires = header.kind == CommandKind::expire_pending;
  const bool posts = (command.flags & ledger::transfer_flags::post_pending_transfer) != 0;
  const bool voids = (command.flags & ledger::transfer_flags::void_pending_transfer) != 0;
  const bool pends = (command.flags & ledger::transfer_flags::pending) != 0 && !expires;
  if (!expires) ++transfers_;

  u128 debit_id = command.debit_account_id;
  u128 credit_id = command.credit_account_id;
  u128 released = 0;
  if (expires || posts || voids) {
    const u128 pending_id = expires ? command.id : command.pending_id;
    const auto pending = tables_->pendings.find(pending_id);
    if (pending == tables_->pendings.end())
      return wrong(header, fmt::format("the pending transfer {} that it ends is not open",
                                       to_decimal(pending_id)));
    debit_id = pending->second.debit;
    credit_id = pending->second.credit;
    released = pending->second.amount;
    tables_->pendings.erase(pending);
  }
  Account* debit = tables_->accounts.find(debit_id);
  Account* credit = tables_->accounts.find(credit_id);
  const u128 posted = expires || voids || pends ? u128{0} : command.amount;
  const u128 reserved = pends ? command.amount : u128{0};
  // Wrapping: a sum that does not fit differs from what a sound record says.
  if (debit != nullptr) {
    debit->balances.debits_pending += reserved - released;
    debit->balances.debits_posted += posted;
  }
  if (credit != nullptr) {
    credit->balances.credits_pending += reserved - released;
    credit->balances.credits_posted += posted;
  }
  if (pends) tables_->pendings[command.id] = {debit_id, credit_id, command.amount};
  side(header, "debit", debit_id, body.debit, raw(body.previous_debit), debit);
  side(header, "credit", credit_id, body.credit, raw(body.previous_credit), credit);
}

BalanceFold::Stored BalanceFold::stored_of(const ledger::Ledger& state) {
  constexpr std::size_t page = 4'096;
  Stored stored;
  stored.rows.reserve(state.counts().accounts);
  while (stored.rows.size() < state.counts().accounts) {
    for (const ledger::AccountState& one : state.list_accounts(stored.rows.size(), page)) {
      const ledger::Account& account = one.account;
      stored.rows.push_back({{account.id,
                              {account.debits_pending, account.debits_posted,
                               account.credits_pending, account.credits_posted},
                              raw(one.last_record),
                              (account.flags & ledger::account_flags::requires_signature) != 0},
                             raw(one.created_at)});
    }
  }
  return stored;
}

void BalanceFold::compare(const Stored& stored) {
  const std::string after = has_lost_ ? " (records before it could not be read)" : "";
  if (stored.rows.size() != tables_->accounts.size())
    findings_.add(fmt::format("the state checkpoint has {} accounts, the records give {}{}",
                              stored.rows.size(), tables_->accounts.size(), after));
  for (const auto& [account, created_at] : stored.rows) {
    const Account* folded = tables_->accounts.find(account.id);
    if (folded == nullptr) {
      findings_.add(created_at, fmt::format("the state checkpoint has account {}, which no record "
                                            "makes{}",
                                            to_decimal(account.id), after));
    } else if (folded->balances != account.balances || folded->last_record != account.last_record) {
      findings_.add(account.last_record,
                    fmt::format("the state checkpoint's account {} is not what the records give{}",
                                to_decimal(account.id), after));
    }
  }
}

}  // namespace meridian::audit::internal
