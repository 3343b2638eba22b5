#include "mesh/internal/note_check.h"

#include <fmt/format.h>

namespace meridian::mesh::internal {

Result<std::size_t> count_signers(const proof::Note& note, std::span<const proof::VerifierKey> keys,
                                  std::string_view what) {
  std::size_t count = 0;
  for (const proof::VerifierKey& key : keys) {
    bool has_signed = false;
    for (const proof::NoteSignature& signature : note.signatures) {
      switch (proof::check_signature(note.text, signature, key)) {
        case proof::SignatureCheck::other_key: break;
        case proof::SignatureCheck::good: has_signed = true; break;
        case proof::SignatureCheck::bad:
          return fail(Code::permission_denied,
                      fmt::format("{}: the signature of {} is wrong", what, key.name));
      }
    }
    if (has_signed) ++count;
  }
  return count;
}

}  // namespace meridian::mesh::internal
