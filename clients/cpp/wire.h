// Between the messages of meridian.v1 and our values. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "meridian/records.h"
#include "meridian/v1/ledger.pb.h"

namespace meridian::client {

/// Little-endian, the fewest bytes; and back, where missing high bytes are zero.
std::string format_u128(u128 value);
u128 parse_u128(std::string_view bytes);

Account to_account(const v1::Account& message);
Transfer to_transfer(const v1::Transfer& message);
Event to_event(const v1::RecordedEvent& message);
Record to_record(const v1::CommandResult& message);
void fill(const NewEvent& event, v1::NewEvent& message);
v1::LookupRequest lookup_request(const std::vector<u128>& ids);
v1::OutcomeRequest outcome_request(Kind kind, u128 id);

/// True if the ledger could have made `kept` of the command `sent`: what the ledger fills in
/// (balances, timestamp, what a post or void takes from its pending transfer) may differ.
bool is_same(const Account& sent, const Account& kept);
bool is_same(const Transfer& sent, const Transfer& kept);

}  // namespace meridian::client
