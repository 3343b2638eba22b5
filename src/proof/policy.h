// Whom a verifier trusts (C2SP tlog-policy, https://c2sp.org/tlog-policy), and what a receipt
// proves to such a verifier: computed, never claimed.
//
// The file is a plain tlog-policy; who runs a cosigner and when a key was valid stand in comment
// lines that begin with "#meridian", so every other tlog tool reads the file too. Pure values.
// Limits: policy_size_max, policy_keys_max. Grammar: docs/formats/proof.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "proof/checkpoint.h"
#include "proof/cosignature.h"
#include "proof/note.h"
#include "proof/receipt.h"

namespace meridian::proof {

inline constexpr std::size_t policy_size_max = 1024 * 1024;
inline constexpr std::size_t policy_names_max = 1024;  ///< Logs, witnesses and groups, each.

/// A key by which the log itself signs; valid for checkpoints of these sizes.
struct PolicyLog {
  VerifierKey key;
  std::string url;
  TreeSize size_from{0};
  TreeSize size_until{tree_size_max};  ///< Inclusive.
  bool operator==(const PolicyLog&) const = default;
};

enum class CosignerRole : std::uint8_t {
  unknown,  ///< No annotation: counts for the quorum only.
  replica,  ///< Run by the ledger's operator; `place` is its region.
  outside,  ///< Run by another organisation; `place` is its name.
};

struct PolicyWitness {
  std::string name;  ///< Inside the policy; the key has its own.
  VerifierKey key;
  std::string url;
  CosignerRole role = CosignerRole::unknown;
  std::string place;
  PosixTime time_from{0};
  PosixTime time_until{(std::uint64_t{1} << 63) - 1};  ///< Inclusive.
  bool operator==(const PolicyWitness&) const = default;
};

/// At least `threshold` of `members`, which name witnesses or groups defined before.
struct PolicyGroup {
  std::string name;
  std::size_t threshold = 1;
  std::vector<std::string> members;
  bool operator==(const PolicyGroup&) const = default;
};

struct Policy {
  std::vector<PolicyLog> logs;
  std::vector<PolicyWitness> witnesses;
  std::vector<PolicyGroup> groups;
  std::string quorum;  ///< A witness, a group, or "none".
  bool operator==(const Policy&) const = default;
};

/// Errors: invalid_argument naming the line number and what to change.
Result<Policy> parse_policy(std::string_view text);
/// Text that parse_policy reads back to an equal policy; for `meridian log policy`.
std::string format_policy(const Policy& policy);

/// A cosignature that was checked and is good.
struct CountedCosignature {
  std::string witness;
  CosignerRole role = CosignerRole::unknown;
  std::string place;
  PosixTime time{};
  bool operator==(const CountedCosignature&) const = default;
};

/// What is proven to whoever trusts the policy. The flags are independent of each other.
struct Evidence {
  Checkpoint checkpoint;
  std::uint32_t log_key_id = 0;
  std::vector<CountedCosignature> cosignatures;  ///< In the order of the policy.
  std::vector<std::string> not_counted;          ///< Good, but outside the key's validity: why.
  std::size_t unknown_signatures = 0;            ///< Lines of keys the policy does not name.
  bool global = false;     ///< Replicas of two regions signed: protects from faults.
  bool witnessed = false;  ///< An outside organisation signed: protects from the operator too.
};

/// Checks the log's signature, every known cosignature and the quorum. Errors: invalid_argument for
/// a malformed checkpoint; permission_denied if the policy is not satisfied, naming what is
/// missing; data_loss if a line of a known key does not verify.
Result<Evidence> evaluate(const Note& checkpoint, const Policy& policy);
/// The same after the Merkle path from header to checkpoint.
Result<Evidence> evaluate(const Receipt& receipt, const Policy& policy);

/// "local", "global", "witnessed" or "global+witnessed".
std::string_view level_name(const Evidence& evidence);
/// What the evidence shows and what it does not, in sentences for people.
std::string describe(const Evidence& evidence);

}  // namespace meridian::proof
