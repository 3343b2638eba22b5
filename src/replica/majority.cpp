#include "replica/majority.h"

namespace meridian::replica {

bool is_quorum(const consensus::Membership& membership, const std::set<std::uint64_t>& some) {
  if (membership.voters.empty()) return false;
  return consensus::quorum_index(membership, [&](std::uint64_t id) { return some.count(id); }) == 1;
}

std::set<std::uint64_t> Said::with(const crypto::Digest& value) const {
  std::set<std::uint64_t> all;
  for (const auto& [peer, its] : others)
    if (its == value) all.insert(peer);
  if (own == value) all.insert(id);
  return all;
}

Verdict judge(const consensus::Membership& membership, const Said& said, bool is_last_call) {
  if (is_quorum(membership, said.with(said.own))) return {Verdict::Kind::ours};
  std::set<std::uint64_t> silent = membership.voting_ids();
  silent.erase(said.id);
  std::set<std::uint64_t> differing;
  for (const auto& [peer, its] : said.others) {
    silent.erase(peer);
    if (its != said.own) differing.insert(peer);
    std::set<std::uint64_t> same = said.with(its);
    if (is_quorum(membership, same)) return {Verdict::Kind::another, std::move(same)};
  }
  if (!silent.empty() && !is_last_call) return {Verdict::Kind::open};
  return {Verdict::Kind::none, std::move(differing)};
}

}  // namespace meridian::replica
