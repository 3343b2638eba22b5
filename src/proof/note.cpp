// note      = text "\n" 1*signature        text ends with a newline
// signature = "— " name " " base64(key id, 4 bytes big-endian || signature) "\n"
// vkey      = name "+" 8HEX "+" base64(type || public key)
// skey      = "PRIVATE+KEY+" name "+" 8HEX "+" base64(type || seed)
// (C2SP signed-note; the skey is that of Go's golang.org/x/mod/sumdb/note)
#include "proof/note.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "crypto/base64.h"
#include "crypto/sha256.h"
#include "proof/internal/text.h"

namespace meridian::proof {

namespace {

constexpr std::string_view dash = "\xE2\x80\x94 ";  // U+2014 and a space
constexpr std::string_view skey_prefix = "PRIVATE+KEY+";
constexpr std::size_t key_id_size = 4;

std::uint32_t load_id(Bytes bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
         std::uint32_t{bytes[2]} << 8 | std::uint32_t{bytes[3]};
}

Error bad_note(std::string_view why) {
  return fail(Code::invalid_argument, fmt::format("signed note: {}", why));
}

std::optional<KeyType> key_type(Byte byte) {
  if (byte == static_cast<Byte>(KeyType::ed25519)) return KeyType::ed25519;
  if (byte == static_cast<Byte>(KeyType::cosignature)) return KeyType::cosignature;
  return std::nullopt;
}

/// What vkey and skey share: name, id and the 33 bytes of type and key.
struct KeyText {
  std::string_view name;
  std::uint32_t id;
  KeyType type;
  Buffer key;  ///< 32 bytes.
};

Result<KeyText> parse_key_text(std::string_view text, std::string_view what) {
  auto bad = [&](std::string_view why) {
    return fail(Code::invalid_argument, fmt::format("{}: {}", what, why));
  };
  // Base64 may hold a '+', names may not: the first two separate.
  std::size_t first = text.find('+');
  std::size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos) return bad("not of the form name+id+key");
  KeyText key;
  key.name = text.substr(0, first);
  if (!is_key_name(key.name)) return bad("the name is empty or has a space or control character");
  std::string_view id = text.substr(first + 1, second - first - 1);
  Buffer id_bytes;
  if (id.size() != 2 * key_id_size || !from_hex(id, id_bytes) || to_hex(id_bytes) != id) {
    return bad("the key id is not 8 lower-case hexadecimal digits");
  }
  key.id = load_id(id_bytes);
  Result<Buffer> decoded = crypto::from_base64(text.substr(second + 1));
  if (!decoded.has_value()) return bad(decoded.error().message);
  if (decoded->empty()) return bad("the key is empty");
  std::optional<KeyType> type = key_type(decoded->front());
  if (!type) {
    return fail(Code::unimplemented,
                fmt::format("{}: signature type 0x{:02x} is not supported; use 0x01 (Ed25519) or "
                            "0x04 (Ed25519 cosignature)",
                            what, decoded->front()));
  }
  if (decoded->size() != 33) return bad("an Ed25519 key has 32 bytes after the type");
  key.type = *type;
  key.key.assign(decoded->begin() + 1, decoded->end());
  crypto::cleanse(*decoded);
  return key;
}

Result<NoteSignature> parse_signature(std::string_view line) {
  if (!line.starts_with(dash))
    return bad_note("a signature line does not begin with \"\xE2\x80\x94 \"");
  line.remove_prefix(dash.size());
  std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return bad_note("a signature line without a signature");
  NoteSignature signature;
  signature.name = line.substr(0, space);
  if (!is_key_name(signature.name)) return bad_note("a signature line with an invalid key name");
  Result<Buffer> bytes = crypto::from_base64(line.substr(space + 1));
  if (!bytes.has_value() || bytes->size() <= key_id_size) {
    return bad_note(fmt::format("the signature of {} is not base64 of a key id and a signature",
                                quoted(signature.name)));
  }
  signature.key_id = load_id(*bytes);
  signature.signature.assign(bytes->begin() + key_id_size, bytes->end());
  return signature;
}

}  // namespace

std::uint32_t VerifierKey::id() const {
  crypto::Digest digest = crypto::Sha256()
                              .update(as_bytes(name))
                              .update(Byte{'\n'})
                              .update(static_cast<Byte>(type))
                              .update(public_key)
                              .finish();
  return load_id(digest);
}

bool is_key_name(std::string_view name) {
  return !name.empty() && is_note_text(name) && !has_unicode_space(name) &&
         name.find('+') == std::string_view::npos;
}

std::string format_vkey(const VerifierKey& key) {
  Buffer bytes{static_cast<Byte>(key.type)};
  bytes.insert(bytes.end(), key.public_key.begin(), key.public_key.end());
  return fmt::format("{}+{:08x}+{}", key.name, key.id(), crypto::to_base64(bytes));
}

