#include "api/access.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "base/assert.h"
#include "io/unix_time.h"

namespace meridian::api {
namespace {

/// What a caller may do whatever the policy says, so that a cell without one can be asked how it
/// is.
bool is_for_all(mesh::Action action) { return action == mesh::Action::status_read; }

/// No stream has it.
constexpr std::string_view no_stream_name = "\n";

metrics::Counter& factor_denials(metrics::Registry& metrics, const char* reason) {
  return metrics.counter("meridian_mfa_denials_total",
                         "Calls denied for want of a second factor used just now, by reason.",
                         {{"reason", reason}});
}

bool is_person(const Caller& caller) {
  return mesh::kind_of(caller.identity.id) == mesh::IdKind::person;
}

}  // namespace

const mesh::Rights* Asker::rights_for(mesh::Action action) const {
  if (standing_ == nullptr || standing_->blocked.test(mesh::index_of(action)) ||
      lacks_factor(action))
    return nullptr;
  return &standing_->rights;
}

bool Asker::lacks_factor(mesh::Action action) const {
  if (!mesh::needs_person(action) || !standing_->policy || !standing_->policy->mfa_needed())
    return false;
  const std::optional<mesh::PersonEvidence>& evidence = caller_->identity.evidence;
  return !evidence ||
         !evidence->is_mfa_within(io::unix_seconds(access_->clock_), Access::factor_seconds_max);
}

Error Asker::deny(mesh::Question question) const {
  if (access_ == nullptr) return fail(Code::permission_denied, "nobody may do anything");
  question.cell = access_->cell_;
  return access_->deny(*this, question);
}

Status Asker::check(const Needs& needs) const {
  ASSERT(!needs.any.empty());
  if (may_everything()) return {};
  for (const mesh::Action action : needs.any) {
    const mesh::Rights* rights = rights_for(action);
    if (rights != nullptr && rights->allow(action)) return {};
    if (standing_ != nullptr && standing_->policy == nullptr && is_for_all(action)) return {};
    if (access_ != nullptr && access_->glass_for(*this, action)) return {};
  }
  return deny({.id = id(), .action = needs.any.front()});
}

Status Asker::check(mesh::Action action, std::uint32_t ledger) const {
  if (may_everything()) return {};
  const mesh::Rights* rights = rights_for(action);
  if (rights != nullptr && rights->allow(action, ledger)) return {};
  return deny({.id = id(), .action = action, .ledger = ledger});
}

Status Asker::check(mesh::Action action, std::string_view stream) const {
  if (may_everything()) return {};
  const mesh::Rights* rights = rights_for(action);
  if (rights != nullptr && rights->allow(action, stream)) return {};
  return deny({.id = id(), .action = action, .stream = stream});
}

Status Asker::check_all_streams(mesh::Action action) const {
  if (may_everything() || allows_all_streams(action)) return {};
  TRY(check(action));
  return deny({.id = id(), .action = action, .stream = no_stream_name});
}

Status Asker::check_category(mesh::Action action, std::string_view category) const {
  const std::string prefix = std::string(category) + "-";
  if (may_everything() || allows_all_streams(action)) return {};
  const mesh::Rights* rights = rights_for(action);
  if (rights != nullptr && rights->allow(action, category) && rights->allow_prefix(action, prefix))
    return {};
  Error error = deny({.id = id(), .action = action, .stream = prefix});
  error.message += " (a category is its streams `NAME` and `NAME-*`)";
  return error;
}

bool Asker::allows_all_ledgers(mesh::Action action) const {
  if (may_everything()) return true;
  const mesh::Rights* rights = rights_for(action);
  return rights != nullptr && rights->allow_all_ledgers(action);
}

bool Asker::allows_all_streams(mesh::Action action) const {
  if (may_everything()) return true;
  const mesh::Rights* rights = rights_for(action);
  return rights != nullptr && rights->allow_all_streams(action);
}

Access::Access(u128 cell, door::Door& door, metrics::Registry& metrics, io::Clock& clock)
    : cell_(cell),
      door_(door),
      clock_(clock),
      never_signed_in_(factor_denials(metrics, "no_sign_in")),
      one_factor_(factor_denials(metrics, "one_factor")),
      factor_too_old_(factor_denials(metrics, "too_old")),
      glass_active_(metrics.gauge("meridian_break_glass_active",
                                  "Rights for an emergency in force, without a second person.")) {
  for (std::size_t i = 0; i < mesh::action_count; ++i)
    denials_[i] = &metrics.counter("meridian_policy_denials_total",
                                   "Calls that the policy did not allow, by action.",
                                   {{"action", std::string(mesh::info(mesh::action_at(i)).name)}});
}

void Access::replace(std::shared_ptr<const mesh::Policy> policy) {
  InForce now{std::move(policy), true, true};
  now.is_bootstrap = now.policy == nullptr ||
                     (now.policy->needs_second_person() && now.policy->approvers(cell_) < 2);
  const std::lock_guard lock(mutex_);
  in_force_.policy.swap(now.policy);
  in_force_.is_bootstrap = now.is_bootstrap;
  in_force_.is_known = true;
}

Access::InForce Access::in_force() const {
  const std::lock_guard lock(mutex_);
  return in_force_;
}

std::shared_ptr<const mesh::Policy> Access::policy() const { return in_force().policy; }
bool Access::is_bootstrap() const { return in_force().is_bootstrap; }

bool Asker::needs_purpose() const {
  return !may_everything() && (standing_ == nullptr || standing_->policy == nullptr ||
                               standing_->policy->needs_purpose(standing_->rights));
}

void Access::replace_glasses(const std::vector<mesh::SignedGlass>& glasses) {
  {
    const std::lock_guard lock(mutex_);
    glasses_ = glasses;
  }
  glass_active_.set(static_cast<std::int64_t>(this->glasses().size()));
}

std::vector<mesh::SignedGlass> Access::glasses() const {
  std::vector<mesh::SignedGlass> found;
  std::shared_ptr<const mesh::Policy> policy;
  {
    const std::lock_guard lock(mutex_);
    if (glasses_.empty()) return {};
    found = glasses_;
    policy = in_force_.policy;
  }
  const auto now = static_cast<std::int64_t>(clock_.now().time) / 1'000'000'000;
  std::erase_if(found, [&](const mesh::SignedGlass& one) {
    return now < one.glass.from_s || now >= one.glass.until_s || one.glass.cell != cell_ ||
           policy == nullptr || !mesh::verify_glass(one, policy->glass_keys());
  });
  return found;
}

std::optional<crypto::Digest> Access::glass_for(const Asker& asker, mesh::Action action) const {
  if (asker.caller() == nullptr || !is_person(*asker.caller())) return std::nullopt;
  for (const mesh::SignedGlass& one : glasses())
    if (one.glass.to == asker.id() && one.glass.actions.test(mesh::index_of(action)))
      return one.hash;
  return std::nullopt;
}

Status Access::check_absent(const std::string& id, mesh::Action action) const {
  const std::shared_ptr<const mesh::Policy> policy = in_force().policy;
  if (policy == nullptr) return fail(Code::permission_denied, "this cell has no policy");
  const mesh::Explanation why =
      policy->explain({.id = id, .cell = cell_, .action = action, .ledger = {}, .stream = {}});
  if (why.is_allowed) return {};
  return fail(Code::permission_denied,
              fmt::format("{} by {}, who approved: {}", mesh::info(action).name, id, why.text));
}

Asker Access::asker(const CallerRef& caller) const {
  Asker asker;
  asker.access_ = this;
  asker.caller_ = caller;
  if (caller) {
    asker.actor_ = caller->actor(door_);
    asker.standing_ = standing_of(*caller, in_force());
  } else {
    asker.actor_ = door_.actor_id("local");
  }
  return asker;
}

std::shared_ptr<const Standing> Access::standing_of(const Caller& caller,
                                                    const InForce& now) const {
  if (std::shared_ptr<const Standing> kept = caller.standing();
      kept && kept->policy == now.policy && kept->is_known == now.is_known)
    return kept;
  auto made = std::make_shared<Standing>();
  made->policy = now.policy;
  made->is_known = now.is_known;
  if (now.policy) made->rights = now.policy->rights_of(caller.id, cell_);
  made->is_person = is_person(caller);
  made->is_bootstrap = now.is_bootstrap;
  for (std::size_t i = 0; i < mesh::action_count; ++i) {
    const mesh::Action action = mesh::action_at(i);
    made->blocked.set(i, mesh::needs_person(action) && (!made->is_person || now.is_bootstrap));
  }
  caller.keep(made);
  return made;
}

Error Access::deny(const Asker& asker, const mesh::Question& question) const {
  if (!asker.standing_->is_known)
    return fail(Code::unavailable,
                "this replica does not know the cell's policy yet: ask again, or another one");
  denials_[mesh::index_of(question.action)]->increment();
  if (asker.actor_ != 0) door_.count_denial(asker.actor_, question.action);
  std::string what(mesh::info(question.action).name);
  if (question.ledger == 0)
    what += " without a ledger that is named";
  else if (question.ledger)
    what += fmt::format(" in ledger {}", *question.ledger);
  return fail(Code::permission_denied, fmt::format("{}: {}", what, why(asker, question)));
}

std::string Access::tell_factor(const Asker& asker, mesh::Action action) const {
  const std::optional<mesh::PersonEvidence>& evidence = asker.caller_->identity.evidence;
  metrics::Counter& reason = !evidence           ? never_signed_in_
                             : !evidence->is_mfa ? one_factor_
                                                 : factor_too_old_;
  reason.increment();
  std::string_view had = "this certificate is of nobody who signed in";
  if (evidence) had = evidence->is_mfa ? "it was used longer ago" : "none was used";
  return fmt::format(
      "denied: {} needs a sign-in with a second factor within the last 10 minutes, and {}. run: "
      "meridian sign-in --mfa --out DIR",
      mesh::info(action).name, had);
}

std::string Access::why(const Asker& asker, const mesh::Question& question) const {
  const Standing& standing = *asker.standing_;
  if (standing.policy == nullptr)
    return "denied: this cell has no policy, so it says how it is and no more. start its replicas "
           "with --first-policy FILE";
  const mesh::Explanation explanation = standing.policy->explain(question);
  if (!explanation.is_allowed) return explanation.text;
  if (!standing.blocked.test(mesh::index_of(question.action)))
    return asker.lacks_factor(question.action) ? tell_factor(asker, question.action)
                                               : explanation.text;
  if (!standing.is_person)
    return fmt::format("denied: {} is no person, and only people may do that", asker.id());
  return "denied: by this policy fewer than two people may approve, and nothing dangerous is done "
         "by one person";
}

}  // namespace meridian::api
