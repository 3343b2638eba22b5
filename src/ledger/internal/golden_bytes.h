// Reads docs/formats/golden/*.hex: hexadecimal lines, `#` starts a comment. For tests only.
#pragma once

#include <cctype>
#include <fstream>
#include <string>

#include "base/bytes.h"

namespace meridian::ledger {

/// The bytes of golden file `name`, or none if it is missing or wrong.
inline Buffer golden_bytes(const std::string& name) {
  std::string path = MERIDIAN_SOURCE_DIR "/docs/formats/golden/";
  path += name;
  std::ifstream file(path);
  std::string digits;
  for (std::string line; std::getline(file, line);)
    for (char letter : line.substr(0, line.find('#')))
      if (std::isspace(static_cast<unsigned char>(letter)) == 0) digits.push_back(letter);
  Buffer bytes;
  if (!from_hex(digits, bytes)) bytes.clear();
  return bytes;
}

}  // namespace meridian::ledger
