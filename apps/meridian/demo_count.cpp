#include "demo_count.h"

#include <algorithm>

#include "api/convert.h"
#include "output.h"

namespace meridian::app {

namespace {

constexpr std::size_t ids_at_once = 8'000;
constexpr std::uint32_t page = 8'190;

/// In about the order of the log: a replica then reads each part of its records once.
Status look_up(Client& client, const Expected& expected, Counted& counted) {
  const std::vector<u128>& ids = expected.ids();
  for (std::size_t first = 0; first < ids.size(); first += ids_at_once) {
    const std::size_t end = std::min(first + ids_at_once, ids.size());
    v1::LookupRequest request;
    for (std::size_t i = first; i < end; ++i) request.add_ids(api::format_u128(ids[i]));
    const v1::LookupTransfersReply reply =
        TRY(client.call(*client.transfers, &v1::Transfers::Stub::Lookup, request));
    // In the order asked, and only those that exist.
    std::size_t at = first;
    for (const v1::Transfer& transfer : reply.transfers()) {
      const u128 id = to_u128(transfer.id());
      while (at < end && ids[at] != id) ++at;
      if (at == end) return fail(Code::data_loss, "a lookup answered with what was not asked");
      ++at;
      ++counted.found;
    }
  }
  counted.lost = expected.count() - counted.found;
  return {};
}

/// All transfers in the order of the log, whatever their ids.
Status count_all(Client& client, const Expected& expected, Counted& counted) {
  std::vector<u128> seen;
  v1::QueryFilter filter;
  filter.set_limit(page);
  for (;;) {
    const v1::LookupTransfersReply reply =
        TRY(client.call(*client.transfers, &v1::Transfers::Stub::Query, filter));
    for (const v1::Transfer& transfer : reply.transfers()) seen.push_back(to_u128(transfer.id()));
    if (reply.transfers_size() < static_cast<int>(page)) break;
    filter.set_timestamp_min(reply.transfers(reply.transfers_size() - 1).timestamp() + 1);
  }
  std::sort(seen.begin(), seen.end());
  for (std::size_t i = 0; i < seen.size(); ++i) {
    if (i > 0 && seen[i] == seen[i - 1])
      ++counted.duplicated;
    else if (!expected.has(seen[i]))
      ++counted.unexpected;
  }
  return {};
}

Status compare_balances(Client& client, const Expected& expected, Counted& counted) {
  const std::vector<Expected::Balance>& balances = expected.balances();
  for (std::size_t first = 0; first < balances.size(); first += ids_at_once) {
    const std::size_t end = std::min(first + ids_at_once, balances.size());
    v1::LookupRequest request;
    for (std::size_t i = first; i < end; ++i)
      request.add_ids(api::format_u128(expected.account(i)));
    const v1::LookupAccountsReply reply =
        TRY(client.call(*client.accounts, &v1::Accounts::Stub::Lookup, request));
    if (reply.accounts_size() != static_cast<int>(end - first))
      return fail(Code::data_loss, "accounts of the load are missing");
    for (std::size_t i = first; i < end; ++i) {
      const v1::Account& account = reply.accounts(static_cast<int>(i - first));
      const Expected::Balance held{to_u128(account.debits_posted()),
                                   to_u128(account.credits_posted())};
      if (!(held == balances[i])) ++counted.wrong_balances;
    }
  }
  return {};
}

/// Asks the one server at `address`.
Result<Counted> count_replica(const std::string& address, const Expected& expected) {
  ClientOptions options;
  options.servers = {address};
  const std::unique_ptr<Client> client = TRY(Client::connect(options));
  Counted counted;
  TRY(look_up(*client, expected, counted));
  TRY(count_all(*client, expected, counted));
  TRY(compare_balances(*client, expected, counted));
  return counted;
}

}  // namespace

Expected::Expected(const LoadPlan& plan, const std::vector<Acknowledged>& batches)
    : first_account_(plan.first_account), balances_(plan.accounts) {
  for (const Acknowledged& batch : batches) {
    for (std::uint64_t number = batch.first; number < batch.first + batch.count; ++number) {
      const ledger::Transfer transfer = load_transfer(plan, number);
      ids_.push_back(transfer.id);
      const auto balance = [&](u128 account) -> Balance& {
        return balances_[static_cast<std::size_t>(low64(account - first_account_))];
      };
      balance(transfer.debit_account_id).debits += transfer.amount;
      balance(transfer.credit_account_id).credits += transfer.amount;
    }
  }
  sorted_ = ids_;
  std::sort(sorted_.begin(), sorted_.end());
}

bool Expected::has(u128 id) const { return std::binary_search(sorted_.begin(), sorted_.end(), id); }

std::vector<Result<Counted>> count_replicas(const std::vector<std::string>& servers,
                                            const Expected& expected) {
  std::vector<Result<Counted>> all(servers.size(), Counted());
  std::vector<std::unique_ptr<io::Executor>> threads;
  for (std::size_t i = 0; i < servers.size(); ++i) {
    threads.push_back(io::os_executor("count"));
    threads.back()->post([&, i] { all[i] = count_replica(servers[i], expected); });
  }
  for (const auto& thread : threads) thread->drain();
  return all;
}

}  // namespace meridian::app
