#include "api/convert_upgrade.h"

#include <fmt/format.h>

#include "api/internal/json_fields.h"

namespace meridian::api {

namespace {

Result<std::uint32_t> checked(std::uint32_t level, std::string_view field) {
  if (level == 0)
    return fail(Code::invalid_argument,
                fmt::format("{}: expected the level to activate, 2 or more", field));
  return level;
}

}  // namespace

Result<std::uint32_t> parse_activate_json(std::string_view body) {
  const nlohmann::json json = TRY(internal::parse_json(body));
  internal::JsonFields fields(json, "");
  const auto level = static_cast<std::uint32_t>(fields.number("activate", ~std::uint32_t{0}));
  TRY(fields.finish());
  return checked(level, "activate");
}

Result<std::uint32_t> parse_activate(const v1::ActivateLevelRequest& request) {
  return checked(request.level(), "level");
}

void fill(const replica::LevelReport& report, v1::UpgradeStatusReply& reply) {
  reply.set_answered_by(report.id);
  reply.set_leader(report.leader);
  reply.set_leader_address(report.leader_address);
  reply.set_active_level(report.active);
  reply.set_activatable_level(replica::activatable_level(report));
  for (const replica::LevelReport::Member& member : report.members) {
    v1::MemberLevels& to = *reply.add_members();
    to.set_id(member.id);
    to.set_region(member.region);
    if (!member.levels) continue;
    to.set_oldest(member.levels->oldest);
    to.set_newest(member.levels->newest);
  }
}

nlohmann::ordered_json upgrade_json(const replica::LevelReport& report) {
  nlohmann::ordered_json members = nlohmann::ordered_json::array();
  for (const replica::LevelReport::Member& member : report.members) {
    nlohmann::ordered_json one{{"id", std::to_string(member.id)}, {"region", member.region}};
    one["oldest"] = member.levels ? nlohmann::ordered_json(member.levels->oldest) : nullptr;
    one["newest"] = member.levels ? nlohmann::ordered_json(member.levels->newest) : nullptr;
    members.push_back(std::move(one));
  }
  return {{"answered_by", std::to_string(report.id)},
          {"leader", std::to_string(report.leader)},
          {"leader_address", report.leader_address},
          {"active_level", report.active},
          {"activatable_level", replica::activatable_level(report)},
          {"members", std::move(members)}};
}

}  // namespace meridian::api
