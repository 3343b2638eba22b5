// Certificates from hostile peers: parsing and checking end in a value or a refusal, whatever they
// hold, and a refusal leaves nothing in OpenSSL's error queue.
#include <openssl/err.h>

#include "base/assert.h"
#include "mesh/authority.h"
#include "mesh/svid.h"

using namespace meridian;
using namespace meridian::mesh;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(data, size);
  (void)check_csr(bytes);
  ASSERT(ERR_peek_error() == 0);
  // DER as it is, or PEM of several.
  CertificateChain chain;
  if (Result<Certificate> one = Certificate::from_der(bytes); one.has_value())
    chain.push_back(*one);
  else if (Result<CertificateChain> several = parse_pem_chain(as_text(bytes)); several.has_value())
    chain = *several;
  ASSERT(ERR_peek_error() == 0);
  if (chain.empty()) return 0;
  for (const Certificate& certificate : chain) {
    ASSERT(*Certificate::from_der(certificate.der()) == certificate);
    ASSERT(certificate.describe().find('\n') == std::string::npos);
    (void)check_authority_form(certificate, "eu-west.bank.example");
    (void)check_authority_chain(certificate, chain);
  }
  // The bundle that the chain itself would make, if it can.
  TrustBundles bundles;
  Result<TrustBundle> bundle = TrustBundle::make(
      "eu-west.bank.example", {chain.size() > 1 ? chain[1] : chain[0]}, {chain.back()});
  if (bundle.has_value()) bundles = *bundles.with(*bundle);
  for (WantedPeer::Side side : {WantedPeer::Side::client, WantedPeer::Side::server}) {
    auto peer = check_peer(chain, bundles, {}, 1'700'000'000, {.side = side});
    if (peer.has_value()) {
      ASSERT(bundle.has_value());
      ASSERT(peer->id.trust_domain == "eu-west.bank.example");
    }
  }
  ASSERT(ERR_peek_error() == 0);
  return 0;
}
