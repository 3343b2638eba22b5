// A simulated disk with a cheap key store on it. For tests and fuzzers only.
#pragma once

#include <cctype>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/entropy.h"
#include "storage/key_store.h"
#include "storage/sealed_file.h"

namespace meridian::storage {

inline constexpr crypto::ScryptCost cheap_cost{1, 1, 1};
inline constexpr u128 rig_cell = make_u128(0x0f0e0d0c0b0a0908, 0x0706050403020100);
inline Bytes rig_passphrase() { return as_bytes("correct horse battery staple"); }

struct KeyRig {
  std::unique_ptr<sim::Disk> disk = std::make_unique<sim::Disk>();
  sim::Clock clock;
  sim::Entropy entropy{1};
  std::unique_ptr<KeyStore> keys;

  KeyStore::Io io() { return {*disk, clock, entropy}; }
  void create() {
    auto made = KeyStore::create(io(), rig_passphrase(), cheap_cost);
    ASSERT(made.has_value());
    keys = std::move(*made);
  }
  Result<std::unique_ptr<KeyStore>> open() { return KeyStore::open(io(), rig_passphrase()); }
  SealedContext context() { return {*disk, entropy, *keys, rig_cell}; }

  Buffer read(std::string_view path) {
    auto bytes = io::read_file(*disk, path, 1 << 26);
    ASSERT(bytes.has_value());
    return *std::move(bytes);
  }
  /// Replaces a file as somebody with access to the disk would.
  void put(std::string_view path, Bytes bytes) {
    ASSERT(disk->make_directory("keys").has_value());
    ASSERT(io::replace_file(*disk, path, bytes).has_value());
  }
};

inline std::unique_ptr<KeyRig> make_key_rig() {
  auto rig = std::make_unique<KeyRig>();
  rig->create();
  return rig;
}

/// Of docs/formats/golden/: hexadecimal lines, `#` starts a comment. Empty if missing or wrong.
inline Buffer golden_bytes(std::string_view name) {
  std::string path = MERIDIAN_SOURCE_DIR "/docs/formats/golden/";
  path.append(name);
  std::ifstream file(path);
  std::string digits;
  for (std::string line; std::getline(file, line);)
    for (char letter : std::string_view(line).substr(0, line.find('#')))
      if (std::isspace(static_cast<unsigned char>(letter)) == 0) digits.push_back(letter);
  Buffer bytes;
  if (!from_hex(digits, bytes)) bytes.clear();
  return bytes;
}

}  // namespace meridian::storage
