#include "replica/group_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "base/assert.h"
#include "ledger/command.h"

namespace meridian::replica {

namespace {

using Kind = consensus::MemberChange::Kind;

constexpr std::uint32_t format_version = 1;
/// With the storage of each member: only if one is known, so that there is one encoding.
constexpr std::uint32_t storage_version = 2;
constexpr std::size_t members_max = 256;
constexpr std::size_t region_size_max = sizeof(ledger::MemberChange::region);
constexpr std::size_t address_size_max = sizeof(ledger::MemberChange::address);

void erase(std::vector<std::uint64_t>& ids, std::uint64_t id) {
  ids.erase(std::remove(ids.begin(), ids.end(), id), ids.end());
}
void insert(std::vector<std::uint64_t>& ids, std::uint64_t id) {
  erase(ids, id);
  ids.insert(std::upper_bound(ids.begin(), ids.end(), id), id);
}

/// A host, which is looked up when it is needed, and a port.
bool is_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  const bool is_plain =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
  return is_plain && error == std::errc() && end == digits.data() + digits.size() && port != 0;
}

Status check_step(const GroupState& state, const MemberStep& step) {
  const MemberInfo& member = step.member;
  const bool is_member = state.membership.has(member.id);
  if (member.id == 0) return fail(Code::invalid_argument, "a replica's id is never 0");
  if (step.change == Kind::learner) {
    if (state.find(member.id) != nullptr)
      return fail(
          Code::invalid_argument,
          fmt::format("id {} was used before: an id belongs to one disk for ever; take {} or a "
                      "higher one",
                      member.id, state.members.back().id + 1));
    if (state.members.size() == members_max)
      return fail(Code::failed_precondition,
                  fmt::format("this cell has used {} ids, which is all it may", members_max));
    if (const MemberInfo* other = state.at(member.address))
      return fail(Code::invalid_argument,
                  fmt::format("replica {} is at {}: give the new one another port, so that nobody "
                              "takes one for the other",
                              other->id, member.address));
    TRY(check_member(member));
    return {};
  }
  if (!is_member)
    return fail(Code::invalid_argument,
                fmt::format("replica {} is no member of the cell. `meridian node list` shows those "
                            "that are",
                            member.id));
  if (step.change == Kind::voter && state.membership.votes(member.id))
    return fail(Code::invalid_argument, fmt::format("replica {} votes already", member.id));
  return {};
}

}  // namespace

const MemberInfo* GroupState::find(std::uint64_t id) const {
  for (const MemberInfo& member : members)
    if (member.id == id) return &member;
  return nullptr;
}

const MemberInfo* GroupState::at(std::string_view address) const {
  for (const MemberInfo& member : members)
    if (member.address == address && membership.has(member.id)) return &member;
  return nullptr;
}

void GroupState::set(const MemberInfo& member) {
  const auto at =
      std::lower_bound(members.begin(), members.end(), member.id,
                       [](const MemberInfo& one, std::uint64_t id) { return one.id < id; });
  if (at != members.end() && at->id == member.id)
    *at = member;
  else
    members.insert(at, member);
}

void GroupState::bind(std::uint64_t id, u128 storage) {
  for (MemberInfo& member : members)
    if (member.id == id && member.storage == 0) member.storage = storage;
}

std::string GroupState::region_of(std::uint64_t id) const {
  const MemberInfo* member = find(id);
  return member != nullptr ? member->region : std::string();
}

Buffer encode_group_state(const GroupState& state) {
  Buffer bytes;
  ByteWriter out(bytes);
  const bool has_storage =
      std::any_of(state.members.begin(), state.members.end(),
                  [](const MemberInfo& member) { return member.storage != 0; });
  out.u32(has_storage ? storage_version : format_version);
  const Buffer membership = consensus::encode_membership(state.membership);
  out.u32(static_cast<std::uint32_t>(membership.size()));
  out.bytes(membership);
  out.u32(static_cast<std::uint32_t>(state.members.size()));
  for (const MemberInfo& member : state.members) {
    ASSERT(member.region.size() <= region_size_max && member.address.size() <= address_size_max);
    out.u64(member.id);
    out.u8(static_cast<std::uint8_t>(member.region.size()));
    out.bytes(as_bytes(member.region));
    out.u8(static_cast<std::uint8_t>(member.address.size()));
    out.bytes(as_bytes(member.address));
    if (has_storage) out.id(member.storage);
  }
  return bytes;
}

