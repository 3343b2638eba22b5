#include "sim_cluster/operator.h"

#include <algorithm>

#include "base/assert.h"
#include "sim_cluster/group.h"

namespace meridian::sim_cluster {

namespace {

using Kind = consensus::MemberChange::Kind;

constexpr std::uint64_t step_period_ns = 300'000'000;
/// A learner this close to the newest record may vote.
constexpr std::uint64_t records_behind_max = 10;

}  // namespace

void Operator::replace(const Node& old) {
  ASSERT(!is_busy());
  const std::uint64_t old_id = old.id();
  const Node& joiner = group_.add_node(old.region());
  replacing_ = Replacing{old_id, joiner.id()};
}

bool Operator::is_made(const consensus::Membership& members) const {
  return !members.is_joint() && members.votes(replacing_->new_id) &&
         !members.has(replacing_->old_id);
}

/// What members said after the step before decides this one.
void Operator::step() {
  if (!is_busy()) return;
  const auto now = static_cast<std::uint64_t>(group_.world().clock().monotonic());
  if (now < next_step_at_) return;
  next_step_at_ = now + step_period_ns;
  Node* leader = group_.leader();
  if (leader != nullptr && shown_.contains(leader->id())) {
    const consensus::Membership members = shown_.at(leader->id());
    const bool is_made_everywhere = std::ranges::all_of(members.voters, [&](std::uint64_t id) {
      return shown_.contains(id) && is_made(shown_.at(id));
    });
    if (is_made_everywhere) return end();
    if (!is_made(members)) decide(*leader, members);
  }
  shown_.clear();
  for (const auto& node : group_.nodes())
    if (node->is_up())
      node->replica().group([this, id = node->id()](const replica::GroupState& state) {
        shown_[id] = state.membership;
      });
}

void Operator::decide(Node& leader, const consensus::Membership& members) {
  if (members.is_joint()) return;
  Node& joiner = *group_.find(replacing_->new_id);
  // What came of it shows in the members; the words are for who asks why it takes so long.
  const auto tried = [this](const Status& outcome) {
    said_ = outcome ? "" : outcome.error().message;
  };
  if (!members.has(joiner.id())) {
    leader.replica().change_members(
        {{{joiner.id(), joiner.region(), joiner.address()}, Kind::learner}}, tried);
  } else if (joiner.is_up() && joiner.replica().visible_records() + records_behind_max >=
                                   group_.checker().records()) {
    leader.replica().change_members(
        {{{joiner.id(), "", ""}, Kind::voter}, {{replacing_->old_id, "", ""}, Kind::remove}},
        tried);
  }
}

void Operator::end() {
  group_.find(replacing_->old_id)->retire();
  replacing_.reset();
  shown_.clear();
  ++replaced_;
}

}  // namespace meridian::sim_cluster
