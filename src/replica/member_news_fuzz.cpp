// What replicas say of members, of their timing and of themselves: whatever decodes encodes to the
// same bytes.
#include <cstdlib>

#include "replica/election_timing.h"
#include "replica/member_news.h"

namespace {

using namespace meridian;
using namespace meridian::replica;

/// The first byte says what a message is for; who decodes it has looked at that already.
void check(Bytes input, const Buffer& encoded) {
  if (encoded.size() != input.size() || !equal(Bytes(encoded).subspan(1), input.subspan(1)))
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input(data, size);
  if (const auto request = decode_members_request(input))
    check(input, encode_members_request(*request));
  if (const auto answer = decode_members_answer(input))
    check(input, encode_members_answer(*answer));
  if (const auto word = decode_timing_word(input)) check(input, encode_timing_word(*word));
  if (const auto group = decode_group_state(input))
    if (!equal(encode_group_state(*group), input)) std::abort();
  if (const auto hello = decode_hello(input))
    if (!equal(encode_hello(*hello), input)) std::abort();
  return 0;
}
