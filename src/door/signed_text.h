// What a client signs of a request: one text for what it means, whichever interface it comes by
// (docs/formats/signature.md).
//
//   meridian-request 1
//   cell 5d8f0f5e-91ff-4a46-9c8e-5f3b6f9b1c11
//   by spiffe://eu-west.bank.example/service/payments
//   at 1796013097
//   commands 1
//   transfer id=77 debit_account_id=1 credit_account_id=2 amount=500 ledger=978 code=1
//
// With an event in it, it is `meridian-request 2`, and what the event holds stands in its line as a
// digest (door/signed_event.h). Deletions of streams are not signed: they have no payload that a
// salt could be sealed in. Pure. Cost: O(commands), and of events O(bytes).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "door/door.h"
#include "door/signed_event.h"
#include "ledger/command.h"
#include "ledger/header.h"

namespace meridian::door {

inline constexpr std::size_t signed_text_size_max = 256 << 10;
/// The evidence is a command of the same request.
inline constexpr std::size_t signed_commands_max = ledger::entry_commands_max - 1;
/// Where the cell keeps what was signed.
inline constexpr std::string_view signatures_stream = "$signatures";
inline constexpr std::string_view signature_type = "$signature";
/// How far the time that a client signs may be from the door's, and from the record's.
inline constexpr std::int64_t signed_at_leeway_s = 300;

using SignedCommand = std::variant<ledger::Account, ledger::Transfer, SignedEvent>;

struct SignedRequest {
  u128 cell = 0;
  std::string by;         ///< "spiffe://…"
  std::int64_t at_s = 0;  ///< Seconds since 1970, by the signer's clock.
  std::vector<SignedCommand> commands;
  bool operator==(const SignedRequest&) const = default;
};

/// Errors: invalid_argument for more than signed_commands_max or signed_text_size_max.
Result<std::string> format_signed_text(const SignedRequest& request);
/// Only what format_signed_text() gives. Errors: invalid_argument.
Result<SignedRequest> parse_signed_text(std::string_view text);
/// The one line of it, without its end.
std::string format_signed_command(const SignedCommand& command);

/// Of a request as it came. Errors: invalid_argument if something in it cannot be signed.
Result<std::vector<SignedCommand>> signed_commands(const std::vector<CommandDraft>& drafts);
/// `packed`: accounts or transfers.
std::vector<SignedCommand> signed_commands(ledger::CommandKind kind, Bytes packed);
/// Of packed ones: asserts that there is no event.
std::vector<CommandDraft> to_drafts(const std::vector<SignedCommand>& commands);

/// That `request` asks for what `header` records: its cell, its time, and a line that is the
/// record's command. What a post or void left out is in the record and not in the line. Of an event
/// its content is not looked at (check_signed_content). Errors: permission_denied saying what
/// differs.
Status check_signed_record(const SignedRequest& request, const ledger::Header& header);
/// Of an event that was opened, as above: that what it holds is what was signed. Errors: those of
/// check_signed_content(SignedEvent).
Status check_signed_content(const SignedRequest& request, const ledger::Header& header,
                            const OpenedEvent& opened);
/// The command of `request` that check_signed_record() takes for that of `header`; null if none.
const SignedCommand* find_signed_command(const SignedRequest& request,
                                         const ledger::Header& header);

}  // namespace meridian::door
