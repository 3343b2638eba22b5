#include "consensus/internal/kept_log.h"

#include <algorithm>
#include <utility>

namespace meridian::consensus {

void KeptLog::offered(std::uint64_t to, std::uint64_t first, io::MonotonicTime now) {
  const auto [found, is_new] = members_.try_emplace(to, Member{first, first, now});
  if (is_new) last_index_before_ = ~std::uint64_t{0};
  found->second.newest = first;
  found->second.heard_at = now;
}

void KeptLog::heard(std::uint64_t from, io::MonotonicTime now) {
  if (const auto found = members_.find(from); found != members_.end()) found->second.heard_at = now;
}

bool KeptLog::look(std::span<const PeerProgress> members, std::uint64_t last_index,
                   std::uint64_t releasable, io::MonotonicTime now) {
  const std::uint64_t wanted = std::exchange(last_index_before_, last_index);
  return std::erase_if(members_, [&](const auto& one) {
           const auto found = std::ranges::find(members, one.first, &PeerProgress::id);
           if (found == members.end()) return true;
           if (now - one.second.heard_at > silence_max) return true;
           return found->matched + 1 >= releasable && found->matched >= wanted;
         }) > 0;
}

std::optional<std::uint64_t> KeptLog::give_up() {
  const auto most =
      std::ranges::min_element(members_, {}, [](const auto& one) { return one.second.first; });
  if (most == members_.end()) return std::nullopt;
  const std::uint64_t id = most->first;
  if (most->second.first < most->second.newest)
    most->second.first = most->second.newest;
  else
    members_.erase(most);
  return id;
}

std::uint64_t KeptLog::first(std::uint64_t releasable) const {
  std::uint64_t first = releasable;
  for (const auto& [id, member] : members_) first = std::min(first, member.first);
  return first;
}

std::vector<std::uint64_t> KeptLog::members() const {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, member] : members_) ids.push_back(id);
  return ids;
}

}  // namespace meridian::consensus
