// checkpoint = origin "\n" size "\n" base64(root) "\n" *(extension "\n")   no line empty
// (C2SP tlog-checkpoint, "Note text")
#include "proof/checkpoint.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "crypto/base64.h"
#include "proof/internal/text.h"

namespace meridian::proof {

namespace {

bool is_line(std::string_view text) {
  return !text.empty() && text.find('\n') == std::string_view::npos;
}

Error bad(std::string_view why) {
  return fail(Code::invalid_argument, fmt::format("checkpoint: {}", why));
}

}  // namespace

std::string format_checkpoint(const Checkpoint& checkpoint) {
  ASSERT(is_line(checkpoint.origin));
  std::string text = fmt::format("{}\n{}\n{}\n", checkpoint.origin, raw(checkpoint.head.size),
                                 crypto::to_base64(checkpoint.head.root));
  for (const std::string& extension : checkpoint.extensions) {
    ASSERT(is_line(extension));
    text += extension + "\n";
  }
  return text;
}

Result<Checkpoint> parse_checkpoint(std::string_view text) {
  LineReader lines(text);
  std::optional<std::string_view> origin = lines.next();
  if (!origin || origin->empty()) return bad("the first line, the origin, is missing");
  std::optional<std::string_view> size_line = lines.next();
  std::optional<std::uint64_t> size;
  if (size_line) size = parse_strict_decimal(*size_line, tree_size_max);
  if (!size) {
    return bad(
        fmt::format("the second line is not a tree size of 0..{} in decimal", tree_size_max));
  }
  std::optional<std::string_view> root_line = lines.next();
  std::optional<Hash> root;
  if (root_line) root = parse_hash(*root_line);
  if (!root) return bad("the third line is not base64 of a 32-byte root");
  Checkpoint checkpoint{std::string(*origin), {TreeSize{*size}, *root}, {}};
  while (!lines.done()) {
    std::optional<std::string_view> extension = lines.next();
    if (!extension || extension->empty()) return bad("an extension line is empty or not ended");
    checkpoint.extensions.emplace_back(*extension);
  }
  return checkpoint;
}

Result<Note> sign_checkpoint(const TreeHead& head, const Signer& log_key) {
  Note note{format_checkpoint({log_key.verifier().name, head, {}}), {}};
  note.signatures.push_back(TRY(sign_note(note.text, log_key)));
  return note;
}

}  // namespace meridian::proof
