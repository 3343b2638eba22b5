// Views of raw bytes and bounded little-endian reading and writing: the base of every codec.
//
// ByteReader never reads past its end and never asserts on content: a short input makes ok() false
// for good and yields zeros, so a decoder reads straight through and checks once at the end.
// ByteWriter appends to a std::string-like growable buffer. All integers are little-endian.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/u128.h"

namespace meridian {

using Byte = std::uint8_t;
using Bytes = std::span<const Byte>;
using MutableBytes = std::span<Byte>;
using Buffer = std::vector<Byte>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const Byte*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Buffer to_buffer(Bytes bytes) { return {bytes.begin(), bytes.end()}; }
inline bool equal(Bytes a, Bytes b) { return std::ranges::equal(a, b); }

/// Loads or stores an integer (or u128) at `bytes`, little-endian; the caller guarantees the room.
template <typename Integer>
Integer load_le(const Byte* bytes) {
  Integer value;  // the code base supports little-endian machines only (static_assert in bytes.cpp)
  std::memcpy(&value, bytes, sizeof value);
  return value;
}
template <typename Integer>
void store_le(Byte* bytes, Integer value) {
  std::memcpy(bytes, &value, sizeof value);
}

class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : rest_(bytes) {}

  template <typename Integer>
  Integer read() {
    Bytes taken = take(sizeof(Integer));
    return taken.empty() ? Integer{} : load_le<Integer>(taken.data());
  }
  std::uint8_t u8() { return read<std::uint8_t>(); }
  std::uint16_t u16() { return read<std::uint16_t>(); }
  std::uint32_t u32() { return read<std::uint32_t>(); }
  std::uint64_t u64() { return read<std::uint64_t>(); }
  u128 id() { return read<u128>(); }

  /// The next `size` bytes as a view, or an empty view (and ok() false) if there are fewer.
  Bytes take(std::size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    Bytes taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  template <std::size_t size>
  std::array<Byte, size> array() {
    std::array<Byte, size> out{};
    Bytes taken = take(size);
    if (!taken.empty()) std::memcpy(out.data(), taken.data(), size);
    return out;
  }

  std::size_t remaining() const { return rest_.size(); }
  bool ok() const { return ok_; }
  /// True if everything was read, nothing more and nothing less.
  bool done() const { return ok_ && rest_.empty(); }

 private:
  Bytes rest_;
  bool ok_ = true;
};

class ByteWriter {
 public:
  explicit ByteWriter(Buffer& out) : out_(out) {}

  template <typename Integer>
  void write(Integer value) {
    std::size_t at = out_.size();
    out_.resize(at + sizeof value);
    store_le(out_.data() + at, value);
  }
  void u8(std::uint8_t value) { write(value); }
  void u16(std::uint16_t value) { write(value); }
  void u32(std::uint32_t value) { write(value); }
  void u64(std::uint64_t value) { write(value); }
  void id(u128 value) { write(value); }
  void bytes(Bytes value) { out_.insert(out_.end(), value.begin(), value.end()); }
  void zeros(std::size_t count) { out_.resize(out_.size() + count); }
  std::size_t size() const { return out_.size(); }

 private:
  Buffer& out_;
};

/// Lower-case hexadecimal, and back (empty optional-like: false on odd length or a foreign digit).
std::string to_hex(Bytes bytes);
bool from_hex(std::string_view text, Buffer& out);

}  // namespace meridian
