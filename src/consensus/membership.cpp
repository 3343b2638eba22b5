#include "consensus/membership.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/assert.h"

namespace meridian::consensus {

namespace {

using Ids = std::vector<std::uint64_t>;
using Matched = std::function<std::uint64_t(std::uint64_t)>;

bool contains(const Ids& ids, std::uint64_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

constexpr std::uint32_t format_version = 1;
constexpr std::size_t members_max = 64;

void put(const Ids& ids, ByteWriter& out) {
  ASSERT(std::is_sorted(ids.begin(), ids.end()));
  out.u32(static_cast<std::uint32_t>(ids.size()));
  for (const std::uint64_t id : ids) out.u64(id);
}

Result<Ids> take(ByteReader& in, std::string_view field) {
  const std::uint32_t count = in.u32();
  if (!in.ok() || count > members_max)
    return fail(Code::data_loss, fmt::format("membership: {} of {} members", field, count));
  Ids ids;
  for (std::uint32_t i = 0; i < count; ++i) ids.push_back(in.u64());
  const auto rising = [](std::uint64_t a, std::uint64_t b) { return a >= b; };
  if (!in.ok() || (count > 0 && ids.front() == 0) ||
      std::adjacent_find(ids.begin(), ids.end(), rising) != ids.end())
    return fail(Code::data_loss, fmt::format("membership: the ids of {} are not rising", field));
  return ids;
}

Status check_half(const Ids& voters, const RegionOf& region_of, std::string_view half) {
  std::map<std::string, std::size_t> count;
  for (const std::uint64_t id : voters) ++count[region_of(id)];
  for (const auto& [region, members] : count)
    if (members * 2 > voters.size())
      return fail(Code::failed_precondition,
                  fmt::format("region {} would hold {} of {} voters ({}): losing it would stop the "
                              "cell; place voters so that no region has a majority",
                              region, members, voters.size(), half));
  return {};
}

/// The highest index that a majority of `voters` has.
std::uint64_t majority_index(const Ids& voters, const Matched& matched) {
  if (voters.empty()) return UINT64_MAX;
  Ids indexes;
  indexes.reserve(voters.size());
  for (const std::uint64_t id : voters) indexes.push_back(matched(id));
  std::sort(indexes.begin(), indexes.end(), std::greater<>());
  return indexes[indexes.size() / 2];
}

}  // namespace

bool Membership::has(std::uint64_t id) const {
  return contains(voters, id) || contains(learners, id) || contains(outgoing, id) ||
         contains(learners_next, id);
}

bool Membership::votes(std::uint64_t id) const {
  return contains(voters, id) || contains(outgoing, id);
}

std::set<std::uint64_t> Membership::ids() const {
  std::set<std::uint64_t> all = voting_ids();
  all.insert(learners.begin(), learners.end());
  all.insert(learners_next.begin(), learners_next.end());
  return all;
}

std::set<std::uint64_t> Membership::voting_ids() const {
  std::set<std::uint64_t> all(voters.begin(), voters.end());
  all.insert(outgoing.begin(), outgoing.end());
  return all;
}

Buffer encode_membership(const Membership& membership) {
  Buffer bytes;
  ByteWriter out(bytes);
  out.u32(format_version);
  put(membership.voters, out);
  put(membership.learners, out);
  put(membership.outgoing, out);
  put(membership.learners_next, out);
  return bytes;
}

Result<Membership> decode_membership(Bytes bytes) {
  ByteReader in(bytes);
  if (const std::uint32_t version = in.u32(); !in.ok() || version != format_version)
    return fail(Code::data_loss, fmt::format("membership: version {}, this program knows {}",
                                             version, format_version));
  Membership out;
  out.voters = TRY(take(in, "voters"));
  out.learners = TRY(take(in, "learners"));
  out.outgoing = TRY(take(in, "outgoing voters"));
  out.learners_next = TRY(take(in, "next learners"));
  if (!in.done()) return fail(Code::data_loss, "membership: bytes are left over");
  return out;
}

Status check_placement(const Membership& membership, const RegionOf& region_of) {
  TRY(check_half(membership.voters, region_of, "new configuration"));
  return check_half(membership.outgoing, region_of, "configuration being left");
}

std::uint64_t quorum_index(const Membership& membership, const Matched& matched) {
  ASSERT(!membership.voters.empty());
  return std::min(majority_index(membership.voters, matched),
                  majority_index(membership.outgoing, matched));
}

std::uint64_t global_index(const Membership& membership, const RegionOf& region_of,
                           const Matched& matched) {
  std::map<std::string, std::uint64_t> best;  // of each region
  for (const Ids* half : {&membership.voters, &membership.outgoing})
    for (const std::uint64_t id : *half) {
      std::uint64_t& index = best[region_of(id)];
      index = std::max(index, matched(id));
    }
  if (best.size() < 2) return 0;
  Ids indexes;
  indexes.reserve(best.size());
  for (const auto& [region, index] : best) indexes.push_back(index);
  std::sort(indexes.begin(), indexes.end(), std::greater<>());
  return std::min(indexes[1], quorum_index(membership, matched));
}

}  // namespace meridian::consensus
