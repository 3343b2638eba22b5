#include "api/convert_keys.h"

#include <fmt/format.h>

#include <array>

#include "api/internal/json_fields.h"
#include "ledger/describe.h"

namespace meridian::api {
namespace {

using Json = nlohmann::ordered_json;

struct Never {
  std::string_view name, why;
};
constexpr std::string_view who_it_is =
    "it is who this replica is, for the other ones and for everybody's log policy: a new one is a "
    "new member. `meridian node replace OLD NEW=...` puts a replica with keys of its own in its "
    "place, without a gap. a node that is alone keeps it as long as its log";
constexpr std::string_view for_ever =
    "names and commitments in the records come from it, and they are for ever: with another one "
    "every stream would have another name. if it was stolen, old names can be guessed by whoever "
    "has it, and payloads about nobody opened; records and keys of persons are not touched by that";
constexpr std::array<Never, 7> nevers{{{"log", who_it_is},
                                       {"cosign", who_it_is},
                                       {"exchange", who_it_is},
                                       {"cell", for_ever},
                                       {"payload", for_ever},
                                       {"commit", for_ever},
                                       {"index", for_ever}}};

Result<KeyRotation> checked(KeyRotation rotation) {
  const std::string& key = rotation.key;
  if (const std::string_view why = never_rotated(key); !why.empty())
    return fail(Code::failed_precondition, fmt::format("{} is not turned over: {}", key, why));
  if (key != "storage" && key != "epoch" && key != "residency")
    return fail(Code::invalid_argument,
                fmt::format("key: there is none that is called {:?}. storage, epoch and residency "
                            "are turned over",
                            key));
  if (key == "residency" && rotation.jurisdiction.empty())
    return fail(Code::invalid_argument,
                "jurisdiction: say whose key is turned over; `meridian residency list` shows which "
                "there are");
  if (key != "residency" && !rotation.jurisdiction.empty())
    return fail(Code::invalid_argument,
                fmt::format("jurisdiction: {} is of no jurisdiction: leave it away", key));
  if (key != "storage" && rotation.replica)
    return fail(
        Code::invalid_argument,
        fmt::format("replica: {} is turned over on all replicas at once: leave it away", key));
  return rotation;
}

Json ids_json(const std::vector<std::uint64_t>& ids) {
  Json list = Json::array();
  for (const std::uint64_t id : ids) list.push_back(std::to_string(id));
  return list;
}

}  // namespace

std::string_view never_rotated(std::string_view key) {
  for (const Never& never : nevers)
    if (never.name == key) return never.why;
  return {};
}

Result<KeyRotation> parse_rotation_json(std::string_view body) {
  const nlohmann::json json = TRY(internal::parse_json(body));
  internal::JsonFields fields(json, "");
  KeyRotation rotation{fields.text("key"), {}};
  const std::uint64_t replica = fields.number("replica", ~std::uint64_t{0});
  if (replica != 0) rotation.replica = replica;
  rotation.jurisdiction = fields.text("jurisdiction");
  TRY(fields.finish());
  return checked(std::move(rotation));
}

Result<KeyRotation> parse_rotation(const v1::RotateKeyRequest& request) {
  KeyRotation rotation{request.key(), {}, request.jurisdiction()};
  if (request.replica() != 0) rotation.replica = request.replica();
  return checked(std::move(rotation));
}

void fill(const KeyReport& report, std::uint64_t answered_by, v1::NodeKeysReply& reply) {
  reply.set_answered_by(answered_by);
  for (std::size_t i = 0; i < report.keys.size(); ++i) {
    const storage::KeyStore::Listing& key = report.keys[i];
    const bool is_newest = i + 1 == report.keys.size() || report.keys[i + 1].name != key.name;
    v1::NodeKey& to = *reply.add_keys();
    to.set_name(key.name);
    to.set_version(static_cast<std::uint32_t>(key.version));
    to.set_in_use(is_newest);
    to.set_made(static_cast<std::int64_t>(key.created_ns));
    to.set_in_token(key.is_in_token);
    if (const auto found = report.public_keys.find(key.name);
        is_newest && found != report.public_keys.end())
      to.set_public_key(std::string(as_text(found->second)));
    if (key.name != "storage") continue;
    const auto files = report.files.find(key.version);
    to.set_files(files == report.files.end() ? 0 : files->second);
  }
  reply.set_token(report.token);
  reply.set_turning(!report.progress.older.empty());
  reply.set_files_turned(report.progress.files);
  reply.set_hindrance(report.progress.hindrance);
}

void fill(const std::vector<door::KeepingList::Place>& places, v1::NodeKeysReply& reply) {
  for (const door::KeepingList::Place& place : places) {
    v1::JurisdictionKey& to = *reply.add_jurisdictions();
    to.set_name(place.jurisdiction.name);
    to.set_has_key(place.jurisdiction.has_key());
    to.set_turn(place.jurisdiction.turn());
    to.set_turning(place.jurisdiction.is_turning);
    to.set_older_keys(place.older_keys);
  }
}

Json keys_json(const v1::NodeKeysReply& reply) {
  Json keys = Json::array();
  for (const v1::NodeKey& key : reply.keys()) {
    Json one{{"name", key.name()},
             {"version", key.version()},
             {"in_use", key.in_use()},
             {"made", ledger::iso_time(static_cast<std::uint64_t>(key.made()))},
             {"in_token", key.in_token()}};
    if (!key.public_key().empty()) one["public_key"] = to_hex(as_bytes(key.public_key()));
    if (key.has_files()) one["files"] = key.files();
    keys.push_back(std::move(one));
  }
  Json jurisdictions = Json::array();
  for (const v1::JurisdictionKey& one : reply.jurisdictions())
    jurisdictions.push_back({{"name", one.name()},
                             {"has_key", one.has_key()},
                             {"turn", one.turn()},
                             {"turning", one.turning()},
                             {"older_keys", one.older_keys()}});
  return {{"answered_by", std::to_string(reply.answered_by())},
          {"keys", std::move(keys)},
          {"jurisdictions", std::move(jurisdictions)},
          {"token", reply.token()},
          {"turning", reply.turning()},
          {"files_turned", reply.files_turned()},
          {"hindrance", reply.hindrance()}};
}

void fill(const Rotated& rotated, v1::RotateKeyReply& reply) {
  reply.set_version(rotated.version);
  reply.mutable_asked()->Add(rotated.asked.begin(), rotated.asked.end());
  reply.mutable_destroyed_on()->Add(rotated.destroyed_on.begin(), rotated.destroyed_on.end());
  reply.mutable_not_yet_on()->Add(rotated.not_yet_on.begin(), rotated.not_yet_on.end());
  if (rotated.record) reply.set_record_index(*rotated.record);
}

Json rotated_json(const Rotated& rotated) {
  Json json{{"version", rotated.version},
            {"asked", ids_json(rotated.asked)},
            {"destroyed_on", ids_json(rotated.destroyed_on)},
            {"not_yet_on", ids_json(rotated.not_yet_on)}};
  if (rotated.record) json["record_index"] = std::to_string(*rotated.record);
  return json;
}

}  // namespace meridian::api
