// Cosignatures (C2SP tlog-cosignature v1, type 0x04, https://c2sp.org/tlog-cosignature): a replica
// or witness states that at a time this was the largest tree of that log it has seen, consistent
// with all before.
//
// The statement is only as true as the cosigner's state: it makes its last (size, root) durable
// before releasing a cosignature. That rule is the caller's. Pure; the time is handed in.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "proof/note.h"

namespace meridian::proof {

/// Seconds since 1970, at most 2^63 - 1.
enum class PosixTime : std::uint64_t {};
constexpr std::uint64_t raw(PosixTime time) { return static_cast<std::uint64_t>(time); }

/// Signs the text of a checkpoint note. Asserts a cosigner key (0x04) and the range of `time`.
Result<NoteSignature> cosign(std::string_view checkpoint_text, const Signer& cosigner,
                             PosixTime time);

struct CosignatureCheck {
  SignatureCheck check = SignatureCheck::other_key;
  PosixTime time{};  ///< Only if good.
};
/// `key` is of type 0x04 (asserted).
CosignatureCheck check_cosignature(std::string_view checkpoint_text, const NoteSignature& signature,
                                   const VerifierKey& key);

}  // namespace meridian::proof
