#include "storage/internal/segment_frames.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"

namespace meridian::storage {
namespace {

constexpr std::size_t header_frame_prefix_size = 16;
constexpr std::size_t directory_entry_size = 16;

Error malformed(std::string_view what) {
  return fail(Code::data_loss, fmt::format("{} frame is malformed", what));
}

bool in_segment(std::uint64_t record, std::uint64_t number) {
  return record / segment_records == number;
}

}  // namespace

void encode_header_frame(std::uint64_t first, std::span<const std::uint16_t> sizes, Bytes headers,
                         Buffer& out) {
  ASSERT(!sizes.empty());
  ASSERT(first % bundle_records + sizes.size() <= bundle_records);
  out.resize(header_frame_prefix_size + 2 * sizes.size() + headers.size());
  Byte* at = out.data();
  store_le(at, first);
  store_le(at + 8, static_cast<std::uint32_t>(sizes.size()));
  store_le(at + 12, std::uint32_t{0});
  at += header_frame_prefix_size;
  for (std::uint16_t size : sizes) {
    store_le(at, size);
    std::copy_n(headers.data(), size, at + 2);  // std::ranges::copy goes byte by byte (GCC 12)
    headers = headers.subspan(size);
    at += 2 + size;
  }
  ASSERT(headers.empty());
}

Result<HeaderFrame> HeaderFrame::decode(Buffer plain, std::uint64_t number) {
  ByteReader reader(plain);
  HeaderFrame frame;
  frame.first_ = reader.u64();
  std::uint32_t count = reader.u32();
  bool sound = reader.u32() == 0 && reader.ok() && in_segment(frame.first_, number) && count > 0 &&
               count <= bundle_records - frame.first_ % bundle_records;
  if (!sound) return malformed("header");
  frame.offsets_.reserve(count + 1);
  for (std::uint32_t i = 0; i < count; ++i) {
    frame.offsets_.push_back(static_cast<std::uint32_t>(plain.size() - reader.remaining()));
    reader.take(reader.u16());
  }
  if (!reader.done()) return malformed("header");
  frame.offsets_.push_back(static_cast<std::uint32_t>(plain.size()));
  frame.plain_ = std::move(plain);
  return frame;
}

Bytes HeaderFrame::header(std::uint64_t record) const {
  ASSERT(record >= first() && record < end());
  auto i = static_cast<std::size_t>(record - first_);
  return Bytes(plain_).subspan(offsets_[i] + 2, offsets_[i + 1] - offsets_[i] - 2);
}

Buffer HeaderFrame::first_part(std::uint64_t part_end) const {
  ASSERT(part_end > first() && part_end <= end());
  auto count = static_cast<std::size_t>(part_end - first_);
  Buffer part = to_buffer(Bytes(plain_).first(offsets_[count]));
  store_le(&part[8], static_cast<std::uint32_t>(count));
  return part;
}

void encode_payload_frame(std::uint64_t record, Bytes payload, Buffer& out) {
  out.clear();
  ByteWriter writer(out);
  writer.u64(record);
  writer.bytes(crypto::sha256(payload));
  writer.bytes(payload);
}

Result<PayloadFrame> decode_payload_frame(Bytes plain, std::uint64_t number) {
  ByteReader reader(plain);
  PayloadFrame frame{reader.u64(), {}};
  auto digest = reader.array<32>();
  if (!reader.ok() || !in_segment(frame.record, number)) return malformed("payload");
  frame.payload = reader.take(reader.remaining());
  if (crypto::sha256(frame.payload) != digest) {
    return fail(Code::data_loss,
                fmt::format("payload of record {} does not match its digest", frame.record));
  }
  return frame;
}

void encode_directory(const Directory& directory, Buffer& out) {
  out.clear();
  out.reserve(8 + directory_entry_size * directory.frames.size() + directory.root.size());
  ByteWriter writer(out);
  writer.u32(static_cast<std::uint32_t>(directory.frames.size()));
  writer.u32(0);
  for (const FramePlace& frame : directory.frames) {
    writer.u64(frame.first_record);
    writer.u64(frame.position);
  }
  writer.bytes(directory.root);
}

Result<Directory> decode_directory(Bytes plain, std::uint64_t number) {
  ByteReader reader(plain);
  Directory directory;
  std::uint32_t count = reader.u32();
  bool sound = reader.u32() == 0 && reader.ok() && count <= segment_records &&
               reader.remaining() == count * directory_entry_size + directory.root.size();
  if (!sound) return malformed("directory");
  directory.frames.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    FramePlace place{reader.u64(), reader.u64()};
    bool ordered =
        directory.frames.empty() || (place.first_record > directory.frames.back().first_record &&
                                     place.position > directory.frames.back().position);
    if (!in_segment(place.first_record, number) || !ordered) return malformed("directory");
    directory.frames.push_back(place);
  }
  directory.root = reader.array<32>();
  return directory;
}

void encode_trailer(const Trailer& trailer, Buffer& out) {
  out.clear();
  ByteWriter writer(out);
  writer.u64(trailer.directory_position);
  writer.u64(trailer.record_end);
}

Result<Trailer> decode_trailer(Bytes plain, std::uint64_t number) {
  ByteReader reader(plain);
  Trailer trailer{reader.u64(), reader.u64()};
  bool sound = reader.done() && trailer.directory_position >= sealed_file_header_size &&
               trailer.record_end == (number + 1) * segment_records;
  if (!sound) return malformed("trailer");
  return trailer;
}

void encode_sync_mark(std::uint64_t record_count, Buffer& out) {
  out.clear();
  ByteWriter(out).u64(record_count);
}

Result<std::uint64_t> decode_sync_mark(Bytes plain) {
  ByteReader reader(plain);
  std::uint64_t count = reader.u64();
  if (!reader.done()) return malformed("sync mark");
  return count;
}

}  // namespace meridian::storage
