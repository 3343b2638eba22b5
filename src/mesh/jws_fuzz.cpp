// Any bytes are a JWS that is kept and taken apart the same, or a refusal.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "crypto/base64.h"
#include "mesh/jws.h"

namespace meridian::mesh {
namespace {

void check(std::string_view text) {
  if (const Result<Buffer> bytes = crypto::from_base64url(text))
    ASSERT(crypto::to_base64url(*bytes) == text);
  const Result<DetachedJws> detached = split_detached_jws(text);
  if (detached) {
    ASSERT(detached->header + ".." + detached->signature == text);
    const Result<CertificateChain> chain = read_jws_header(detached->header);
    if (chain) {
      ASSERT(!chain->empty());
      ASSERT(!is_jws_signed_by((*chain)[0], attach_payload(*detached, "never signed")));
    }
  }
  const Result<SignedJws> jws = open_jws(text);
  if (jws) ASSERT(is_jws_signed_by(jws->chain[0], text));
}

}  // namespace
}  // namespace meridian::mesh

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  meridian::mesh::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
