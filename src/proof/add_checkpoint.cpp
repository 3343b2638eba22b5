// request = "old " size "\n" *(base64(hash) "\n") "\n" note
// answer  = 1*signature                                  409: size "\n"
#include "proof/add_checkpoint.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "crypto/base64.h"
#include "proof/internal/text.h"

namespace meridian::proof {

namespace {

constexpr std::string_view old_prefix = "old ";
/// Stands for a text where a note is parsed for its signatures only.
constexpr std::string_view any_text = "-\n\n";

Error bad(std::string_view why) {
  return fail(Code::invalid_argument, fmt::format("add-checkpoint: {}", why));
}

}  // namespace

std::string format_add_checkpoint(const AddCheckpoint& request) {
  ASSERT(request.path.size() <= add_checkpoint_hashes_max);
  std::string body = fmt::format("{}{}\n", old_prefix, raw(request.old_size));
  for (const Hash& hash : request.path) body += crypto::to_base64(hash) + "\n";
  return body + "\n" + format_note(request.checkpoint);
}

Result<AddCheckpoint> parse_add_checkpoint(std::string_view body) {
  if (body.size() > add_checkpoint_size_max)
    return bad(fmt::format("{} bytes, above {}", body.size(), add_checkpoint_size_max));
  LineReader lines(body);
  const std::optional<std::string_view> first = lines.next();
  std::optional<std::uint64_t> old_size;
  if (first && first->starts_with(old_prefix))
    old_size = parse_strict_decimal(first->substr(old_prefix.size()), tree_size_max);
  if (!old_size)
    return bad(fmt::format("the first line is not \"old \" and a size of 0..{} in decimal",
                           tree_size_max));
  AddCheckpoint request;
  request.old_size = TreeSize{*old_size};
  for (;;) {
    const std::optional<std::string_view> line = lines.next();
    if (!line) return bad("no empty line between the consistency proof and the checkpoint");
    if (line->empty()) break;
    if (request.path.size() == add_checkpoint_hashes_max)
      return bad(fmt::format("more than {} hashes", add_checkpoint_hashes_max));
    const std::optional<Hash> hash = parse_hash(*line);
    if (!hash) return bad(fmt::format("line {} is not base64 of a 32-byte hash", lines.number()));
    request.path.push_back(*hash);
  }
  Result<Note> note = parse_note(lines.rest());
  if (!note) return with_context(note.error(), "add-checkpoint");
  request.checkpoint = *std::move(note);
  return request;
}

std::string format_signature_lines(const std::vector<NoteSignature>& signatures) {
  return format_note({"-\n", signatures}).substr(any_text.size());
}

Result<std::vector<NoteSignature>> parse_signature_lines(std::string_view lines) {
  if (lines.find("\n\n") != std::string_view::npos || lines.starts_with('\n'))
    return fail(Code::invalid_argument, "an empty line among the signature lines");
  Note note = TRY(parse_note(std::string(any_text) + std::string(lines)));
  return std::move(note.signatures);
}

std::string format_size_line(TreeSize size) { return fmt::format("{}\n", raw(size)); }

Result<TreeSize> parse_size_line(std::string_view body) {
  LineReader lines(body);
  const std::optional<std::string_view> line = lines.next();
  std::optional<std::uint64_t> size;
  if (line && lines.done()) size = parse_strict_decimal(*line, tree_size_max);
  if (!size) return fail(Code::invalid_argument, "the body is not one line with a tree size");
  return TreeSize{*size};
}

}  // namespace meridian::proof
