// A receipt (C2SP tlog-proof, https://c2sp.org/tlog-proof@v1): one record's header, its place in
// the log, the Merkle path to a checkpoint, and that checkpoint with its signatures. Text, file
// extension .tlog-proof; verifiable offline, for ever.
//
// Parsing proves nothing; verify_in_checkpoint shows that header and checkpoint belong together;
// what a receipt proves to whom is computed by policy.h. Pure values.
// Limits: receipt_size_max. Bytes: docs/formats/proof.md.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "proof/checkpoint.h"
#include "proof/merkle.h"
#include "proof/note.h"
#include "proof/tile.h"

namespace meridian::proof {

inline constexpr std::size_t receipt_size_max = 1024 * 1024;

struct Receipt {
  Buffer header;  ///< The line `extra`: the canonical header bytes, the leaf of the tree.
  LeafIndex index{};
  ProofPath path;
  Note checkpoint;
  bool operator==(const Receipt&) const = default;
};

/// Asserts a header of 1..entry_size_max bytes.
std::string format_receipt(const Receipt& receipt);
/// Errors: invalid_argument naming the line.
Result<Receipt> parse_receipt(std::string_view text);

/// Checks the Merkle path only, and returns the parsed checkpoint. Errors: invalid_argument for a
/// malformed checkpoint; data_loss if the path does not lead from the header to its root.
Result<Checkpoint> verify_in_checkpoint(const Receipt& receipt);

}  // namespace meridian::proof
