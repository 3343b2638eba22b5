#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "ledger/describe.h"
#include "ledger/feature_level.h"
#include "replica/internal/level_check.h"

namespace meridian::replica {
namespace {

Error needs_level(std::uint32_t level, std::string_view what, std::uint32_t needed) {
  return fail(Code::failed_precondition,
              fmt::format("the cell is at feature level {}, and {} needs level {}: nothing was "
                          "done. once all replicas run that level, `meridian upgrade activate` it",
                          level, what, needed));
}

/// Of accounts: the ledger would call the flag reserved, which says less.
Status check_account_flags(Bytes accounts, std::uint32_t level) {
  for (std::size_t at = 0; at < accounts.size(); at += ledger::command_size) {
    const auto account = ledger::load_command<ledger::Account>(accounts.data() + at);
    if ((account.flags & ledger::account_flags::requires_signature) != 0)
      return needs_level(level, "an account that requires signatures",
                         ledger::level_of_required_signatures);
  }
  return {};
}

/// The first command of what a client signed is the evidence, an event itself.
bool has_signed_events(const ledger::Request& request) {
  if (request.attester != ledger::Attester::client_signature) return false;
  std::uint64_t events = 0;
  for (const ledger::Run& run : request.runs)
    if (run.kind == ledger::CommandKind::append_event) events += run.count;
  return events > 1;
}

}  // namespace

Status check_level(const ledger::Request& request, std::uint32_t level) {
  if (level < ledger::level_of_signed_events && has_signed_events(request))
    return needs_level(level, "an event that its client signed", ledger::level_of_signed_events);
  std::size_t at = 0;
  for (const ledger::Run& run : request.runs) {
    const std::uint32_t needed = ledger::level_needed(run.kind);
    if (needed > std::max<std::uint32_t>(level, 1))
      return needs_level(level, ledger::kind_name(run.kind), needed);
    const std::size_t size = run.count * ledger::command_size;
    if (run.kind == ledger::CommandKind::create_account &&
        level < ledger::level_of_required_signatures)
      TRY(check_account_flags(Bytes(request.commands).subspan(at, size), level));
    at += size;
  }
  return {};
}

}  // namespace meridian::replica
