#include "replica/state_comparison.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace meridian::replica {

void StateComparison::begin(const CutDigest& own, const consensus::Membership& membership) {
  if (is_running() || own.record <= settled_) return;
  own_ = own;
  membership_ = membership;
  others_.clear();
  until_ = parts_.clock.monotonic() + patience;
  next_.doubting(
      fmt::format("another replica has another state after record {} than this one: nothing is "
                  "written until it is known which of them is right",
                  own.record - 1));
  ask_voters();
}

void StateComparison::ask_voters() {
  for (const std::uint64_t voter : membership_.voting_ids()) {
    if (voter == parts_.id || others_.count(voter) != 0) continue;
    CosignQuestion question;
    question.kind = CosignQuestion::Kind::state;
    question.head = {proof::TreeSize{own_->record}, own_->digest};
    parts_.ask(voter, std::move(question));
  }
}

void StateComparison::take(std::uint64_t from, const CutDigest& its) {
  if (!is_running() || its.record != own_->record) return;
  others_[from] = its.digest;
  decide(false);
}

void StateComparison::tick() {
  if (!is_running()) return;
  ask_voters();
  if (parts_.clock.monotonic() > until_) decide(true);
}

void StateComparison::decide(bool is_last_call) {
  const Verdict verdict = judge(membership_, {parts_.id, own_->digest, others_}, is_last_call);
  switch (verdict.kind) {
    case Verdict::Kind::open: return;
    case Verdict::Kind::ours: return settle();
    case Verdict::Kind::another:
      return stop(fmt::format(
          "this replica's state after record {} has another digest than that of replicas {}, a "
          "majority: its balances cannot be trusted and it stops; keep its files for the auditor "
          "and replace it (`meridian node replace`)",
          own_->record - 1, fmt::join(verdict.who, ", ")));
    case Verdict::Kind::none:
      return stop(fmt::format(
          "replicas have different states after record {}, and no majority of voters is known to "
          "have one and the same: all stop writing; check each with `meridian verify`, and start "
          "those that are right",
          own_->record - 1));
  }
}

/// We are with the quorum. Who differs finds that out by itself, and stops.
void StateComparison::settle() {
  for (const auto& [peer, digest] : others_)
    if (digest != own_->digest)
      parts_.notice(fmt::format(
          "replica {} has another state after record {} than a majority of voters: it must be "
          "replaced (`meridian node replace`); its files are evidence",
          peer, own_->record - 1));
  settled_ = own_->record;
  own_.reset();
  next_.doubting({});
}

void StateComparison::stop(std::string why) {
  parts_.notice(why);
  own_.reset();
  next_.stop(fail(Code::data_loss, std::move(why)));
}

}  // namespace meridian::replica
