#include "api/scope_checks.h"

#include <cstddef>
#include <string>
#include <variant>

#include "base/assert.h"

namespace meridian::api {
namespace {

using mesh::Action;

static_assert(offsetof(ledger::Account, ledger) == offsetof(ledger::Transfer, ledger));
constexpr std::size_t ledger_at = offsetof(ledger::Transfer, ledger);

Status check_not_reserved(std::string_view stream) {
  if (!stream.starts_with('$')) return {};
  return fail(Code::permission_denied,
              "stream: names that begin with `$` are kept for the system; choose another");
}

struct DraftCheck {
  const Asker& asker;

  Status operator()(const ledger::Account& draft) const {
    return asker.check(Action::accounts_create, draft.ledger);
  }
  Status operator()(const ledger::Transfer& draft) const {
    return asker.check(Action::transfers_create, draft.ledger);
  }
  Status operator()(const door::EventDraft& draft) const {
    TRY(check_not_reserved(draft.stream));
    return asker.check(Action::events_append, draft.stream);
  }
  Status operator()(const door::DeletionDraft& draft) const {
    TRY(check_not_reserved(draft.stream));
    return asker.check(Action::streams_delete, draft.stream);
  }
};

}  // namespace

Status check_packed_ledgers(const Asker& asker, ledger::CommandKind kind, Bytes commands) {
  ASSERT(kind == ledger::CommandKind::create_account ||
         kind == ledger::CommandKind::create_transfer);
  const Action action = kind == ledger::CommandKind::create_account ? Action::accounts_create
                                                                    : Action::transfers_create;
  if (asker.allows_all_ledgers(action)) return {};
  std::optional<std::uint32_t> seen;
  for (std::size_t at = 0; at + ledger::command_size <= commands.size();
       at += ledger::command_size) {
    const auto ledger = load_le<std::uint32_t>(commands.data() + at + ledger_at);
    if (ledger == seen) continue;
    seen = ledger;
    TRY(asker.check(action, ledger));
  }
  return {};
}

Status check_drafts(const Asker& asker, const std::vector<door::CommandDraft>& drafts) {
  const DraftCheck check{asker};
  for (const door::CommandDraft& draft : drafts) TRY(std::visit(check, draft));
  return {};
}

Status check_source(const Asker& asker, cell::ReadQuery::Source source, std::string_view name) {
  using Source = cell::ReadQuery::Source;
  constexpr Action read = Action::events_read;
  if (asker.allows_all_streams(read)) return {};
  switch (source) {
    case Source::stream: return asker.check(read, name);
    case Source::category: return asker.check_category(read, name);
    case Source::all: return asker.check_all_streams(read);
  }
  return asker.check(read);
}

void check_account(Backend& backend, const Asker& asker, u128 account,
                   std::function<void(Status)> then) {
  if (asker.allows_all_ledgers(Action::accounts_read)) return then({});
  backend.cell.lookup_accounts(
      {account}, [asker, then = std::move(then)](const std::vector<ledger::AccountState>& found) {
        then(check_rows(asker, found));
      });
}

}  // namespace meridian::api
