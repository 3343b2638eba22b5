#include "signer.h"

#include <fmt/format.h>

#include <algorithm>

#include "mesh/signed_text.h"

namespace meridian::app {

Result<std::shared_ptr<const mesh::OwnIdentity>> signer(const Client& client) {
  if (client.options().credentials == nullptr)
    return fail(Code::failed_precondition,
                "a person signs that: name your identity with --identity DIR");
  return client.options().credentials->own();
}

v1::SignedText signed_by(const mesh::OwnIdentity& own, const std::string& text) {
  v1::SignedText made;
  made.set_text(text);
  made.set_certificate(own.chain[0].pem());
  const Buffer signature = mesh::sign(own.key, text);
  made.set_signature(signature.data(), signature.size());
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
