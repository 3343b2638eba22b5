#include "replica/tree_comparison.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/assert.h"

namespace meridian::replica {

void TreeComparison::begin(std::uint64_t peer, const proof::TreeHead& own, const proof::Hash& other,
                           const consensus::Membership& membership) {
  ASSERT(other != own.root);
  if (is_running() || outvoted_.count(peer) != 0) return;
  own_ = own;
  membership_ = membership;
  roots_ = {{peer, other}};
  until_ = parts_.clock.monotonic() + patience;
  next_.doubting(
      fmt::format("replica {} has another tree of {} records than this replica: nothing "
                  "is written until it is known which of them is right",
                  peer, raw(own.size)));
  decide(false);
  if (is_running() && with_ == 0) ask_roots();
}

void TreeComparison::ask_roots() {
  for (const std::uint64_t voter : membership_.voting_ids()) {
    if (voter == parts_.id || roots_.count(voter) != 0) continue;
    CosignQuestion question;
    question.kind = CosignQuestion::Kind::root;
    question.head = *own_;
    parts_.ask(voter, std::move(question));
  }
}

void TreeComparison::take_root(std::uint64_t from, const proof::TreeHead& head) {
  if (!is_running() || with_ != 0 || head.size != own_->size) return;
  roots_[from] = head.root;
  decide(false);
}

void TreeComparison::decide(bool is_last_call) {
  const Verdict verdict = judge(membership_, said(), is_last_call);
  switch (verdict.kind) {
    case Verdict::Kind::open: return;
    case Verdict::Kind::ours: return settle();
    case Verdict::Kind::another:
      return search(fmt::format(
          "this replica's tree of {} records has another root than that of replicas {}, a "
          "majority: it stops; keep its files for the auditor and replace it (`meridian node add`, "
          "then `node remove`)",
          raw(own_->size), fmt::join(verdict.who, ", ")));
    case Verdict::Kind::none:
      return search(fmt::format(
          "replicas {} have another tree of {} records than this replica, and no majority of "
          "voters is known to have one and the same: all stop writing; check each with `meridian "
          "verify`, and start those that are right",
          fmt::join(verdict.who, ", "), raw(own_->size)));
  }
}

/// We are with the quorum. Who differs finds that out by itself, and stops.
void TreeComparison::settle() {
  for (const auto& [peer, root] : roots_)
    if (root != own_->root && outvoted_.insert(peer).second)
      parts_.notice(fmt::format(
          "replica {} has another tree of {} records than a majority of voters: it must be "
          "replaced (`meridian node add`, then `node remove`); its files are evidence",
          peer, raw(own_->size)));
  own_.reset();
  next_.doubting({});
}

void TreeComparison::tick() {
  if (!is_running()) return;
  const bool is_late = parts_.clock.monotonic() > until_;
  if (with_ != 0) return is_late ? search_with_next() : ask_hashes();
  ask_roots();
  if (is_late) decide(true);
}

// --- where ---

void TreeComparison::search(std::string verdict) {
  verdict_ = std::move(verdict);
  search_with_next();
}

/// With a peer of the largest group that differs from us and was not asked yet.
void TreeComparison::search_with_next() {
  if (with_ != 0) searched_.insert(with_);
  with_ = 0;
  std::size_t largest = 0;
  for (const auto& [peer, root] : roots_) {
    const std::size_t size = said().with(root).size();
    if (root == own_->root || searched_.count(peer) != 0 || size <= largest) continue;
    largest = size;
    with_ = peer;
  }
  if (with_ == 0) return conclude("no replica says where its tree differs");
  until_ = parts_.clock.monotonic() + search_patience;
  std::uint8_t top = 0;
  while (raw(own_->size) >> (proof::tile_height * (top + 1U)) > 0) ++top;
  at_edge_ = true;
  range_ = {top, 0, static_cast<std::uint16_t>(raw(own_->size) >> (proof::tile_height * top))};
  ask_hashes();
}

void TreeComparison::ask_hashes() {
  CosignQuestion question;
  question.kind = CosignQuestion::Kind::hashes;
  question.range = range_;
  parts_.ask(with_, std::move(question));
}

void TreeComparison::take_hashes(std::uint64_t from, const proof::Hashes& hashes) {
  if (from != with_ || !is_running() || hashes.size() != range_.count) return;
  const Result<proof::Hashes> own = parts_.tiles.read(range_.level, range_.first, range_.count);
  if (!own)
    return conclude("where it parts is not known, this replica's tiles cannot be read: " +
                    own.error().message);
  for (std::size_t i = 0; i < own->size(); ++i) {
    if ((*own)[i] == hashes[i]) continue;
    if (range_.level == 0)
      return conclude(fmt::format("the first record that differs from replica {}'s is record {}",
                                  with_, range_.first + i));
    return go_down(range_.first + i);
  }
  go_down(std::nullopt);
}

void TreeComparison::go_down(std::optional<std::uint64_t> differing) {
  const bool is_inside = !at_edge_;  // of a subtree whose root differs
  const std::uint64_t size = raw(own_->size);
  if (differing) {
    --range_.level;
    range_.first = *differing * TileRange::width;
    range_.count = TileRange::width;
    at_edge_ = false;
    return ask_hashes();
  }
  std::uint64_t done = range_.first + range_.count;
  while (!is_inside && range_.level > 0) {
    --range_.level;
    done *= TileRange::width;
    const std::uint64_t complete = size >> (proof::tile_height * range_.level);
    if (complete == done) continue;
    range_.first = done;
    range_.count = static_cast<std::uint16_t>(complete - done);
    return ask_hashes();
  }
  conclude(
      fmt::format("replica {} contradicts itself: its root differs and its hashes do not", with_));
}

void TreeComparison::conclude(const std::string& where) {
  const std::string what = fmt::format("{}; {}", where, verdict_);
  parts_.notice(what);
  next_.stop(fail(Code::data_loss, what));
  with_ = 0;
  own_.reset();
}

}  // namespace meridian::replica
