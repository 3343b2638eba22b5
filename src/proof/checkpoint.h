// A checkpoint (C2SP tlog-checkpoint, https://c2sp.org/tlog-checkpoint): origin, tree size and root
// as the text of a signed note.
//
// Sign one only for a tree that is committed and applied, and never two that are inconsistent:
// that rule is the caller's (replica/), this file is only the bytes. Pure values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "proof/merkle.h"
#include "proof/note.h"

namespace meridian::proof {

struct Checkpoint {
  std::string origin;  ///< The log: "<deployment>/<cell uuid>/<generation>". Also its key's name.
  TreeHead head;
  std::vector<std::string> extensions;  ///< Further lines; we write none.
  bool operator==(const Checkpoint&) const = default;
};

/// The note text. Asserts that origin and extensions are non-empty single lines.
std::string format_checkpoint(const Checkpoint& checkpoint);
/// Errors: invalid_argument naming the line.
Result<Checkpoint> parse_checkpoint(std::string_view text);

/// The checkpoint of `head` signed by the log's key, whose name is the origin.
Result<Note> sign_checkpoint(const TreeHead& head, const Signer& log_key);

}  // namespace meridian::proof
