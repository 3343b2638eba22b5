// statement = origin " commit\n" "records " first " " count "\n" "term " decimal "\n"
//             "entry " decimal "\n" "outcomes " base64(digest) "\n"
// The second line is not a decimal, so no checkpoint reader takes it for a checkpoint.
#include "proof/statement.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "crypto/base64.h"
#include "proof/internal/text.h"

namespace meridian::proof {

namespace {

Error bad(std::string_view why) {
  return fail(Code::invalid_argument, fmt::format("commit statement: {}", why));
}

/// The rest of the next line if it begins with `label` and a space.
std::optional<std::string_view> labelled(LineReader& lines, std::string_view label) {
  std::optional<std::string_view> line = lines.next();
  if (!line || !line->starts_with(label)) return std::nullopt;
  line->remove_prefix(label.size());
  if (!line->starts_with(' ')) return std::nullopt;
  return line->substr(1);
}

std::optional<std::uint64_t> labelled_number(LineReader& lines, std::string_view label) {
  std::optional<std::string_view> text = labelled(lines, label);
  return text ? parse_strict_decimal(*text) : std::nullopt;
}

bool is_range(std::uint64_t first, std::uint64_t count) {
  return count >= 1 && count <= tree_size_max && first <= tree_size_max - count;
}

}  // namespace

std::string format_statement(const CommitStatement& statement) {
  ASSERT(is_key_name(statement.origin));
  ASSERT(is_range(raw(statement.first_record), statement.record_count));
  return fmt::format("{} commit\nrecords {} {}\nterm {}\nentry {}\noutcomes {}\n", statement.origin,
                     raw(statement.first_record), statement.record_count, statement.term,
                     statement.entry_index, crypto::to_base64(statement.outcomes));
}

Result<CommitStatement> parse_statement(std::string_view text) {
  LineReader lines(text);
  std::optional<std::string_view> line = lines.next();
  if (!line || !line->ends_with(" commit")) return bad("the first line is not \"<origin> commit\"");
  CommitStatement statement;
  statement.origin = line->substr(0, line->size() - 7);
  if (!is_key_name(statement.origin)) return bad("the origin is empty or has a space");
  std::optional<std::string_view> records = labelled(lines, "records");
  std::size_t space = records ? records->find(' ') : std::string_view::npos;
  if (space == std::string_view::npos) return bad("the second line is not records FIRST COUNT");
  std::optional<std::uint64_t> first = parse_strict_decimal(records->substr(0, space));
  std::optional<std::uint64_t> count = parse_strict_decimal(records->substr(space + 1));
  if (!first || !count || !is_range(*first, *count)) {
    return bad("the second line is not records FIRST COUNT, or out of range");
  }
  statement.first_record = LeafIndex{*first};
  statement.record_count = *count;
  std::optional<std::uint64_t> term = labelled_number(lines, "term");
  std::optional<std::uint64_t> entry = labelled_number(lines, "entry");
  std::optional<std::string_view> outcomes = labelled(lines, "outcomes");
  std::optional<Hash> digest = outcomes ? parse_hash(*outcomes) : std::nullopt;
  if (!term || !entry || !digest || !lines.done()) {
    return bad("the lines term, entry and outcomes do not follow, or something comes after");
  }
  statement.term = *term;
  statement.entry_index = *entry;
  statement.outcomes = *digest;
  return statement;
}

Result<Note> sign_statement(const CommitStatement& statement, const Signer& log_key) {
  ASSERT(log_key.verifier().name == statement.origin);
  Note note{format_statement(statement), {}};
  note.signatures.push_back(TRY(sign_note(note.text, log_key)));
  return note;
}

Result<CommitStatement> verify_statement(const Note& note, const VerifierKey& log_key) {
  if (log_key.type != KeyType::ed25519) {
    return fail(Code::invalid_argument, "commit statement: a log key has signature type 0x01");
  }
  CommitStatement statement = TRY(parse_statement(note.text));
  bool found = false;
  for (const NoteSignature& signature : note.signatures) {
    SignatureCheck check = check_signature(note.text, signature, log_key);
    if (check == SignatureCheck::bad) {
      return fail(Code::data_loss, "commit statement: the signature does not verify");
    }
    found = found || check == SignatureCheck::good;
  }
  if (!found || log_key.name != statement.origin) {
    return fail(Code::permission_denied,
                fmt::format("commit statement: not signed by the key {:08x} of {}", log_key.id(),
                            log_key.name));
  }
  return statement;
}

}  // namespace meridian::proof
