// How the policy of a cell changes: one person proposes a text, another approves exactly that, and
// both are records (docs/decisions/0027). What is in force is a fold over those records.
//
// A proposal is a statement of a few lines that names the digest of the text and of the policy it
// replaces; its hash is that of the statement. Who proposes signs it, who approves signs a second
// one that names the hash: with the keys of their own certificates, which stand in the records.
// Whether a certificate was good when it signed is judged once, by the replica that takes the
// record (it has bundles and a clock); everything else is judged here, by every replica alike.
// Pure values: equal records give equal histories. Cost: two signature checks for each record.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "crypto/sha256.h"
#include "mesh/policy.h"
#include "mesh/signed_text.h"

namespace meridian::mesh {

inline constexpr std::string_view policy_stream = "$policy";
inline constexpr std::string_view first_policy_type = "policy.first";
inline constexpr std::string_view policy_proposed_type = "policy.proposed";
inline constexpr std::string_view policy_approved_type = "policy.approved";

struct PolicyStatement {
  u128 cell = 0;
  crypto::Digest replaces{};  ///< The policy in force when it was proposed.
  crypto::Digest policy{};    ///< The text that is proposed.
  std::string by;             ///< "spiffe://…/person/ada"
  std::int64_t at_s = 0;      ///< Seconds since 1970, by the proposer's clock.
};
/// What is signed. A proposal's hash is the SHA-256 of it.
std::string format_statement(const PolicyStatement& statement);
Result<PolicyStatement> parse_statement(std::string_view text);
std::string format_approval(const crypto::Digest& proposal, std::string_view by);

/// Bodies of the records, as JSON.
std::string first_policy_json(const Policy& policy);
std::string proposed_json(const SignedText& statement, const std::string& policy);
std::string approved_json(const crypto::Digest& proposal, const SignedText& approval);

class PolicyHistory {
 public:
  static constexpr std::int64_t proposal_lifetime_s = 24 * 3600;
  /// How far the proposer's clock may be from the record's.
  static constexpr std::int64_t clock_difference_max_s = 300;
  static constexpr std::size_t open_max = 64;

  struct Proposal {
    crypto::Digest hash;
    PolicyStatement statement;
    std::shared_ptr<const Policy> policy;
    std::int64_t ends_s;
  };

  explicit PolicyHistory(u128 cell) : cell_(cell) {}

  /// The next record of the stream. Errors, and then nothing has changed: permission_denied,
  /// invalid_argument, not_found, failed_precondition, resource_exhausted saying why it has no
  /// effect.
  Status apply(std::string_view type, std::string_view json, std::int64_t time_s);

  /// Null before the first.
  const std::shared_ptr<const Policy>& policy() const { return policy_; }
  /// Not approved, and not over at `now_s`; oldest first.
  std::vector<Proposal> open(std::int64_t now_s) const;
  /// How many policies there were, the first included.
  std::uint64_t version() const { return version_; }

 private:
  Status begin(std::string_view json);
  Status propose(std::string_view json, std::int64_t time_s);
  Status approve(std::string_view json, std::int64_t time_s);
  Status check_person(const std::string& id, Action action) const;

  u128 cell_;
  std::shared_ptr<const Policy> policy_;
  std::uint64_t version_ = 0;
  std::vector<Proposal> proposals_;
};

}  // namespace meridian::mesh
