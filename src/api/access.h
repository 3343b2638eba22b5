// What callers may do: the policy in force, asked at every call of every interface before anything
// else is done for it.
//
// What one caller may do is put together once for each policy and kept with the caller; a call then
// costs a comparison, and one more for each ledger or stream that it names, unless all are allowed.
// In the clear, where nobody is told apart, everything is allowed. Fails closed: a cell without a
// policy answers what its status is and no more, and so does a replica that does not know the
// policy yet (unavailable: ask again). Denials say what is missing, are counted by action
// (meridian_policy_denials_total, meridian_mfa_denials_total) and, by actor, in the door's
// refusals, which become records. Thread-safe. Cost: 0.1 us for each call.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/callers.h"
#include "base/result.h"
#include "base/u128.h"
#include "door/door.h"
#include "io/clock.h"
#include "mesh/action.h"
#include "mesh/policy.h"
#include "metrics/counter.h"
#include "metrics/gauge.h"
#include "metrics/registry.h"

namespace meridian::api {

/// Any one of these lets a call begin; what it does then is asked about one by one.
struct Needs {
  Needs(mesh::Action one) : any{one} {}  // NOLINT: a single action is meant as such
  Needs(std::initializer_list<mesh::Action> several) : any(several) {}
  std::vector<mesh::Action> any;
};

class Access;

/// Who makes one call, and what they may do. A value of that call: it holds on to the policy of its
/// begin. Nobody, if default-made.
class Asker {
 public:
  Asker() = default;

  /// In records. 0 for nobody, and as long as this replica cannot name anybody.
  u128 actor() const { return actor_; }
  /// "spiffe://…", or "local" in the clear.
  std::string_view id() const { return caller_ ? std::string_view(caller_->id) : "local"; }
  /// Null in the clear.
  const CallerRef& caller() const { return caller_; }

  /// The policy asks what they read personal data for.
  bool needs_purpose() const;

  // Errors: permission_denied saying what is missing; each is counted. unavailable while this
  // replica does not know the policy.
  Status check(const Needs& needs) const;
  Status check(mesh::Action action, std::uint32_t ledger) const;
  Status check(mesh::Action action, std::string_view stream) const;
  Status check_all_streams(mesh::Action action) const;
  /// Of every stream whose category this is.
  Status check_category(mesh::Action action, std::string_view category) const;

  /// Then no ledger needs to be looked at.
  bool allows_all_ledgers(mesh::Action action) const;
  bool allows_all_streams(mesh::Action action) const;

 private:
  friend class Access;
  /// A person alone may do that, and by this policy with a second factor of just now.
  bool lacks_factor(mesh::Action action) const;
  bool may_everything() const { return access_ != nullptr && !caller_; }
  const mesh::Rights* rights_for(mesh::Action action) const;
  /// `question` but for the cell.
  Error deny(mesh::Question question) const;

  const Access* access_ = nullptr;
  CallerRef caller_;
  std::shared_ptr<const Standing> standing_;  ///< Null in the clear.
  u128 actor_ = 0;
};

class Access {
 public:
  /// How long ago a person may have proved a second factor, for what people alone may do.
  static constexpr std::int64_t factor_seconds_max = 600;

  /// What is given outlives it.
  Access(u128 cell, door::Door& door, metrics::Registry& metrics, io::Clock& clock);

  /// In force from the next call on. Null: this cell has none. Before the first one nothing is
  /// known.
  void replace(std::shared_ptr<const mesh::Policy> policy);
  std::shared_ptr<const mesh::Policy> policy() const;
  /// Fewer than two people may approve (or there is no policy): dangerous acts are blocked.
  bool is_bootstrap() const;

  /// Glasses that were brought to the cell. Of them those count that the policy in force lets
  /// count, until their ends; meridian_break_glass_active says how many.
  void replace_glasses(const std::vector<mesh::SignedGlass>& glasses);
  std::vector<mesh::SignedGlass> glasses() const;
  /// By which glass `asker` may do `action` now without a second person.
  std::optional<crypto::Digest> glass_for(const Asker& asker, mesh::Action action) const;

  /// Whether `id`, who does not call now, may do it: what counts when their approval is used.
  /// Errors: permission_denied.
  Status check_absent(const std::string& id, mesh::Action action) const;

  /// `caller`: null in the clear.
  Asker asker(const CallerRef& caller) const;

 private:
  friend class Asker;
  struct InForce {
    std::shared_ptr<const mesh::Policy> policy;
    bool is_bootstrap = true;
    bool is_known = false;
  };
  InForce in_force() const;
  std::shared_ptr<const Standing> standing_of(const Caller& caller, const InForce& now) const;
  Error deny(const Asker& asker, const mesh::Question& question) const;
  std::string why(const Asker& asker, const mesh::Question& question) const;

  /// Why a second factor is lacking; counts.
  std::string tell_factor(const Asker& asker, mesh::Action action) const;

  const u128 cell_;
  door::Door& door_;
  io::Clock& clock_;
  metrics::Counter &never_signed_in_, &one_factor_, &factor_too_old_;
  std::array<metrics::Counter*, mesh::action_count> denials_{};
  metrics::Gauge& glass_active_;
  mutable std::mutex mutex_;  // guards the rest
  InForce in_force_;
  std::vector<mesh::SignedGlass> glasses_;
};

}  // namespace meridian::api
