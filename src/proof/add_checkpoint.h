// What a log sends to a witness and gets back (C2SP tlog-witness, https://c2sp.org/tlog-witness):
// the body of POST /add-checkpoint, and the signature lines of its answer.
//
// Only the bytes: what a witness accepts is witness/'s. Bytes from strangers on both sides. Pure.
// Limits: add_checkpoint_size_max, add_checkpoint_hashes_max. Grammar: docs/formats/proof.md.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "proof/merkle.h"
#include "proof/note.h"

namespace meridian::proof {

inline constexpr std::size_t add_checkpoint_size_max = note_size_max;
/// By tlog-witness. A tree of ours needs at most proof_size_max.
inline constexpr std::size_t add_checkpoint_hashes_max = 63;

struct AddCheckpoint {
  TreeSize old_size{};  ///< Of the tree that the witness cosigned last, as the log believes.
  ProofPath path;       ///< Consistency from old_size to the checkpoint.
  Note checkpoint;
  bool operator==(const AddCheckpoint&) const = default;
};

/// Asserts at most add_checkpoint_hashes_max hashes.
std::string format_add_checkpoint(const AddCheckpoint& request);
/// Errors: invalid_argument naming the line. Nothing is verified, nor is the checkpoint's text
/// read.
Result<AddCheckpoint> parse_add_checkpoint(std::string_view body);

/// Signature lines as in a note, without a text.
std::string format_signature_lines(const std::vector<NoteSignature>& signatures);
/// Errors: invalid_argument if `lines` are not one or more signature lines.
Result<std::vector<NoteSignature>> parse_signature_lines(std::string_view lines);

/// The size in the body of a 409: the tree that the witness cosigned last.
std::string format_size_line(TreeSize size);
Result<TreeSize> parse_size_line(std::string_view body);

}  // namespace meridian::proof