Result<VerifierKey> parse_vkey(std::string_view text) {
  std::string what = fmt::format("verifier key {}", quoted(text));
  KeyText parsed = TRY(parse_key_text(text, what));
  VerifierKey key{std::string(parsed.name), parsed.type, {}};
  std::ranges::copy(parsed.key, key.public_key.begin());
  if (key.id() != parsed.id) {
    return fail(
        Code::invalid_argument,
        fmt::format("{}: the id should be {:08x}; was the text copied whole?", what, key.id()));
  }
  return key;
}

Signer::Signer(std::string name, KeyType type, Bytes seed)
    : Signer(std::move(name), type, crypto::make_ed25519_signer(seed)) {}

Signer::Signer(std::string name, KeyType type, std::unique_ptr<crypto::Ed25519Signer> key)
    : key_(std::move(key)) {
  ASSERT(is_key_name(name));
  verifier_ = {std::move(name), type, key_->public_key()};
}

crypto::Secret format_skey(std::string_view name, KeyType type, Bytes seed) {
  Signer signer(std::string(name), type, seed);
  Buffer bytes{static_cast<Byte>(type)};
  bytes.insert(bytes.end(), seed.begin(), seed.end());
  std::string key = crypto::to_base64(bytes);
  std::string text = fmt::format("{}{}+{:08x}+{}", skey_prefix, name, signer.verifier().id(), key);
  crypto::Secret secret(as_bytes(text));
  for (MutableBytes copy :
       {MutableBytes(bytes), MutableBytes(reinterpret_cast<Byte*>(key.data()), key.size()),
        MutableBytes(reinterpret_cast<Byte*>(text.data()), text.size())}) {
    crypto::cleanse(copy);
  }
  return secret;
}

Result<Signer> parse_skey(std::string_view text) {
  // The text is a secret: no message may quote it.
  if (!text.starts_with(skey_prefix)) {
    return fail(Code::invalid_argument, "private key: does not begin with PRIVATE+KEY+");
  }
  KeyText parsed = TRY(parse_key_text(text.substr(skey_prefix.size()), "private key"));
  Signer signer(std::string(parsed.name), parsed.type, parsed.key);
  crypto::cleanse(parsed.key);
  if (signer.verifier().id() != parsed.id) {
    return fail(Code::invalid_argument, "private key: its id is not that of name, type and key");
  }
  return signer;
}

std::string format_note(const Note& note) {
  ASSERT(note.text.ends_with('\n'));
  std::string out = note.text + "\n";
  for (const NoteSignature& signature : note.signatures) {
    Buffer bytes;
    for (int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<Byte>(signature.key_id >> shift));
    bytes.insert(bytes.end(), signature.signature.begin(), signature.signature.end());
    out += fmt::format("{}{} {}\n", dash, signature.name, crypto::to_base64(bytes));
  }
  return out;
}

Result<Note> parse_note(std::string_view bytes) {
  if (bytes.size() > note_size_max) {
    return bad_note(fmt::format("{} bytes, above {}", bytes.size(), note_size_max));
  }
  if (!is_note_text(bytes)) return bad_note("not UTF-8, or it holds a control character");
  std::size_t blank = bytes.rfind("\n\n");  // the last empty line ends the text
  if (blank == std::string_view::npos) return bad_note("no empty line between text and signatures");
  Note note{std::string(bytes.substr(0, blank + 1)), {}};
  LineReader lines(bytes.substr(blank + 2));
  if (lines.done()) return bad_note("no signature line");
  while (!lines.done()) {
    std::optional<std::string_view> line = lines.next();
    if (!line) return bad_note("the last line does not end with a newline");
    if (note.signatures.size() == note_signatures_max) {
      return bad_note(fmt::format("more than {} signatures", note_signatures_max));
    }
    note.signatures.push_back(TRY(parse_signature(*line)));
  }
  return note;
}

Result<NoteSignature> sign_note(std::string_view text, const Signer& signer) {
  ASSERT(text.ends_with('\n'));
  ASSERT(signer.verifier().type == KeyType::ed25519);
  const crypto::Ed25519Signature signature = TRY(signer.sign_bytes(as_bytes(text)));
  return NoteSignature{signer.verifier().name, signer.verifier().id(), to_buffer(signature)};
}

SignatureCheck check_signature(std::string_view text, const NoteSignature& signature,
                               const VerifierKey& key) {
  ASSERT(key.type == KeyType::ed25519);
  if (signature.name != key.name || signature.key_id != key.id()) return SignatureCheck::other_key;
  crypto::Ed25519Signature bytes;
  if (signature.signature.size() != bytes.size()) return SignatureCheck::bad;
  std::ranges::copy(signature.signature, bytes.begin());
  return crypto::verify_ed25519(key.public_key, as_bytes(text), bytes) ? SignatureCheck::good
                                                                       : SignatureCheck::bad;
}

}  // namespace meridian::proof
