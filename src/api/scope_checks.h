// Whether a caller may do what a request asks, ledger by ledger and stream by stream.
//
// Pure but for the counting of denials. Of packed commands and rows nothing is looked at for who
// may do it everywhere; else a comparison for each, and a look-up whenever its ledger is another
// than the one before. No allocation.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "api/access.h"
#include "api/backend.h"
#include "base/bytes.h"
#include "base/result.h"
#include "cell/local_cell.h"
#include "door/door.h"
#include "ledger/command.h"
#include "ledger/ledger.h"

namespace meridian::api {

// Errors: permission_denied.

/// `commands`: packed accounts or transfers. Ledger 0 ("as what it resolves") is for those who may
/// do it in all.
Status check_packed_ledgers(const Asker& asker, ledger::CommandKind kind, Bytes commands);
/// Also refuses what is kept for the system: streams whose names begin with `$`.
Status check_drafts(const Asker& asker, const std::vector<door::CommandDraft>& drafts);
/// Reading events of `source`, for good or for as long as it is followed.
Status check_source(const Asker& asker, cell::ReadQuery::Source source, std::string_view name);

/// Reading what says no ledger of its own: `then` is called at once, or on an internal executor.
void check_account(Backend& backend, const Asker& asker, u128 account,
                   std::function<void(Status)> then);

inline std::uint32_t ledger_of(const ledger::Account& row) { return row.ledger; }
inline std::uint32_t ledger_of(const ledger::Transfer& row) { return row.ledger; }
inline std::uint32_t ledger_of(const ledger::AccountState& row) { return row.account.ledger; }

/// Reading `rows` of books.
template <typename Row>
Status check_rows(const Asker& asker, const std::vector<Row>& rows) {
  if (asker.allows_all_ledgers(mesh::Action::accounts_read)) return {};
  std::optional<std::uint32_t> seen;
  for (const Row& row : rows) {
    if (ledger_of(row) == seen) continue;
    seen = ledger_of(row);
    TRY(asker.check(mesh::Action::accounts_read, *seen));
  }
  return {};
}

}  // namespace meridian::api
