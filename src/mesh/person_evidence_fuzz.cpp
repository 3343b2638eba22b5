// Any bytes are evidence of a sign-in or a refusal; what is accepted has one encoding.
#include <openssl/err.h>

#include "base/assert.h"
#include "mesh/person_evidence.h"

using namespace meridian;
using namespace meridian::mesh;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(data, size);
  const Result<PersonEvidence> evidence = decode_person_evidence(bytes);
  if (evidence) {
    const Result<Buffer> again = encode_person_evidence(*evidence);
    ASSERT(again.has_value() && equal(*again, bytes));
  }
  ASSERT(ERR_peek_error() == 0);
  return 0;
}
