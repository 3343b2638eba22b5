// Keys of a replica and turning them over, between storage/ and both interfaces. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cell/local_cell.h"
#include "meridian/v1/keys.pb.h"
#include "storage/storage_turner.h"

namespace meridian::api {

struct KeyRotation {
  std::string key;                         ///< "storage", "epoch" or "residency".
  std::optional<std::uint64_t> replica{};  ///< Of storage: which; none: each.
  std::string jurisdiction{};              ///< Of residency.
  bool operator==(const KeyRotation&) const = default;
};
/// {"key":"storage","replica":"2"}, {"key":"residency","jurisdiction":"eu"}. Errors:
/// invalid_argument naming the field; failed_precondition for a key that is never turned over, with
/// what to do instead.
Result<KeyRotation> parse_rotation_json(std::string_view body);
Result<KeyRotation> parse_rotation(const v1::RotateKeyRequest& request);
/// Why a key is never turned over, and what to do instead; empty for those that are.
std::string_view never_rotated(std::string_view key);

using KeyReport = storage::StorageTurner::Report;
void fill(const KeyReport& report, std::uint64_t answered_by, v1::NodeKeysReply& reply);
void fill(const std::vector<door::KeepingList::Place>& places, v1::NodeKeysReply& reply);
nlohmann::ordered_json keys_json(const v1::NodeKeysReply& reply);

/// What a rotation answers.
struct Rotated {
  std::uint32_t version = 0;
  std::vector<std::uint64_t> asked{}, destroyed_on{}, not_yet_on{};
  std::optional<std::uint64_t> record{};  ///< Of residency.
};
void fill(const Rotated& rotated, v1::RotateKeyReply& reply);
nlohmann::ordered_json rotated_json(const Rotated& rotated);

}  // namespace meridian::api
