// Whatever the decoders of payloads, envelopes and facts accept encodes to the same bytes.
#include "base/assert.h"
#include "ledger/internal/sample_records.h"
#include "ledger/payload.h"

namespace meridian::ledger {
namespace {

void check_payload(Bytes bytes) {
  Result<Payload> payload = Payload::decode(bytes);
  if (!payload) {
    ASSERT(payload.error().code == Code::invalid_argument);
    return;
  }
  Buffer again;
  payload->encode(again);
  ASSERT(equal(again, bytes));
}

void check_envelope(Bytes bytes) {
  Result<Envelope> envelope = Envelope::decode(bytes);
  if (!envelope) return;
  Buffer again;
  envelope->encode(again);
  ASSERT(equal(again, bytes));
}

void check_facts(Bytes bytes) {
  Result<Facts> facts = Facts::decode(bytes);
  ASSERT(facts.has_value() == Facts::check(bytes).has_value());
  if (!facts) return;
  Result<Buffer> again = facts->encode();
  ASSERT(again.has_value());
  ASSERT(equal(*again, bytes));
}

void check(Bytes bytes) {
  check_payload(bytes);
  check_envelope(bytes);
  check_facts(bytes);
}

}  // namespace
}  // namespace meridian::ledger

// The bytes as they are, and valid values with a few of their bytes replaced by them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meridian;
  using namespace meridian::ledger;
  Bytes input(data, size);
  check(input);
  ByteReader reader(input);
  Sampler sampler(reader.u16());
  Buffer payload, envelope;
  sampler.payload().encode(payload);
  Envelope{"orders-1", "placed", "json", {}, input}.encode(envelope);
  Buffer facts = *sampler.facts().encode();
  check(facts);
  while (reader.remaining() >= 3) {
    std::size_t at = reader.u16();
    Byte value = reader.u8();
    payload[at % payload.size()] = value;
    envelope[at % envelope.size()] = value;
    facts[at % facts.size()] = value;
  }
  check(payload);
  check(envelope);
  check(facts);
  return 0;
}
