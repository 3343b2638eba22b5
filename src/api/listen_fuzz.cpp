// An address of any bytes: what is accepted is written as the system writes it and reads back the
// same; it may be listened on only if it is loopback; the rest is refused with an example.
#include "api/listen_address.h"
#include "base/assert.h"
#include "base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meridian;
  using namespace meridian::api;
  std::string_view text = as_text(Bytes(data, size));
  Result<ListenAddress> address = parse_listen_address(text);
  if (!address) {
    ASSERT(address.error().code == Code::invalid_argument);
    ASSERT(address.error().message.find("127.0.0.1:7400") != std::string::npos);
    return 0;
  }
  // What the parser of the system does not see (it stops at a zero byte) must not be let through.
  if (!text.starts_with("localhost:")) {
    ASSERT(text.find_first_not_of("0123456789abcdefABCDEF.:[]") == std::string_view::npos);
  }
  ASSERT(parse_listen_address(format_listen_address(*address)).value() == *address);
  ASSERT(check_may_listen(*address, false).has_value());
  ASSERT(check_may_listen(*address, true).has_value() == address->is_loopback);
  const bool is_127 = address->ip.starts_with("127.") || address->ip.starts_with("::ffff:127.");
  ASSERT(address->is_loopback == (is_127 || address->ip == "::1"));
  return 0;
}
