#include "vector_runner.h"

#include <fmt/format.h>

#include <cstring>

#include "ledger/memory_history.h"

namespace meridian::vectors {
namespace {

using namespace ledger;

constexpr std::uint64_t time_max = ~std::uint64_t{0} >> 1;
constexpr std::uint64_t gap_max = 60'000'000'000;
/// Rows of the largest batch in the tests that the vectors come from: what an expiry run may take.
constexpr std::uint64_t batch_rows = 30;
constexpr u128 cell = 1;

std::string show(const Balances& balances) {
  return fmt::format("debits {} pending {} posted, credits {} pending {} posted",
                     to_decimal(balances.debits_pending), to_decimal(balances.debits_posted),
                     to_decimal(balances.credits_pending), to_decimal(balances.credits_posted));
}
Balances balances_of(const Account& account) {
  return {account.debits_pending, account.debits_posted, account.credits_pending,
          account.credits_posted};
}
std::string_view name(ChangeEventType type) {
  switch (type) {
    case ChangeEventType::single_phase: return "single_phase";
    case ChangeEventType::two_phase_pending: return "two_phase_pending";
    case ChangeEventType::two_phase_posted: return "two_phase_posted";
    case ChangeEventType::two_phase_voided: return "two_phase_voided";
    case ChangeEventType::two_phase_expired: return "two_phase_expired";
  }
  return "?";
}
std::string_view name(QueryKind kind) {
  switch (kind) {
    case QueryKind::account_transfers: return "get_account_transfers";
    case QueryKind::account_balances: return "get_account_balances";
    case QueryKind::accounts: return "query_accounts";
    case QueryKind::transfers: return "query_transfers";
    case QueryKind::change_events: return "get_change_events";
  }
  return "?";
}

template <typename Command>
void add(Request& request, CommandKind kind, const Command& command) {
  std::array<Byte, command_size> bytes;
  std::memcpy(bytes.data(), &command, command_size);
  request.add(kind, bytes);
}

class Runner {
 public:
  Runner() : ledger_(cell, history_) {}

  Result<Mismatches> run(const Case& one) {
    OpenGeneration open{};
    open.cell = cell;
    open.generation = 1;
    open.feature_level = feature_level_newest;
    Request request;
    add(request, CommandKind::open_generation, open);
    TRY(apply(request, 1));
    for (step_ = 0; step_ < one.steps.size(); ++step_) {
      Status done =
          std::visit([this](const auto& step) { return run_step(step); }, one.steps[step_]);
      if (!done.has_value()) return with_context(done.error(), fmt::format("step {}", step_ + 1));
    }
    return std::move(mismatches_);
  }

 private:
  void differ(std::string_view what, std::size_t row, std::string_view expected,
              std::string_view got) {
    mismatches_.push_back(fmt::format("step {} ({}), row {}: expected {}, got {}", step_ + 1, what,
                                      row + 1, expected, got));
  }

  Status apply(const Request& request, std::uint64_t base_time) {
    const Request* requests[] = {&request};
    EntryStamp stamp{.base_time = base_time, .clock_uncertainty_us = 0, .secret = {}};
    encode_entry(stamp, requests, buffer_);
    EntryView entry = TRY(EntryView::decode(buffer_));
    EntryPosition position{.cell = cell,
                           .term = 1,
                           .entry_index = ++entry_index_,
                           .first_record = RecordIndex{ledger_.records()}};
    TRY(ledger_.apply(entry, applied_));
    history_.keep(position, entry, applied_);
    return {};
  }

  /// As a leader does it: a jump of the clock is attested first.
  Status apply_at_clock(Request& request) {
    std::uint64_t base = clock_ - request.command_count() + 1;
    if (base > ledger_.last_time() + gap_max) {
      TimeAdvance advance{};
      advance.time = base;
      Request jump;
      jump.attester = Attester::replica;
      add(jump, CommandKind::time_advance, advance);
      TRY(apply(jump, ledger_.last_time() + 1));
    }
    return apply(request, base);
  }

  Status advance(std::uint64_t nanoseconds) {
    if (nanoseconds > time_max - clock_)
      return fail(Code::invalid_argument, "the time would pass 2^63-1");
    clock_ += nanoseconds;
    return {};
  }

  Status expire_due() {
    if (ledger_.due_expiries(clock_, 1).empty()) return {};
    TRY(advance(1 + batch_rows));
    Request request;
    request.attester = Attester::replica;
    for (u128 id : ledger_.due_expiries(clock_, batch_rows)) {
      ExpirePending expire{};
      expire.transfer_id = id;
      add(request, CommandKind::expire_pending, expire);
    }
    return apply_at_clock(request);
  }

