// signature = timestamp, 8 bytes big-endian || Ed25519 signature, 64 bytes, over
//             "cosignature/v1\n" "time " decimal "\n" checkpoint text
// (C2SP tlog-cosignature, "Format" and "Ed25519 signed message")
#include "proof/cosignature.h"

#include <fmt/format.h>

#include "base/assert.h"

namespace meridian::proof {

namespace {

constexpr std::uint64_t time_max = (std::uint64_t{1} << 63) - 1;
constexpr std::size_t time_size = 8;

std::string signed_message(std::string_view checkpoint_text, std::uint64_t time) {
  return fmt::format("cosignature/v1\ntime {}\n{}", time, checkpoint_text);
}

}  // namespace

Result<NoteSignature> cosign(std::string_view checkpoint_text, const Signer& cosigner,
                             PosixTime time) {
  ASSERT(cosigner.verifier().type == KeyType::cosignature);
  ASSERT(checkpoint_text.ends_with('\n'));
  ASSERT(raw(time) <= time_max);
  NoteSignature line{cosigner.verifier().name, cosigner.verifier().id(), {}};
  for (int shift = 56; shift >= 0; shift -= 8) {
    line.signature.push_back(static_cast<Byte>(raw(time) >> shift));
  }
  std::string message = signed_message(checkpoint_text, raw(time));
  const crypto::Ed25519Signature signature = TRY(cosigner.sign_bytes(as_bytes(message)));
  line.signature.insert(line.signature.end(), signature.begin(), signature.end());
  return line;
}

CosignatureCheck check_cosignature(std::string_view checkpoint_text, const NoteSignature& signature,
                                   const VerifierKey& key) {
  ASSERT(key.type == KeyType::cosignature);
  if (signature.name != key.name || signature.key_id != key.id()) {
    return {SignatureCheck::other_key, {}};
  }
  crypto::Ed25519Signature bytes;
  if (signature.signature.size() != time_size + bytes.size()) return {SignatureCheck::bad, {}};
  std::uint64_t time = 0;
  for (std::size_t i = 0; i < time_size; ++i) time = time << 8 | signature.signature[i];
  if (time > time_max) return {SignatureCheck::bad, {}};
  std::ranges::copy(Bytes(signature.signature).subspan(time_size), bytes.begin());
  std::string message = signed_message(checkpoint_text, time);
  bool good = crypto::verify_ed25519(key.public_key, as_bytes(message), bytes);
  return good ? CosignatureCheck{SignatureCheck::good, PosixTime{time}}
              : CosignatureCheck{SignatureCheck::bad, {}};
}

}  // namespace meridian::proof
