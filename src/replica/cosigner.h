// This replica's name under tree heads, by the signing rule (DESIGN section 3): only trees that are
// stored here, which is committed and applied; (size, root) durable before the signature leaves;
// never a smaller size, never another root.
//
// On the prove executor; blocks on the disk: one sync for a head that was not signed before.
#pragma once

#include <optional>
#include <string>

#include "io/clock.h"
#include "proof/cosignature.h"
#include "replica/cosign_message.h"
#include "replica/cosigned_head.h"

namespace meridian::replica {

class Cosigner {
 public:
  struct Parts {
    io::Clock& clock;
    CosignedHead& cosigned;
    const proof::Signer& log_key;
    const proof::Signer& cosigner;
    proof::TileReader& tiles;
  };
  explicit Cosigner(const Parts& parts) : parts_(parts) {}

  /// As the tree was after `size` records, which are stored (the caller's part).
  Result<proof::TreeHead> head_at(proof::TreeSize size);
  const std::optional<proof::TreeHead>& last() const { return parts_.cosigned.last(); }

  /// The cosignature over `head`, which is ours and not below last() (asserted by CosignedHead).
  /// Errors: those of the disk and of the key: nothing was signed, and this replica must stop.
  Result<proof::NoteSignature> cosign(const proof::TreeHead& head);
  /// The note of `head` with the log's signature and the cosignature; as cosign().
  Result<proof::Note> sign(const proof::TreeHead& head);

  const std::string& origin() const { return parts_.log_key.verifier().name; }
  ReplicaKeys keys() const;

 private:
  Parts parts_;
};

/// "<origin>/replica-<id>": the name of a replica's cosigner key.
std::string cosigner_name(const std::string& origin, std::uint64_t id);
/// The text that a cosignature of `head` is over.
std::string checkpoint_text(const std::string& origin, const proof::TreeHead& head);

}  // namespace meridian::replica
