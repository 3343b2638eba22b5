// Breaking the glass: rights for an emergency, given ahead of everybody who could give them.
//
//   meridian-break-glass 1
//   cell 5d8f0f5e-91ff-4a46-9c8e-5f3b6f9b1c11
//   actions members.change,recovery.run
//   to spiffe://eu-west.bank.example/person/ada
//   from 1796013097
//   until 1796016697
//   reason region eu-west is lost, grace does not answer
//   nonce 00112233445566778899aabbccddeeff
//
// The text is signed offline by some of the keys that the policy names, as a signed note, and
// brought to the cell by the one whom it is for. Until its end that person may do those acts
// without a second one, and nothing else by it (docs/formats/break_glass.md). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "crypto/sha256.h"
#include "mesh/act.h"
#include "mesh/action.h"
#include "proof/note.h"

namespace meridian::mesh {

inline constexpr std::int64_t glass_lifetime_s_max = 4 * 3'600;
inline constexpr std::size_t glass_keys_max = 16;
inline constexpr std::size_t glass_signers_min = 2;

/// Who may break the glass, by a policy. Nobody, if `keys` is empty.
struct GlassKeys {
  std::vector<proof::VerifierKey> keys;
  std::size_t needed = 0;  ///< How many of them sign.
  std::int64_t longest_s = glass_lifetime_s_max;
};

struct Glass {
  u128 cell = 0;
  Actions actions;
  std::string to;  ///< Of a person.
  std::int64_t from_s = 0, until_s = 0;
  std::string reason;
  u128 nonce = 0;
  bool operator==(const Glass&) const = default;
};
/// What a glass can give: acts of the cell, but not the policy, which two people change.
bool can_be_given(Action action);

std::string format_glass(const Glass& glass);
/// Only what format_glass() gives. Errors: invalid_argument.
Result<Glass> parse_glass(std::string_view text);

/// A glass, with the signatures under it. `hash` is that of the text.
struct SignedGlass {
  std::string note;
  crypto::Digest hash{};
  Glass glass;
};
/// Nothing is verified. Errors: invalid_argument.
Result<SignedGlass> read_glass(std::string_view note);
/// That enough of the keys signed it, and it is no longer than they may give. Errors:
/// permission_denied, invalid_argument.
Status verify_glass(const SignedGlass& glass, const GlassKeys& keys);

inline constexpr std::string_view glass_used_type = "glass.used";
inline constexpr std::string_view glass_act_type = "glass.act";
std::string glass_used_json(std::string_view note);
/// One that was done by it.
std::string glass_act_json(const crypto::Digest& glass, const ActRequest& what);

/// Those that were brought to a cell: a fold over its records. The keys are not asked: they are the
/// policy's, which is another stream; whoever goes by a glass verifies it by the policy in force.
class GlassHistory {
 public:
  static constexpr std::size_t glasses_max = 64;

  explicit GlassHistory(u128 cell) : cell_(cell) {}

  /// A record of the stream of acts. Errors, and then nothing has changed: permission_denied,
  /// invalid_argument, failed_precondition (before its begin, after its end, twice),
  /// resource_exhausted.
  Status apply(std::string_view type, std::string_view json, std::int64_t time_s);
  /// Those that are not over at `now_s`.
  std::vector<SignedGlass> in_force(std::int64_t now_s) const;

 private:
  Status use(std::string_view json, std::int64_t time_s);
  Status act(std::string_view json, std::int64_t time_s) const;

  u128 cell_;
  std::vector<SignedGlass> glasses_;
};

}  // namespace meridian::mesh
