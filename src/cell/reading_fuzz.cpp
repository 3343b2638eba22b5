// Rows of readings: whatever is taken from another replica is said in one way, and comes back.
#include "cell/reading.h"

#include <cstdlib>

#include "base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meridian;
  const std::string_view input = as_text(Bytes(data, size));
  const auto readings = cell::parse_readings(input);
  if (readings) {
    const std::string json = cell::readings_json(*readings);
    const auto again = cell::parse_readings(json);
    if (!again || *again != *readings) std::abort();
  }
  if (cell::check_readings(input) && (!readings || cell::readings_json(*readings) != input))
    std::abort();
  return 0;
}
