// Questions about the past, answered from records: the filters of double entry's standard.
//
// Nothing here keeps state: an account's history is the chain of records that its last record
// begins (each names the one before), everything else is a bounded scan. An invalid filter gives
// an empty page, as the standard has it. Cost: one header read per record walked, two more for a
// post or void; at most records_per_call_max of them per call, then the page says where to resume.
// Threading: as the RecordSource.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "ledger/effect.h"
#include "ledger/header.h"
#include "ledger/ledger.h"

namespace meridian::ledger {

inline constexpr std::uint32_t query_limit_max = 8'190;
inline constexpr std::uint64_t records_per_call_max = 1'000'000;

/// Where records are read from.
class RecordSource {
 public:
  virtual ~RecordSource() = default;
  virtual std::uint64_t record_count() const = 0;
  /// Errors: data_loss; out_of_range at or past record_count().
  virtual Result<Header> read(RecordIndex index) = 0;
  /// The record that used a transfer id: created, or failed for a transient reason.
  virtual Result<std::optional<RecordIndex>> find_transfer(u128 id) = 0;
  /// Visits [first, end) in order, or in reverse, until `visit` says false or an error.
  virtual Status scan(RecordIndex first, RecordIndex end, bool reversed,
                      const std::function<Result<bool>(const Header&)>& visit);
};

namespace account_filter_flags {
inline constexpr std::uint32_t debits = 1 << 0;
inline constexpr std::uint32_t credits = 1 << 1;
inline constexpr std::uint32_t reversed = 1 << 2;
inline constexpr std::uint32_t all = (1 << 3) - 1;
}  // namespace account_filter_flags

namespace query_filter_flags {
inline constexpr std::uint32_t reversed = 1 << 0;
inline constexpr std::uint32_t all = (1 << 1) - 1;
}  // namespace query_filter_flags

/// Zero in a field other than `limit` and `account_id` means: any.
struct AccountFilter {
  u128 account_id = 0;
  u128 user_data_128 = 0;
  std::uint64_t user_data_64 = 0;
  std::uint32_t user_data_32 = 0;
  std::uint16_t code = 0;
  std::uint64_t timestamp_min = 0;
  std::uint64_t timestamp_max = 0;
  std::uint32_t limit = 0;
  std::uint32_t flags = 0;
};
struct QueryFilter {
  u128 user_data_128 = 0;
  std::uint64_t user_data_64 = 0;
  std::uint32_t user_data_32 = 0;
  std::uint32_t ledger = 0;
  std::uint16_t code = 0;
  std::uint64_t timestamp_min = 0;
  std::uint64_t timestamp_max = 0;
  std::uint32_t limit = 0;
  std::uint32_t flags = 0;
};
struct ChangeEventsFilter {
  std::uint64_t timestamp_min = 0;
  std::uint64_t timestamp_max = 0;
  std::uint32_t limit = 0;
};

/// Some rows; `resume`, if set, is to be given back as `from` with the same filter for the next.
template <typename Row>
struct Page {
  std::vector<Row> rows;
  std::optional<std::uint64_t> resume;
};

struct AccountBalance {
  Balances balances;
  std::uint64_t timestamp;
};

enum class ChangeEventType : std::uint8_t {
  single_phase = 0,
  two_phase_pending = 1,
  two_phase_posted = 2,
  two_phase_voided = 3,
  two_phase_expired = 4,
};

/// One change of balances. Of an expiry, `transfer` is the pending transfer that expired.
struct ChangeEvent {
  RecordIndex record;
  ChangeEventType type;
  std::uint64_t timestamp;
  Transfer transfer;
  Balances debit;
  Balances credit;
  bool debit_closed;
  bool credit_closed;
};

/// The transfer as recorded, with what a post or void left out filled in. Nothing if the id was
/// never used or failed.
Result<std::optional<Transfer>> lookup_transfer(RecordSource& source, u128 id);

/// Transfers of the account of `filter.account_id`, which is `account` (nothing if it does not
/// exist). Ascending order must walk the chain to its old end first. Errors: those of the source;
/// resource_exhausted if that takes more than records_per_call_max (then ask in reverse).
Result<Page<Transfer>> get_account_transfers(RecordSource& source,
                                             const std::optional<AccountState>& account,
                                             const AccountFilter& filter,
                                             std::optional<std::uint64_t> from = {});
/// The balances after each of those transfers. Empty unless the account has flags.history.
Result<Page<AccountBalance>> get_account_balances(RecordSource& source,
                                                  const std::optional<AccountState>& account,
                                                  const AccountFilter& filter,
                                                  std::optional<std::uint64_t> from = {});
Result<Page<Transfer>> query_transfers(RecordSource& source, const QueryFilter& filter,
                                       std::optional<std::uint64_t> from = {});
/// In order of creation, which is that of timestamps.
Page<AccountState> query_accounts(const Ledger& ledger, const QueryFilter& filter,
                                  std::optional<std::uint64_t> from = {});
/// In the order of records.
Result<Page<ChangeEvent>> get_change_events(RecordSource& source, const ChangeEventsFilter& filter,
                                            std::optional<std::uint64_t> from = {});

}  // namespace meridian::ledger
