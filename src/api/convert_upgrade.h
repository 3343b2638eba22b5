// Feature levels of the cell, between replica/ and both interfaces. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "base/result.h"
#include "meridian/v1/ledger.pb.h"
#include "replica/level_news.h"

namespace meridian::api {

/// {"activate":2}. Errors: invalid_argument naming the field.
Result<std::uint32_t> parse_activate_json(std::string_view body);
Result<std::uint32_t> parse_activate(const v1::ActivateLevelRequest& request);

void fill(const replica::LevelReport& report, v1::UpgradeStatusReply& reply);
nlohmann::ordered_json upgrade_json(const replica::LevelReport& report);

}  // namespace meridian::api