  Status run_step(const CreateStep& step) {
    TRY(advance(1 + step.rows.size()));
    if (step.rows.size() > entry_commands_max)
      return fail(Code::invalid_argument,
                  fmt::format("more than {} rows in a step", entry_commands_max));
    if (!step.rows.empty()) {
      Request request;
      if (step.is_signed) {
        request.attester = Attester::client_signature;
        request.signature_digest.fill(1);
      }
      for (const CreateRow& row : step.rows) {
        if (row.kind == CommandKind::create_account)
          add(request, row.kind, row.account);
        else
          add(request, row.kind, row.transfer);
      }
      TRY(apply_at_clock(request));
      for (std::size_t i = 0; i < step.rows.size(); ++i) {
        CommandKind kind = step.rows[i].kind;
        std::string_view got = outcome_name(kind, applied_.effects[i].outcome);
        if (got != step.rows[i].expected)
          differ(kind == CommandKind::create_account ? "create_accounts" : "create_transfers", i,
                 step.rows[i].expected, got);
      }
    }
    return expire_due();
  }

  Status run_step(const LookupAccountsStep& step) {
    TRY(advance(1));
    for (std::size_t i = 0; i < step.rows.size(); ++i) {
      const LookupAccountRow& row = step.rows[i];
      auto account = ledger_.find_account(row.id);
      if (account.has_value() != row.expected.has_value()) {
        differ("lookup_accounts", i, row.expected.has_value() ? "an account" : "none",
               account.has_value() ? "an account" : "none");
        continue;
      }
      if (!account.has_value()) continue;
      Balances balances = balances_of(account->account);
      if (row.expected->balances.has_value() && balances != *row.expected->balances)
        differ("lookup_accounts", i, show(*row.expected->balances), show(balances));
      bool closed = (account->account.flags & account_flags::closed) != 0;
      if (row.expected->closed.has_value() && closed != *row.expected->closed)
        differ("lookup_accounts", i, closed ? "open" : "closed", closed ? "closed" : "open");
    }
    return expire_due();
  }

  Status run_step(const LookupTransfersStep& step) {
    TRY(advance(1));
    for (std::size_t i = 0; i < step.rows.size(); ++i) {
      const LookupTransferRow& row = step.rows[i];
      auto transfer = TRY(lookup_transfer(history_, row.id));
      bool must_exist = row.exists.value_or(true);
      if (transfer.has_value() != must_exist) {
        differ("lookup_transfers", i, must_exist ? "a transfer" : "none",
               transfer.has_value() ? "a transfer" : "none");
        continue;
      }
      if (!transfer.has_value()) continue;
      if (row.amount.has_value() && transfer->amount != *row.amount)
        differ("lookup_transfers", i, "amount " + to_decimal(*row.amount),
               "amount " + to_decimal(transfer->amount));
      if (row.timestamp.has_value() && transfer->timestamp != *row.timestamp)
        differ("lookup_transfers", i, fmt::format("timestamp {}", *row.timestamp),
               fmt::format("timestamp {}", transfer->timestamp));
    }
    return expire_due();
  }

  Status run_step(const SetBalanceStep& step) {
    if (!ledger_.find_account(step.id).has_value())
      return fail(Code::invalid_argument,
                  "set_balance names account " + to_decimal(step.id) + ", which does not exist");
    ledger_.set_balances_for_test(step.id, step.balances);
    return {};
  }
  Status run_step(const AdvanceTimeStep& step) {
    TRY(advance(step.nanoseconds));
    return expire_due();
  }
  Status run_step(const SetTimeNearMaxStep& step) {
    if (step.nanoseconds_before_max > time_max)
      return fail(Code::invalid_argument, "ns_before_max is more than 2^63-1");
    TRY(advance(time_max - step.nanoseconds_before_max));
    return expire_due();
  }

  Status run_step(const QueryStep& step) {
    for (const Query& query : step.queries) {
      TRY(advance(1));
      TRY(run_query(query));
      TRY(expire_due());
    }
    return {};
  }

  Result<std::uint64_t> timestamp_of(QueryKind kind, u128 id) {
    if (kind == QueryKind::accounts) {
      auto account = ledger_.find_account(id);
      if (account.has_value()) return account->account.timestamp;
    } else {
      auto transfer = TRY(lookup_transfer(history_, id));
      if (transfer.has_value()) return transfer->timestamp;
    }
    return fail(Code::invalid_argument,
                "a query takes the timestamp of " + to_decimal(id) + ", which does not exist");
  }

