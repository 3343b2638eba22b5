// A commit statement: one node says, under its log key, that a range of records is committed with
// these outcomes. Sent before a checkpoint covers the records.
//
// It is a promise of one node, not a proof of inclusion, and is never called a receipt. Kept by
// clients, it lets recovery show what was acknowledged. Its text cannot be read as a checkpoint.
// Pure values. Bytes: docs/formats/proof.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "proof/merkle.h"
#include "proof/note.h"

namespace meridian::proof {

struct CommitStatement {
  std::string origin;  ///< The log; also the name of the signing key.
  LeafIndex first_record{};
  std::uint64_t record_count = 0;  ///< At least 1.
  std::uint64_t term = 0;
  std::uint64_t entry_index = 0;
  /// SHA-256 over the outcome (u16 little-endian) of each record in order.
  Hash outcomes{};
  bool operator==(const CommitStatement&) const = default;
};

std::string format_statement(const CommitStatement& statement);
Result<CommitStatement> parse_statement(std::string_view text);

/// Asserts that the key is of type 0x01 and named after the origin.
Result<Note> sign_statement(const CommitStatement& statement, const Signer& log_key);
/// Errors: invalid_argument for a malformed text or a key of another type; permission_denied if no
/// line is by `log_key`; data_loss if such a line does not verify.
Result<CommitStatement> verify_statement(const Note& note, const VerifierKey& log_key);

}  // namespace meridian::proof