Result<GroupState> decode_group_state(Bytes bytes) {
  ByteReader in(bytes);
  const std::uint32_t version = in.u32();
  if (!in.ok() || (version != format_version && version != storage_version))
    return fail(Code::data_loss, fmt::format("group state: version {}, this program knows {}",
                                             version, storage_version));
  GroupState state;
  state.membership = TRY(consensus::decode_membership(in.take(in.u32())));
  const std::uint32_t count = in.u32();
  if (!in.ok() || count > members_max)
    return fail(Code::data_loss, fmt::format("group state: {} members", count));
  std::uint64_t last_id = 0;
  bool has_storage = false;
  for (std::uint32_t i = 0; i < count; ++i) {
    MemberInfo& member = state.members.emplace_back();
    member.id = in.u64();
    member.region = as_text(in.take(in.u8()));
    member.address = as_text(in.take(in.u8()));
    if (version == storage_version) member.storage = in.id();
    has_storage = has_storage || member.storage != 0;
    if (!in.ok() || member.region.size() > region_size_max ||
        member.address.size() > address_size_max || member.id <= last_id)
      return fail(Code::data_loss, fmt::format("group state: member {} is malformed", i));
    last_id = member.id;
  }
  if (has_storage != (version == storage_version))
    return fail(Code::data_loss, "group state: it names no storage in the version that does");
  if (!in.done()) return fail(Code::data_loss, "group state: bytes are left over");
  return state;
}

Status check_member(const MemberInfo& member) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  if (member.region.empty() || member.region.size() > region_size_max ||
      !std::all_of(member.region.begin(), member.region.end(), is_plain))
    return fail(
        Code::invalid_argument,
        fmt::format("replica {} needs a region of 1 to {} letters, digits, '-', '_' and '.'",
                    member.id, region_size_max));
  if (member.address.size() > address_size_max || !is_address(member.address))
    return fail(Code::invalid_argument,
                fmt::format("replica {} needs an address HOST:PORT of at most {} bytes, where its "
                            "peers reach it",
                            member.id, address_size_max));
  return {};
}

Result<GroupState> founding_state(const GroupConfig& config) {
  GroupState state;
  for (const MemberInfo& founder : config.founders) {
    TRY(check_member(founder));
    if (state.find(founder.id) != nullptr)
      return fail(Code::invalid_argument,
                  fmt::format("two founders of the cell have the id {}", founder.id));
    state.set(founder);
    insert(state.membership.voters, founder.id);
  }
  TRY(consensus::check_placement(state.membership,
                                 [&](std::uint64_t id) { return state.region_of(id); }));
  return state;
}

Result<GroupState> after_steps(const GroupState& state, const std::vector<MemberStep>& steps) {
  if (steps.empty()) return fail(Code::invalid_argument, "there is no change to make");
  GroupState next = state;
  std::set<std::uint64_t> changed;
  for (const MemberStep& step : steps) {
    TRY(check_step(next, step));
    if (!changed.insert(step.member.id).second)
      return fail(Code::invalid_argument,
                  fmt::format("replica {} is changed twice at once", step.member.id));
    consensus::Membership& members = next.membership;
    erase(members.voters, step.member.id);
    erase(members.learners, step.member.id);
    if (step.change == Kind::voter) insert(members.voters, step.member.id);
    if (step.change == Kind::learner) {
      insert(members.learners, step.member.id);
      next.set(step.member);
    }
  }
  if (next.membership.voters.empty())
    return fail(Code::failed_precondition, "the last voter cannot leave");
  TRY(consensus::check_placement(next.membership,
                                 [&](std::uint64_t id) { return next.region_of(id); }));
  return next;
}

}  // namespace meridian::replica
