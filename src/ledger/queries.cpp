#include "ledger/queries.h"

#include <algorithm>
#include <deque>
#include <functional>

#include "base/assert.h"

namespace meridian::ledger {
namespace {

constexpr std::uint64_t timestamp_max = ~std::uint64_t{0} >> 1;

/// An imported transfer may be stamped up to one request after its record.
constexpr std::uint64_t import_slack = entry_commands_max;

/// A record that changed balances, with its transfer made whole.
struct Movement {
  CommandKind kind;
  RecordIndex record;
  std::uint64_t timestamp;
  Transfer transfer;
  Transfer pending;  ///< What a post, void or expiry ended.
  Balances debit, credit;
  RecordIndex previous_debit, previous_credit;

  bool has(std::uint16_t flag) const { return (transfer.flags & flag) != 0; }
  bool is_expiry() const { return kind == CommandKind::expire_pending; }
};

bool resolves(const Transfer& transfer) {
  return (transfer.flags &
          (transfer_flags::post_pending_transfer | transfer_flags::void_pending_transfer)) != 0;
}

Result<Transfer> transfer_at(RecordSource& source, RecordIndex at) {
  Header header = TRY(source.read(at));
  const auto* body = std::get_if<TransferBody>(&header.body);
  if (body == nullptr || !body->applied)
    return fail(Code::data_loss, "record " + std::to_string(raw(at)) +
                                     " must be a created transfer: the index is damaged");
  return body->transfer;
}

Result<Transfer> pending_of(RecordSource& source, const Transfer& resolution) {
  auto at = TRY(source.find_transfer(resolution.pending_id));
  if (!at.has_value())
    return fail(Code::data_loss, "pending transfer " + to_decimal(resolution.pending_id) +
                                     " is missing in the index");
  return transfer_at(source, *at);
}

/// Nothing if the record changed no balances.
Result<std::optional<Movement>> movement(RecordSource& source, const Header& header) {
  const auto* body = std::get_if<TransferBody>(&header.body);
  if (body == nullptr || header.outcome != Outcome::created) return std::optional<Movement>{};
  Movement out{.kind = header.kind,
               .record = header.record_index,
               .timestamp = header.imported_time != 0 ? header.imported_time : header.time,
               .transfer = body->transfer,
               .pending = {},
               .debit = body->debit,
               .credit = body->credit,
               .previous_debit = body->previous_debit,
               .previous_credit = body->previous_credit};
  if (out.is_expiry()) {
    auto at = TRY(source.find_transfer(body->transfer.id));
    if (!at.has_value())
      return fail(Code::data_loss,
                  "expired transfer " + to_decimal(body->transfer.id) + " is missing in the index");
    out.pending = TRY(transfer_at(source, *at));
    out.transfer = out.pending;
  } else if (resolves(out.transfer)) {
    out.pending = TRY(pending_of(source, out.transfer));
    out.transfer = resolved(out.transfer, out.pending);
  }
  return std::optional<Movement>{out};
}

bool valid_times(std::uint64_t min, std::uint64_t max) {
  return min <= timestamp_max && max <= timestamp_max && (max == 0 || min <= max);
}
bool in_range(std::uint64_t timestamp, std::uint64_t min, std::uint64_t max) {
  return timestamp >= min && (max == 0 || timestamp <= max);
}
bool is_valid(const AccountFilter& filter) {
  using namespace account_filter_flags;
  return filter.account_id != 0 && filter.account_id != u128_max &&
         valid_times(filter.timestamp_min, filter.timestamp_max) && filter.limit != 0 &&
         (filter.flags & (debits | credits)) != 0 && (filter.flags & ~all) == 0;
}
bool is_valid(const QueryFilter& filter) {
  return valid_times(filter.timestamp_min, filter.timestamp_max) && filter.limit != 0 &&
         (filter.flags & ~query_filter_flags::all) == 0;
}

template <typename Filter, typename Object>
bool user_data_matches(const Filter& filter, const Object& object) {
  return (filter.user_data_128 == 0 || filter.user_data_128 == object.user_data_128) &&
         (filter.user_data_64 == 0 || filter.user_data_64 == object.user_data_64) &&
         (filter.user_data_32 == 0 || filter.user_data_32 == object.user_data_32) &&
         (filter.code == 0 || filter.code == object.code);
}

/// Walks the account's chain from its newest record and gives a row for each matching transfer.
template <typename Row, typename MakeRow>
Result<Page<Row>> walk_account(RecordSource& source, const AccountState& account,
                               const AccountFilter& filter, std::optional<std::uint64_t> from,
                               MakeRow make_row) {
  struct Found {
    RecordIndex record;
    Row row;
  };
  bool reversed = (filter.flags & account_filter_flags::reversed) != 0;
  std::size_t limit = std::min(filter.limit, query_limit_max);
  RecordIndex at = account.last_record;
  RecordIndex oldest = account.created_at;
  if (from.has_value() && reversed) at = RecordIndex{*from};
  if (from.has_value() && !reversed) oldest = RecordIndex{*from};
  Page<Row> page;
  std::deque<Found> found;
  std::uint64_t walked = 0;
  while (at != account.created_at && at >= oldest) {
    if (++walked > records_per_call_max) {
      if (reversed) {
        page.resume = raw(at);
        break;
      }
      return fail(Code::resource_exhausted,
                  "the account has more than " + std::to_string(records_per_call_max) +
                      " records in that range: set timestamp_min, or ask in reverse order");
    }
    Header header = TRY(source.read(at));
    auto now = TRY(movement(source, header));
    if (!now.has_value())
      return fail(Code::data_loss, "record " + std::to_string(raw(at)) +
                                       " in the chain of an account changed no balances: damaged");
    bool is_debit = now->transfer.debit_account_id == account.account.id;
    if (!is_debit && now->transfer.credit_account_id != account.account.id)
      return fail(Code::data_loss, "record " + std::to_string(raw(at)) +
                                       " in the chain of an account is of others: damaged");
    if (!now->is_expiry()) {
      if (now->timestamp < filter.timestamp_min) break;
      std::uint32_t side = is_debit ? account_filter_flags::debits : account_filter_flags::credits;
      if ((filter.flags & side) != 0 && user_data_matches(filter, now->transfer) &&
          in_range(now->timestamp, filter.timestamp_min, filter.timestamp_max)) {
        if (reversed && found.size() == limit) {
          page.resume = raw(at);
          break;
        }
        found.push_back({at, make_row(*now, is_debit)});
        if (found.size() > limit) {
          page.resume = raw(found.front().record);
          found.pop_front();
        }
      }
    }
    RecordIndex previous = is_debit ? now->previous_debit : now->previous_credit;
    if (previous >= at)
      return fail(Code::data_loss,
                  "record " + std::to_string(raw(at)) + " names a later one as its predecessor");
    at = previous;
  }
  if (!reversed) std::ranges::reverse(found);
  for (Found& one : found) page.rows.push_back(std::move(one.row));
  return page;
}

/// The first record with a time of at least `time`.
Result<std::uint64_t> first_record_at(RecordSource& source, std::uint64_t time) {
  std::uint64_t low = 0;
  std::uint64_t high = source.record_count();
  while (low < high) {
    std::uint64_t middle = low + (high - low) / 2;
    Header header = TRY(source.read(RecordIndex{middle}));
    if (header.time < time)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/// Scans movements in record order until `visit` says false; returns where to resume, if anywhere.
Result<std::optional<std::uint64_t>> scan_movements(
    RecordSource& source, std::uint64_t timestamp_min, bool reversed,
    std::optional<std::uint64_t> from, const std::function<Result<bool>(const Movement&)>& visit) {
  std::uint64_t first = 0;
  std::uint64_t end = source.record_count();
  if (timestamp_min > import_slack)
    first = TRY(first_record_at(source, timestamp_min - import_slack));
  if (from.has_value() && !reversed) first = std::max(first, *from);
  if (from.has_value() && reversed) end = std::min(end, *from + 1);
  if (first >= end) return std::optional<std::uint64_t>{};
  std::uint64_t walked = 0;
  std::optional<std::uint64_t> resume;
  Status scanned = source.scan(RecordIndex{first}, RecordIndex{end}, reversed,
                               [&](const Header& header) -> Result<bool> {
                                 if (++walked > records_per_call_max) {
                                   resume = raw(header.record_index);
                                   return false;
                                 }
                                 auto now = TRY(movement(source, header));
                                 if (!now.has_value()) return true;
                                 return visit(*now);
                               });
  TRY(std::move(scanned));
  return resume;
}

/// Whether an account was closed after a record: what the record itself says, or the one before.
Result<bool> closed_after(RecordSource& source, Movement now, u128 account_id) {
  for (std::uint64_t walked = 0; walked < records_per_call_max; ++walked) {
    bool is_debit = now.transfer.debit_account_id == account_id;
    std::uint16_t closes =
        is_debit ? transfer_flags::closing_debit : transfer_flags::closing_credit;
    bool reopens = now.is_expiry() || now.has(transfer_flags::void_pending_transfer);
    if (!reopens) return now.has(transfer_flags::pending) && now.has(closes);
    if ((now.pending.flags & closes) != 0) return false;
    // Voids and expiries also happen in closed accounts, so this one does not tell.
    Header before = TRY(source.read(is_debit ? now.previous_debit : now.previous_credit));
    if (const auto* account = std::get_if<AccountBody>(&before.body))
      return (account->account.flags & account_flags::closed) != 0;
    auto next = TRY(movement(source, before));
    if (!next.has_value() || next->record >= now.record)
      return fail(Code::data_loss, "record " + std::to_string(raw(now.record)) +
                                       " names a predecessor that changed no balances");
    now = *next;
  }
  return fail(Code::resource_exhausted, "too many voids in a row to tell whether account " +
                                            to_decimal(account_id) + " was closed");
}

ChangeEventType type_of(const Movement& movement) {
  if (movement.is_expiry()) return ChangeEventType::two_phase_expired;
  if (movement.has(transfer_flags::pending)) return ChangeEventType::two_phase_pending;
  if (movement.has(transfer_flags::post_pending_transfer)) return ChangeEventType::two_phase_posted;
  if (movement.has(transfer_flags::void_pending_transfer)) return ChangeEventType::two_phase_voided;
  return ChangeEventType::single_phase;
}

}  // namespace

Status RecordSource::scan(RecordIndex first, RecordIndex end, bool reversed,
                          const std::function<Result<bool>(const Header&)>& visit) {
  ASSERT(first <= end);
  for (std::uint64_t i = raw(first); i < raw(end); ++i) {
    std::uint64_t index = reversed ? raw(end) - 1 - (i - raw(first)) : i;
    Header header = TRY(read(RecordIndex{index}));
    bool goes_on = TRY(visit(header));
    if (!goes_on) break;
  }
  return {};
}

Result<std::optional<Transfer>> lookup_transfer(RecordSource& source, u128 id) {
  auto at = TRY(source.find_transfer(id));
  if (!at.has_value()) return std::optional<Transfer>{};
  Header header = TRY(source.read(*at));
  auto found = TRY(movement(source, header));
  if (!found.has_value()) return std::optional<Transfer>{};
  return std::optional<Transfer>{found->transfer};
}

Result<Page<Transfer>> get_account_transfers(RecordSource& source,
                                             const std::optional<AccountState>& account,
                                             const AccountFilter& filter,
                                             std::optional<std::uint64_t> from) {
  if (!is_valid(filter) || !account.has_value()) return Page<Transfer>{};
  ASSERT(account->account.id == filter.account_id);
  return walk_account<Transfer>(source, *account, filter, from,
                                [](const Movement& now, bool) { return now.transfer; });
}

Result<Page<AccountBalance>> get_account_balances(RecordSource& source,
                                                  const std::optional<AccountState>& account,
                                                  const AccountFilter& filter,
                                                  std::optional<std::uint64_t> from) {
  if (!is_valid(filter) || !account.has_value() ||
      (account->account.flags & account_flags::history) == 0)
    return Page<AccountBalance>{};
  ASSERT(account->account.id == filter.account_id);
  return walk_account<AccountBalance>(
      source, *account, filter, from, [](const Movement& now, bool is_debit) {
        return AccountBalance{is_debit ? now.debit : now.credit, now.timestamp};
      });
}

Result<Page<Transfer>> query_transfers(RecordSource& source, const QueryFilter& filter,
                                       std::optional<std::uint64_t> from) {
  Page<Transfer> page;
  if (!is_valid(filter)) return page;
  bool reversed = (filter.flags & query_filter_flags::reversed) != 0;
  std::size_t limit = std::min(filter.limit, query_limit_max);
  std::optional<std::uint64_t> more;
  auto scanned = scan_movements(
      source, filter.timestamp_min, reversed, from, [&](const Movement& now) -> Result<bool> {
        if (now.is_expiry()) return true;
        bool past_end = reversed
                            ? now.timestamp < filter.timestamp_min
                            : filter.timestamp_max != 0 && now.timestamp > filter.timestamp_max;
        if (past_end) return false;
        if (!in_range(now.timestamp, filter.timestamp_min, filter.timestamp_max) ||
            !user_data_matches(filter, now.transfer) ||
            (filter.ledger != 0 && filter.ledger != now.transfer.ledger))
          return true;
        if (page.rows.size() == limit) {
          more = raw(now.record);
          return false;
        }
        page.rows.push_back(now.transfer);
        return true;
      });
  auto resume = TRY(std::move(scanned));
  page.resume = more.has_value() ? more : resume;
  return page;
}

Page<AccountState> query_accounts(const Ledger& ledger, const QueryFilter& filter,
                                  std::optional<std::uint64_t> from) {
  constexpr std::size_t batch = 4096;
  Page<AccountState> page;
  if (!is_valid(filter)) return page;
  bool reversed = (filter.flags & query_filter_flags::reversed) != 0;
  std::size_t limit = std::min(filter.limit, query_limit_max);
  std::uint64_t count = ledger.counts().accounts;
  // [low, high) is what remains to be looked at.
  std::uint64_t low = from.has_value() && !reversed ? *from : 0;
  std::uint64_t high = from.has_value() && reversed ? std::min(count, *from + 1) : count;
  std::uint64_t walked = 0;
  while (low < high) {
    std::uint64_t size = std::min<std::uint64_t>(batch, high - low);
    std::uint64_t first = reversed ? high - size : low;
    std::vector<AccountState> states = ledger.list_accounts(first, static_cast<std::size_t>(size));
    if (reversed) std::ranges::reverse(states);
    for (std::size_t i = 0; i < states.size(); ++i) {
      const Account& account = states[i].account;
      bool matches = in_range(account.timestamp, filter.timestamp_min, filter.timestamp_max) &&
                     user_data_matches(filter, account) &&
                     (filter.ledger == 0 || filter.ledger == account.ledger);
      if (walked++ == records_per_call_max || (matches && page.rows.size() == limit)) {
        page.resume = reversed ? high - 1 - i : low + i;
        return page;
      }
      if (matches) page.rows.push_back(states[i]);
    }
    if (reversed)
      high -= size;
    else
      low += size;
  }
  return page;
}

Result<Page<ChangeEvent>> get_change_events(RecordSource& source, const ChangeEventsFilter& filter,
                                            std::optional<std::uint64_t> from) {
  Page<ChangeEvent> page;
  if (!valid_times(filter.timestamp_min, filter.timestamp_max) || filter.limit == 0) return page;
  std::size_t limit = std::min(filter.limit, query_limit_max);
  std::optional<std::uint64_t> more;
  auto scanned = scan_movements(
      source, filter.timestamp_min, false, from, [&](const Movement& now) -> Result<bool> {
        bool past_end = filter.timestamp_max != 0 && now.timestamp > filter.timestamp_max;
        if (past_end && !now.is_expiry()) return false;
        if (!in_range(now.timestamp, filter.timestamp_min, filter.timestamp_max)) return true;
        if (page.rows.size() == limit) {
          more = raw(now.record);
          return false;
        }
        bool debit_closed = TRY(closed_after(source, now, now.transfer.debit_account_id));
        bool credit_closed = TRY(closed_after(source, now, now.transfer.credit_account_id));
        page.rows.push_back({.record = now.record,
                             .type = type_of(now),
                             .timestamp = now.timestamp,
                             .transfer = now.transfer,
                             .debit = now.debit,
                             .credit = now.credit,
                             .debit_closed = debit_closed,
                             .credit_closed = credit_closed});
        return true;
      });
  auto resume = TRY(std::move(scanned));
  page.resume = more.has_value() ? more : resume;
  return page;
}

}  // namespace meridian::ledger
