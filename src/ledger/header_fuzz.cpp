// Whatever Header::decode accepts encodes to the same bytes and can be described.
#include "base/assert.h"
#include "ledger/describe.h"
#include "ledger/header.h"
#include "ledger/internal/sample_records.h"

namespace meridian::ledger {
namespace {

void check(Bytes bytes) {
  Result<Header> header = Header::decode(bytes);
  if (!header) {
    ASSERT(header.error().code == Code::invalid_argument);
    return;
  }
  ASSERT(equal(header->encode(), bytes));
  ASSERT(!to_json(*header).empty());
}

}  // namespace
}  // namespace meridian::ledger

// The bytes as they are, and a valid header with a few of its bytes replaced by them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meridian;
  using namespace meridian::ledger;
  Bytes input(data, size);
  check(input);
  ByteReader reader(input);
  Sampler sampler(reader.u16());
  Header header = sampler.header(sampler.kind());
  Buffer bytes = header.encode();
  ASSERT(Header::decode(bytes) == header);
  while (reader.remaining() >= 3) {
    std::size_t at = reader.u16() % bytes.size();
    bytes[at] = reader.u8();
  }
  check(bytes);
  return 0;
}
