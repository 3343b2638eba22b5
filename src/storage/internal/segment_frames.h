// The plaintexts of a segment's frames (docs/formats/segment.md). Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "crypto/sha256.h"
#include "storage/record_store.h"

namespace meridian::storage {

enum class SegmentKind : std::uint8_t { headers, payloads };

inline constexpr std::uint32_t tag_headers = 1;
inline constexpr std::uint32_t tag_header_directory = 2;
inline constexpr std::uint32_t tag_payload = 3;
inline constexpr std::uint32_t tag_payload_directory = 4;
inline constexpr std::uint32_t tag_trailer = 9;
inline constexpr std::uint32_t tag_sync_mark = 10;

inline constexpr std::size_t trailer_plain_size = 16;
inline constexpr std::size_t sync_mark_plain_size = 8;
inline constexpr std::size_t payload_prefix_size = 40;  // record, storage digest

/// Where a frame of records begins, in records and in bytes of the file.
struct FramePlace {
  std::uint64_t first_record;
  std::uint64_t position;
  bool operator==(const FramePlace&) const = default;
};

struct Directory {
  std::vector<FramePlace> frames;  ///< Both fields strictly ascending.
  crypto::Digest root{};           ///< Of the segment's subtree; zero in payload segments.
  bool operator==(const Directory&) const = default;
};

/// Up to 256 consecutive headers, opened.
class HeaderFrame {
 public:
  /// Takes a frame's plaintext of segment `number`. Errors: data_loss naming the field.
  static Result<HeaderFrame> decode(Buffer plain, std::uint64_t number);
  std::uint64_t first() const { return first_; }
  std::uint64_t end() const { return first_ + offsets_.size() - 1; }
  /// Of a record in [first(), end()).
  Bytes header(std::uint64_t record) const;
  /// The plaintext of a frame with the records below `end` only; first() < end <= end().
  Buffer first_part(std::uint64_t end) const;

 private:
  std::uint64_t first_ = 0;
  std::vector<std::uint32_t> offsets_;  // of each size field in plain_, and one past the last
  Buffer plain_;
};

void encode_header_frame(std::uint64_t first, std::span<const std::uint16_t> sizes, Bytes headers,
                         Buffer& out);
void encode_payload_frame(std::uint64_t record, Bytes payload, Buffer& out);
struct PayloadFrame {
  std::uint64_t record;
  Bytes payload;  ///< View into what was decoded; its digest was checked.
};
Result<PayloadFrame> decode_payload_frame(Bytes plain, std::uint64_t number);

void encode_directory(const Directory& directory, Buffer& out);
Result<Directory> decode_directory(Bytes plain, std::uint64_t number);

/// Points from the end of a finished segment to its directory, and back at how much it covers.
struct Trailer {
  std::uint64_t directory_position;
  std::uint64_t record_end;  ///< One past the segment's last record.
};
void encode_trailer(const Trailer& trailer, Buffer& out);
Result<Trailer> decode_trailer(Bytes plain, std::uint64_t number);

/// "All records below record_count were synced up to here."
void encode_sync_mark(std::uint64_t record_count, Buffer& out);
Result<std::uint64_t> decode_sync_mark(Bytes plain);

}  // namespace meridian::storage
