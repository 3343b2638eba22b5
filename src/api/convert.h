// Between the messages of meridian.v1 and the values of ledger/ and door/.
//
// Messages come from strangers: every conversion inwards checks ranges and counts and names the
// field that is wrong ("transfers[3].code: 70000 is above 65535"). What the commands mean is judged
// later, by door and ledger. Pure; any thread. Cost: about 60 ns per transfer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "cell/local_cell.h"
#include "door/door.h"
#include "ledger/command.h"
#include "ledger/header.h"
#include "ledger/queries.h"
#include "meridian/v1/ledger.pb.h"
#include "replica/replica.h"

namespace meridian::api {

/// What one reply of events may hold before it is cut short; clients receive 4 MiB by default.
inline constexpr std::size_t reply_bytes_max = 3 << 20;
inline constexpr std::uint32_t lookup_ids_max = ledger::entry_commands_max;

/// Little-endian, at most 16 bytes; missing high bytes are zero. Errors: invalid_argument.
Result<u128> parse_u128(std::string_view bytes, std::string_view field);
/// The fewest bytes that hold `value`.
std::string format_u128(u128 value);
/// Errors: invalid_argument if `value` is above `max`.
Result<std::uint64_t> check_max(std::uint64_t value, std::uint64_t max, std::string_view field);

Result<ledger::Account> parse_account(const v1::Account& message, std::string_view field);
Result<ledger::Transfer> parse_transfer(const v1::Transfer& message, std::string_view field);
Result<door::EventDraft> parse_event(const v1::NewEvent& message, std::string_view field);
Result<door::DeletionDraft> parse_deletion(const v1::StreamDeletion& message,
                                           std::string_view field);
void fill(const ledger::Account& account, v1::Account& message);
void fill(const ledger::Transfer& transfer, v1::Transfer& message);
void fill(const ledger::AccountBalance& balance, v1::AccountBalance& message);
void fill(const cell::ReadEvent& event, v1::RecordedEvent& message);

/// Commands of 128 bytes each, ready for the packed path.
Result<Buffer> pack(const v1::CreateAccountsRequest& request);
Result<Buffer> pack(const v1::CreateTransfersRequest& request);
/// Errors: invalid_argument unless `commands` are 1 to entry_commands_max whole commands.
Status check_packed(std::string_view commands);

/// Drafts and, in the same order, their kinds (results are named by them).
struct Drafts {
  std::vector<door::CommandDraft> commands;
  std::vector<ledger::CommandKind> kinds;
};
Result<Drafts> parse_append(const v1::AppendRequest& request);
Result<Drafts> parse_delete(const v1::DeleteStreamRequest& request);
/// Each transaction becomes one chain of linked commands.
Result<Drafts> parse_transact(const v1::TransactRequest& request);
/// Links `commands[first..]` into one chain. Errors: invalid_argument if the last one is linked.
Status link_chain(std::vector<door::CommandDraft>& commands, std::size_t first,
                  std::string_view field);
ledger::CommandKind kind_of(const door::CommandDraft& draft);

Result<std::vector<u128>> parse_ids(const v1::LookupRequest& request);
Result<ledger::AccountFilter> parse_filter(const v1::AccountFilter& message);
Result<ledger::QueryFilter> parse_filter(const v1::QueryFilter& message);
Result<cell::ReadQuery> parse_read(const v1::ReadRequest& request);

/// `kinds` has one entry per result, or one for all.
void fill(const replica::Answer& answer, const std::vector<ledger::CommandKind>& kinds,
          v1::CreateReply& reply);
void fill(const replica::Answer& answer, v1::PackedReply& reply);
void fill(const ledger::Header& header, v1::CommandResult& result);
/// Fills `reply` up to reply_bytes_max and then sets `next` to the first event left out.
void fill(const cell::ReadPage& page, const cell::ReadQuery& query, v1::ReadReply& reply);
/// About what `event` takes in a reply.
std::size_t reply_size(const cell::ReadEvent& event);
/// Where a reader of `source` stands at this event: its revision or its record index.
std::uint64_t position_of(const cell::ReadEvent& event, cell::ReadQuery::Source source);

}  // namespace meridian::api
