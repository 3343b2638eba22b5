// How commands show what they got: JSON values and lines for people.
//
// Shapes of JSON are those of the HTTP interface (docs/api.md). Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "meridian/v1/ledger.pb.h"

namespace meridian::app {

using OrderedJson = nlohmann::ordered_json;

void print_line(std::string_view text);  ///< On stdout, with a line end.
void print_json(const OrderedJson& value);

OrderedJson json_of(const v1::CommandResult& result);
Result<OrderedJson> json_of(const v1::Account& account);
Result<OrderedJson> json_of(const v1::Transfer& transfer);
OrderedJson json_of(const v1::RecordedEvent& event);

/// A 128-bit field of a message; a malformed one (never from our server) is 0.
u128 to_u128(std::string_view bytes);

/// "2023-11-14T22:13:20.000000000Z" for 1'700'000'000.
std::string iso_seconds(std::int64_t seconds);

/// Rows as columns, the last column not padded. `right` are the columns of numbers.
std::string format_table(const std::vector<std::vector<std::string>>& rows,
                         const std::vector<std::size_t>& right);

}  // namespace meridian::app
