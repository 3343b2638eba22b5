// Who may do what: a policy that people read and write as YAML, and the decisions that follow.
//
//   meridian-policy: 1
//   grants:
//     - who: spiffe://eu-west.bank.example/service/payments
//       roles: [writer]
//       cells: all
//       ledgers: [700, 710]
//       streams: ["payments-*"]
//     - who: ["spiffe://*.bank.example/person/*"]
//       actions: [status.read, proofs.read]
//       cells: [5d8f0f5e-91ff-4a46-9c8e-5f3b6f9b1c11]
//   denials:
//     - who: spiffe://eu-west.bank.example/service/old-*
//       actions: all
//
// What no grant gives is denied, and a denial beats every grant. A pattern is an id, or an id whose
// first domain label is `*` (any one label), or that ends in `*` (any ending, also with slashes).
// A grant that gives an action about ledgers or streams says which; nothing is meant by silence.
// At the top stand settings, too: `purpose: optional` (what personal data is read for need not be
// said), `break-glass:` with `keys`, `needed` and `longest`, and for development, only if all
// identities are of dev.invalid, `second-person: not-needed`.
// Pure values; const calls from any thread. Cost: rights_of() some microseconds, once per identity;
// Rights::allow 10 ns, with streams 30 ns. Format and words: docs/security/policy.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "crypto/sha256.h"
#include "mesh/action.h"
#include "mesh/break_glass.h"

namespace meridian::mesh {

inline constexpr std::size_t policy_size_max = 256 << 10;
inline constexpr std::size_t policy_rules_max = 4'096;
inline constexpr std::size_t policy_names_max = 1'024;  ///< In one list of one rule.

/// "spiffe://eu-west.bank.example/service/pay-*": see above.
class IdentityPattern {
 public:
  /// Errors: invalid_argument saying what is wrong.
  static Result<IdentityPattern> parse(std::string_view text);
  bool matches(std::string_view id) const;
  /// Whether it is about people, and about more than one name.
  bool is_about_persons() const;
  bool is_about_several() const { return any_ending_; }
  /// Of the trust domain that belongs to nobody: dev.invalid, and what is below it.
  bool is_for_development() const;
  const std::string& path() const { return path_; }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::string domain_;  ///< Without the `*.` of any_label_.
  std::string path_;    ///< With its slash, without the `*` of any_ending_.
  bool any_label_ = false;
  bool any_ending_ = false;
};

/// Names, or beginnings of names followed by `*`; or all.
class StreamSet {
 public:
  bool all = false;
  std::vector<std::string> exact;     ///< Sorted.
  std::vector<std::string> prefixes;  ///< Without the `*`.
  bool contains(std::string_view stream) const;
  /// Every name that begins with `prefix`.
  bool contains_all(std::string_view prefix) const;
  /// Some name that begins with `prefix`.
  bool contains_any(std::string_view prefix) const;
};
struct LedgerSet {
  bool all = false;
  std::vector<std::uint32_t> ledgers;  ///< Sorted.
  bool contains(std::uint32_t ledger) const;
};

/// One entry of `grants` or `denials`.
struct Rule {
  std::vector<IdentityPattern> who;
  std::string gives;  ///< As written, for people: "roles: writer".
  Actions actions;
  bool all_cells = false;
  std::vector<u128> cells;
  LedgerSet ledgers;
  StreamSet streams;
  bool is_of_regulators = false;  ///< Among the roles it gives.

  bool is_about(std::string_view id, u128 cell) const;
};

/// What one identity may do in one cell. A value that outlives its policy.
class Rights {
 public:
  /// Whether a call may be begun: the action is given for something at least.
  bool allow(Action action) const { return given_.test(index_of(action)); }
  /// The same about one thing. The action has that scope (asserted).
  bool allow(Action action, std::uint32_t ledger) const;
  bool allow(Action action, std::string_view stream) const;
  /// For every stream whose name begins with `prefix`.
  bool allow_prefix(Action action, std::string_view prefix) const;
  /// Then no ledger needs to be looked at.
  bool allow_all_ledgers(Action action) const { return all_ledgers_.test(index_of(action)); }
  bool allow_all_streams(Action action) const { return all_streams_.test(index_of(action)); }
  bool is_empty() const { return given_.none(); }
  /// They say what they read personal data for, whatever the policy asks of others.
  bool is_regulator() const { return is_regulator_; }

 private:
  friend class Policy;
  struct Part {
    Actions actions;
    LedgerSet ledgers;
    StreamSet streams;
  };
  bool denied(Action action, std::uint32_t ledger) const;
  bool denied(Action action, std::string_view stream) const;

  bool is_regulator_ = false;
  Actions given_;        ///< For something.
  Actions all_ledgers_;  ///< For every ledger, and no denial takes one away.
  Actions all_streams_;
  std::vector<Part> grants_;
  std::vector<Part> denials_;
};

/// What was asked, for explain(). At most one of ledger and stream.
struct Question {
  std::string_view id;
  u128 cell = 0;
  Action action{};
  std::optional<std::uint32_t> ledger{};
  std::optional<std::string_view> stream{};
};
struct Explanation {
  bool is_allowed = false;
  std::string text;  ///< "allowed by grant 2 (roles: writer)", or what is missing.
};

class Policy {
 public:
  /// Errors: invalid_argument naming the line and what to write instead.
  static Result<std::shared_ptr<const Policy>> parse(std::string_view yaml);

  Rights rights_of(std::string_view id, u128 cell) const;
  Explanation explain(const Question& question) const;
  /// False only where every identity is of the trust domain dev.invalid, and it says so.
  bool needs_second_person() const { return needs_second_person_; }
  /// Whether `rights`, which are of this policy, read personal data only for a purpose they name.
  bool needs_purpose(const Rights& rights) const { return needs_purpose_ || rights.is_regulator(); }
  const GlassKeys& glass_keys() const { return glass_keys_; }
  /// How many people may approve in `cell`, as far as that matters: 0, 1, or 2 for more. One name
  /// in several regions is one person. A pattern that ends in `*` counts as two: it is meant for
  /// several.
  std::size_t approvers(u128 cell) const;

  /// Whether what people alone may do wants a second factor, used just now (`mfa: not-needed`).
  bool mfa_needed() const { return mfa_needed_; }

  const std::string& text() const { return text_; }  ///< As parsed.
  /// What a proposal and its approvals are about: SHA-256 of the text.
  const crypto::Digest& digest() const { return digest_; }
  const std::vector<Rule>& grants() const { return grants_; }
  const std::vector<Rule>& denials() const { return denials_; }

 private:
  std::string text_;
  crypto::Digest digest_{};
  std::vector<Rule> grants_, denials_;
  bool mfa_needed_ = true;
  bool needs_second_person_ = true;
  bool needs_purpose_ = true;
  GlassKeys glass_keys_;
};

}  // namespace meridian::mesh
