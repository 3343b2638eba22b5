// A dangerous act as one person proposes it and another approves it: a text that says exactly what
// is to be done, where, by whom and until when (docs/formats/act.md).
//
//   meridian-act 1
//   cell 5d8f0f5e-91ff-4a46-9c8e-5f3b6f9b1c11
//   action members.change
//   method /meridian.v1.Members/Change
//   request {"steps":[{"remove":"3"}]}
//   by spiffe://eu-west.bank.example/person/ada
//   nonce 00112233445566778899aabbccddeeff
//   at 1796013097
//   ends 1796016697
//
// The request stands there in the one way in which it can be written (api/act_request.h), so that
// who approves reads what will be done, and a server compares texts. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/u128.h"
#include "crypto/sha256.h"
#include "mesh/action.h"

namespace meridian::mesh {

inline constexpr std::size_t act_text_size_max = 16 << 10;
inline constexpr std::int64_t act_lifetime_s = 3'600;  ///< Unless its proposer wants another.
inline constexpr std::int64_t act_lifetime_s_max = 24 * 3'600;

/// What is done, whoever does it.
struct ActRequest {
  Action action{};
  std::string method;   ///< "/meridian.v1.Members/Change", or a command that works offline.
  std::string request;  ///< One line of printable ASCII, canonical.
  bool operator==(const ActRequest&) const = default;
};

struct ActStatement {
  u128 cell = 0;
  ActRequest what;
  std::string by;           ///< "spiffe://…/person/ada"
  u128 nonce = 0;           ///< Two wishes for the same are two proposals.
  std::int64_t at_s = 0;    ///< Seconds since 1970, by the proposer's clock.
  std::int64_t ends_s = 0;  ///< From then on it is neither approved nor used.
  bool operator==(const ActStatement&) const = default;
};

/// What is signed. A proposal's hash is the SHA-256 of it.
std::string format_act(const ActStatement& act);
/// Only what format_act() gives. Errors: invalid_argument.
Result<ActStatement> parse_act(std::string_view text);
crypto::Digest act_hash(std::string_view text);
/// What the second person signs.
std::string format_act_approval(const crypto::Digest& act, std::string_view by);

}  // namespace meridian::mesh
