#include "sim_cluster/books_model.h"

#include "sim/random.h"

namespace meridian::sim_cluster {

namespace {

/// Order must not matter: the replica lists accounts as they were made.
std::uint64_t of_account(u128 id, const ledger::Balances& balances) {
  std::uint64_t mixed = 0;
  for (const u128 value : {id, balances.debits_pending, balances.debits_posted,
                           balances.credits_pending, balances.credits_posted}) {
    mixed = sim::Random(mixed ^ low64(value)).next();
    mixed = sim::Random(mixed ^ high64(value)).next();
  }
  return mixed;
}

ledger::Balances balances_of(const ledger::Account& account) {
  return {account.debits_pending, account.debits_posted, account.credits_pending,
          account.credits_posted};
}

}  // namespace

BooksModel::Digest BooksModel::digest(std::span<const ledger::AccountState> accounts) {
  Digest sum = 0;
  for (const ledger::AccountState& state : accounts)
    sum += of_account(state.account.id, balances_of(state.account));
  return sum;
}

bool BooksModel::is_balanced(std::span<const ledger::AccountState> accounts) {
  u128 posted = 0, pending = 0;  // differences: both wrap to 0
  for (const ledger::AccountState& state : accounts) {
    posted += state.account.debits_posted - state.account.credits_posted;
    pending += state.account.debits_pending - state.account.credits_pending;
  }
  return posted == 0 && pending == 0;
}

BooksModel::Digest BooksModel::digest() const {
  Digest sum = 0;
  for (const auto& [id, balances] : accounts_) sum += of_account(id, balances);
  return sum;
}

std::optional<std::string> BooksModel::add(const ledger::Header& header) {
  const bool is_of_books = header.kind == ledger::CommandKind::create_account ||
                           header.kind == ledger::CommandKind::create_transfer ||
                           header.kind == ledger::CommandKind::expire_pending;
  std::optional<std::string> wrong;
  if (is_of_books && header.outcome == ledger::Outcome::created) {
    wrong = apply(header);
    digests_.push_back(digest());
  } else {
    digests_.push_back(at(digests_.size()));
  }
  return wrong;
}

std::optional<std::string> BooksModel::apply(const ledger::Header& header) {
  if (header.kind == ledger::CommandKind::create_account) {
    accounts_.try_emplace(std::get<ledger::AccountBody>(header.body).account.id);
    return std::nullopt;
  }
  const auto& body = std::get<ledger::TransferBody>(header.body);
  if (header.kind == ledger::CommandKind::expire_pending) return end(header, body.transfer.id, 0);
  return transfer(header);
}

std::optional<std::string> BooksModel::transfer(const ledger::Header& header) {
  const ledger::Transfer& made = std::get<ledger::TransferBody>(header.body).transfer;
  if ((made.flags & ledger::transfer_flags::post_pending_transfer) != 0)
    return end(header, made.pending_id, made.amount);
  if ((made.flags & ledger::transfer_flags::void_pending_transfer) != 0)
    return end(header, made.pending_id, 0);
  ledger::Balances& debit = accounts_[made.debit_account_id];
  ledger::Balances& credit = accounts_[made.credit_account_id];
  if ((made.flags & ledger::transfer_flags::pending) != 0) {
    pendings_[made.id] = {made.debit_account_id, made.credit_account_id, made.amount};
    debit.debits_pending += made.amount;
    credit.credits_pending += made.amount;
  } else {
    debit.debits_posted += made.amount;
    credit.credits_posted += made.amount;
  }
  return compare(header, made.debit_account_id, made.credit_account_id);
}

std::optional<std::string> BooksModel::end(const ledger::Header& header, u128 pending,
                                           u128 posted) {
  const auto found = pendings_.find(pending);
  if (found == pendings_.end()) return "a pending transfer ended twice, or was never there";
  const Pending was = found->second;
  pendings_.erase(found);
  accounts_[was.debit].debits_pending -= was.amount;
  accounts_[was.credit].credits_pending -= was.amount;
  accounts_[was.debit].debits_posted += posted;
  accounts_[was.credit].credits_posted += posted;
  return compare(header, was.debit, was.credit);
}

std::optional<std::string> BooksModel::compare(const ledger::Header& header, u128 debit,
                                               u128 credit) const {
  const auto& body = std::get<ledger::TransferBody>(header.body);
  if (body.debit == accounts_.at(debit) && body.credit == accounts_.at(credit)) return std::nullopt;
  return "its balances are not those of the records before it";
}

}  // namespace meridian::sim_cluster
