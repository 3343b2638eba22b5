// Signed notes (C2SP signed-note, https://c2sp.org/signed-note): a text and signature lines, the
// envelope of checkpoints and commit statements.
//
// A key is (name, id, type, public key); its text form is a vkey. The list of types is closed here
// and open in the format: lines of unknown keys or types are kept, never trusted.
// Pure. Values; a Signer belongs to one thread at a time. Cost: sign 30 us, verify 80 us.
// Limits: note_size_max, note_signatures_max. Bytes: docs/formats/proof.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/ed25519.h"
#include "crypto/secret.h"

namespace meridian::proof {

inline constexpr std::size_t note_size_max = 512 * 1024;
inline constexpr std::size_t note_signatures_max = 64;

/// Signature type identifier bytes that this build signs and verifies.
enum class KeyType : std::uint8_t {
  ed25519 = 0x01,      ///< Signs the note text: a log's checkpoints, commit statements.
  cosignature = 0x04,  ///< Timestamped Ed25519 checkpoint cosignature: replicas and witnesses.
};

struct VerifierKey {
  std::string name;
  KeyType type = KeyType::ed25519;
  crypto::Ed25519PublicKey public_key{};
  bool operator==(const VerifierKey&) const = default;

  /// First 4 bytes, big-endian, of SHA-256(name || 0x0A || type || public key).
  std::uint32_t id() const;
};
/// "name+1a2b3c4d+base64(type || public key)".
std::string format_vkey(const VerifierKey& key);
/// Errors: invalid_argument naming what is wrong; unimplemented for another signature type.
Result<VerifierKey> parse_vkey(std::string_view text);

/// True if `name` can name a key: UTF-8, not empty, no Unicode space, control character or '+'.
bool is_key_name(std::string_view name);

/// A private key under a name.
class Signer {
 public:
  /// Asserts is_key_name(name) and a 32-byte seed.
  Signer(std::string name, KeyType type, Bytes seed);
  /// Of a key that may lie elsewhere. Asserts is_key_name(name).
  Signer(std::string name, KeyType type, std::unique_ptr<crypto::Ed25519Signer> key);

  const VerifierKey& verifier() const { return verifier_; }
  /// Errors: of where the key lies; none of a seed.
  Result<crypto::Ed25519Signature> sign_bytes(Bytes message) const { return key_->sign(message); }

 private:
  VerifierKey verifier_;
  std::unique_ptr<crypto::Ed25519Signer> key_;
};
/// "PRIVATE+KEY+name+1a2b3c4d+base64(type || seed)", as Go's sumdb/note writes it. A secret.
crypto::Secret format_skey(std::string_view name, KeyType type, Bytes seed);
Result<Signer> parse_skey(std::string_view text);

/// One signature line: "— name base64(key_id || signature)".
struct NoteSignature {
  std::string name;
  std::uint32_t key_id = 0;
  Buffer signature;
  bool operator==(const NoteSignature&) const = default;
};

struct Note {
  std::string text;  ///< Ends with a newline.
  std::vector<NoteSignature> signatures;
  bool operator==(const Note&) const = default;
};

std::string format_note(const Note& note);
/// Errors: invalid_argument naming the line. Nothing is verified here.
Result<Note> parse_note(std::string_view bytes);

/// A plain Ed25519 signature (type 0x01, asserted) over `text`, which ends with a newline. Errors,
/// here and of all that sign: of Signer::sign_bytes.
Result<NoteSignature> sign_note(std::string_view text, const Signer& signer);

/// What a signature line means to someone who trusts `key`.
enum class SignatureCheck : std::uint8_t {
  other_key,  ///< Name or id differ: ignore the line.
  good,
  bad,  ///< It claims to be this key's and is not: reject the note.
};
/// For keys of type 0x01; for 0x04 see cosignature.h.
SignatureCheck check_signature(std::string_view text, const NoteSignature& signature,
                               const VerifierKey& key);

}  // namespace meridian::proof
