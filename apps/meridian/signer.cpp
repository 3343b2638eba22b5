#include "signer.h"

#include <fmt/format.h>

#include <algorithm>

namespace meridian::app {

mesh::SignedText signed_text(const mesh::OwnIdentity& own, const std::string& text) {
  return {text, own.chain[0].pem(), mesh::sign(own.key, text)};
}

v1::SignedText signed_by(const mesh::OwnIdentity& own, const std::string& text) {
  const mesh::SignedText given = signed_text(own, text);
  v1::SignedText made;
  made.set_text(given.text);
  made.set_certificate(given.certificate);
  made.set_signature(given.signature.data(), given.signature.size());
  return made;
}

Result<crypto::Digest> parse_hash(std::string_view hex, std::string_view listing) {
  Buffer hash;
  crypto::Digest digest{};
  if (!from_hex(hex, hash) || hash.size() != digest.size())
    return fail(Code::invalid_argument,
                fmt::format("HASH is the 64 hexadecimal digits that `{}` shows", listing));
  std::ranges::copy(hash, digest.begin());
  return digest;
}

}  // namespace meridian::app
