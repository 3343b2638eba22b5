// A record's header for people and programs: ordered names and JSON values.
//
// What the CLI, the API and an auditor's tools print. Pure; allocates. One rule for integers, that
// of proto3's JSON mapping: 64 and 128 bits are decimal strings (a JSON number holds 53), 32 bits
// and less are numbers. Opaque ids (actor, cell, stream, category, type, subject) are 32 lowercase
// hexadecimal digits of their 16 bytes as stored; ids of accounts and transfers are decimal.
// Times come twice, in nanoseconds and in ISO 8601 UTC. A field that is not there is left out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/u128.h"
#include "ledger/header.h"

namespace meridian::ledger {

/// A name and its value, already JSON text: `"12"`, `3`, `true`, `["linked"]`, `{"a":"1"}`.
using JsonField = std::pair<std::string, std::string>;

std::vector<JsonField> describe(const Header& header);
/// The fields of describe as one JSON object, on one line.
std::string to_json(const Header& header);

/// "create_transfer", or "unknown" (numbers from outside).
std::string_view kind_name(CommandKind kind);
/// The 16 bytes of an opaque id in storage order, as 32 lowercase hexadecimal digits.
std::string opaque_hex(u128 id);
/// "2023-11-14T22:13:20.000000000Z" for 1'700'000'000'000'000'000. Any value has a text.
std::string iso_time(std::uint64_t nanoseconds);

}  // namespace meridian::ledger
