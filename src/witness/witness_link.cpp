#include "witness/witness_link.h"

#include <fmt/format.h>

namespace meridian::witness {

Result<WitnessAddress> parse_witness_address(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0)
    return fail(Code::invalid_argument,
                fmt::format("witness '{}': expected URL=VKEY; `meridian witness key` prints the "
                            "vkey",
                            text));
  WitnessAddress address{std::string(text.substr(0, equals)), {}};
  address.key = TRY(proof::parse_vkey(text.substr(equals + 1)));
  if (address.key.type != proof::KeyType::cosignature)
    return fail(Code::invalid_argument,
                fmt::format("{} is the key of a log, not of a witness: a witness's has the "
                            "signature type 0x04",
                            address.key.name));
  return address;
}

}  // namespace meridian::witness
