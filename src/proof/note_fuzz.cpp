// Notes, and the texts inside them: whatever is accepted is written back byte for byte.
#include <array>

#include "base/assert.h"
#include "proof/checkpoint.h"
#include "proof/cosignature.h"
#include "proof/note.h"
#include "proof/statement.h"

using namespace meridian;
using namespace meridian::proof;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const VerifierKey log =
      Signer("fuzz.example/log", KeyType::ed25519, std::array<Byte, 32>{1}).verifier();
  std::string_view text = as_text({data, size});
  Result<VerifierKey> key = parse_vkey(text);
  if (key.has_value()) ASSERT(format_vkey(*key) == text);
  (void)parse_skey(text);
  Result<Checkpoint> bare = parse_checkpoint(text);
  if (bare.has_value()) ASSERT(format_checkpoint(*bare) == text);
  Result<CommitStatement> statement = parse_statement(text);
  if (statement.has_value()) {
    ASSERT(format_statement(*statement) == text);
    ASSERT(!bare.has_value());
  }
  Result<Note> note = parse_note(text);
  if (!note.has_value()) return 0;
  ASSERT(format_note(*note) == text);
  // A key that the line names exactly, so that its signature is looked at.
  for (const NoteSignature& signature : note->signatures) {
    VerifierKey named{signature.name, KeyType::cosignature, log.public_key};
    NoteSignature line = signature;
    line.key_id = named.id();
    ASSERT(check_cosignature(note->text, line, named).check != SignatureCheck::other_key);
    named.type = KeyType::ed25519;
    line.key_id = named.id();
    ASSERT(check_signature(note->text, line, named) != SignatureCheck::other_key);
  }
  (void)verify_statement(*note, log);
  return 0;
}
