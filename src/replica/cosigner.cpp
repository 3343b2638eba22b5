#include "replica/cosigner.h"

#include <fmt/format.h>

#include "proof/checkpoint.h"

namespace meridian::replica {

std::string cosigner_name(const std::string& origin, std::uint64_t id) {
  return fmt::format("{}/replica-{}", origin, id);
}

std::string checkpoint_text(const std::string& origin, const proof::TreeHead& head) {
  return proof::format_checkpoint({origin, head, {}});
}

Result<proof::TreeHead> Cosigner::head_at(proof::TreeSize size) {
  return TRY(proof::frontier_at(size, parts_.tiles)).head();
}

Result<proof::NoteSignature> Cosigner::cosign(const proof::TreeHead& head) {
  if (last() != head) TRY(parts_.cosigned.save(head));
  const auto now = static_cast<std::uint64_t>(parts_.clock.now().time);
  return proof::cosign(checkpoint_text(origin(), head), parts_.cosigner,
                       proof::PosixTime{now / 1'000'000'000});
}

Result<proof::Note> Cosigner::sign(const proof::TreeHead& head) {
  proof::NoteSignature cosignature = TRY(cosign(head));
  proof::Note note = TRY(proof::sign_checkpoint(head, parts_.log_key));
  note.signatures.push_back(std::move(cosignature));
  return note;
}

ReplicaKeys Cosigner::keys() const {
  return {parts_.log_key.verifier().public_key, parts_.cosigner.verifier().public_key};
}

}  // namespace meridian::replica
