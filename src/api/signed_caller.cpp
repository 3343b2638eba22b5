#include "api/signed_caller.h"

#include <algorithm>

namespace meridian::api {

Result<mesh::SignedText> signed_by_caller(const Backend& backend, const Asker& asker,
                                          const v1::SignedText& from) {
  if (backend.policies == nullptr || asker.caller() == nullptr)
    return fail(Code::failed_precondition,
                "in the clear nobody is told apart, so nobody can propose or approve");
  const mesh::CertificateChain chain = TRY(mesh::parse_pem_chain(from.certificate()));
  mesh::WantedPeer wanted;
  wanted.kinds = {mesh::IdKind::person};
  const std::vector<Bytes> ders = {chain[0].der()};
  const mesh::PeerIdentity signer = TRY(backend.callers->credentials().verify(ders, wanted));
  if (signer.id != asker.caller()->identity.id)
    return fail(Code::permission_denied, "the certificate is another's than the caller's");
  return mesh::SignedText{from.text(), chain[0].pem(), to_buffer(as_bytes(from.signature()))};
}

Result<crypto::Digest> parse_hash(const std::string& bytes) {
  crypto::Digest hash{};
  if (bytes.size() != hash.size())
    return fail(Code::invalid_argument, "hash: 32 bytes, as a proposal's answer has it");
  std::ranges::copy(as_bytes(bytes), hash.begin());
  return hash;
}

}  // namespace meridian::api