  Status run_query(const Query& query) {
    AccountFilter by_account = query.account;
    QueryFilter filter = query.filter;
    std::uint64_t min = filter.timestamp_min;
    std::uint64_t max = filter.timestamp_max;
    if (query.timestamp_min_of.has_value())
      min = TRY(timestamp_of(query.kind, *query.timestamp_min_of));
    if (query.timestamp_max_of.has_value())
      max = TRY(timestamp_of(query.kind, *query.timestamp_max_of));
    by_account.timestamp_min = filter.timestamp_min = min;
    by_account.timestamp_max = filter.timestamp_max = max;
    by_account.limit = filter.limit = query.limit;
    std::vector<std::string> got;
    std::vector<std::string> expected;
    switch (query.kind) {
      case QueryKind::account_transfers: {
        auto page = TRY(get_account_transfers(history_, ledger_.find_account(by_account.account_id),
                                              by_account));
        for (const Transfer& row : page.rows) got.push_back(to_decimal(row.id));
        for (const auto& row : query.expected) expected.push_back(to_decimal(row.id));
        break;
      }
      case QueryKind::account_balances: {
        auto page = TRY(get_account_balances(history_, ledger_.find_account(by_account.account_id),
                                             by_account));
        for (const AccountBalance& row : page.rows)
          got.push_back(fmt::format("at {}: {}", row.timestamp, show(row.balances)));
        for (const auto& row : query.expected) {
          std::uint64_t at = TRY(timestamp_of(query.kind, row.id));
          expected.push_back(fmt::format("at {}: {}", at, show(row.balances.value_or(Balances{}))));
        }
        break;
      }
      case QueryKind::accounts: {
        Page<AccountState> page = query_accounts(ledger_, filter);
        for (std::size_t i = 0; i < page.rows.size(); ++i) {
          const Account& account = page.rows[i].account;
          Query::Expected row;
          row.id = account.id;
          if (i < query.expected.size() && query.expected[i].balances.has_value())
            row.balances = balances_of(account);
          if (i < query.expected.size() && query.expected[i].closed.has_value())
            row.closed = (account.flags & account_flags::closed) != 0;
          got.push_back(show_account(row));
        }
        for (const auto& row : query.expected) expected.push_back(show_account(row));
        break;
      }
      case QueryKind::transfers: {
        auto page = TRY(query_transfers(history_, filter));
        for (const Transfer& row : page.rows) got.push_back(to_decimal(row.id));
        for (const auto& row : query.expected) expected.push_back(to_decimal(row.id));
        break;
      }
      case QueryKind::change_events: {
        auto page = TRY(get_change_events(
            history_, {.timestamp_min = min, .timestamp_max = max, .limit = query.limit}));
        for (std::size_t i = 0; i < page.rows.size(); ++i)
          got.push_back(
              show(page.rows[i], i < query.expected.size() ? &query.expected[i] : nullptr));
        for (const auto& row : query.expected) expected.push_back(show(row));
        break;
      }
    }
    for (std::size_t i = 0; i < std::max(got.size(), expected.size()); ++i) {
      std::string_view wanted = i < expected.size() ? std::string_view(expected[i]) : "no row";
      std::string_view row = i < got.size() ? std::string_view(got[i]) : "no row";
      if (wanted != row) differ(name(query.kind), i, wanted, row);
    }
    return {};
  }

  static std::string show(const Balances& balances) { return vectors::show(balances); }
  static std::string show_account(const Query::Expected& row) {
    return to_decimal(row.id) + (row.balances.has_value() ? " " + show(*row.balances) : "") +
           (row.closed.has_value() ? (*row.closed ? " closed" : " open") : "");
  }
  static std::string show(std::string_view type, std::string_view id, u128 amount,
                          std::string_view pending, u128 debit_id, const Balances& debit,
                          bool debit_closed, u128 credit_id, const Balances& credit,
                          bool credit_closed) {
    return fmt::format("{} transfer {} amount {} of {}, debit {} {}{}, credit {} {}{}", type, id,
                       to_decimal(amount), pending, to_decimal(debit_id), show(debit),
                       debit_closed ? " closed" : "", to_decimal(credit_id), show(credit),
                       credit_closed ? " closed" : "");
  }
  /// Ids are compared only if the vector gives them.
  static std::string show(const ChangeEvent& event, const Query::Expected* expected) {
    bool expired = event.type == ChangeEventType::two_phase_expired;
    u128 pending = expired ? event.transfer.id : event.transfer.pending_id;
    bool compares_id = expected == nullptr || expected->id != 0;
    bool compares_pending = expected == nullptr || expected->pending_id.has_value();
    return show(name(event.type), compares_id ? to_decimal(event.transfer.id) : "-",
                event.transfer.amount, compares_pending ? to_decimal(pending) : "-",
                event.transfer.debit_account_id, event.debit, event.debit_closed,
                event.transfer.credit_account_id, event.credit, event.credit_closed);
  }
  static std::string show(const Query::Expected& row) {
    return show(row.type, row.id != 0 ? to_decimal(row.id) : "-", row.amount,
                row.pending_id.has_value() ? to_decimal(*row.pending_id) : "-",
                row.debit.account_id, row.debit.balances, row.debit.closed, row.credit.account_id,
                row.credit.balances, row.credit.closed);
  }

  MemoryHistory history_;
  Ledger ledger_;
  Applied applied_;
  Buffer buffer_;
  Mismatches mismatches_;
  std::uint64_t clock_ = 0;
  std::uint64_t entry_index_ = 0;
  std::size_t step_ = 0;
};

}  // namespace

Result<Mismatches> run_case(const Case& one) { return Runner().run(one); }

}  // namespace meridian::vectors
