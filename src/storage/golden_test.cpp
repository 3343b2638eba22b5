// The golden bytes of docs/formats/wal.md and segment.md: written by hand, never to change.
#include <gtest/gtest.h>

#include <string>

#include "storage/internal/key_rig.h"
#include "storage/internal/segment_frames.h"
#include "storage/internal/state_manifest.h"
#include "storage/internal/wal_group.h"

namespace meridian::storage {
namespace {

std::string hex(Bytes bytes) { return to_hex(bytes); }

TEST(GoldenBytes, log_group) {
  Buffer bytes;
  encode_wal_group(0, std::vector<WalEntry>{{7, 1, as_bytes("abc")}, {8, 2, {}}}, bytes);
  EXPECT_EQ(hex(bytes), hex(golden_bytes("wal-group.hex")));
}

TEST(GoldenBytes, log_group_of_a_replicated_cell) {
  Buffer bytes;
  encode_wal_group(
      5, std::vector<WalEntry>{{9, 3, {}, 1}, {10, 3, as_bytes("abc"), 2, as_bytes("change")}},
      bytes);
  EXPECT_EQ(hex(bytes), hex(golden_bytes("wal-group-kinds.hex")));
  encode_wal_truncation(6, 9, bytes);
  EXPECT_EQ(hex(bytes), hex(golden_bytes("wal-truncation.hex")));
  EXPECT_EQ(decode_wal_group(bytes)->first_index, 9U);
  EXPECT_EQ(decode_wal_group(bytes)->sequence, 6U);
  EXPECT_TRUE(decode_wal_group(bytes)->entries.empty());
}

TEST(GoldenBytes, segment_frames) {
  Buffer bytes;
  encode_header_frame(65538, std::vector<std::uint16_t>{3, 2}, as_bytes("oneii"), bytes);
  EXPECT_EQ(hex(bytes), hex(golden_bytes("segment-headers.hex")));
  encode_payload_frame(65539, as_bytes("payload"), bytes);
  EXPECT_EQ(hex(bytes), hex(golden_bytes("segment-payload.hex")));
  Directory directory{{{65536, 128}, {65538, 300}}, {}};
  for (std::size_t i = 0; i < 32; ++i) directory.root[i] = static_cast<Byte>(i);
  encode_directory(directory, bytes);
  EXPECT_EQ(hex(bytes), hex(golden_bytes("segment-directory.hex")));
  EXPECT_EQ(decode_directory(bytes, 1).value(), directory);
  encode_trailer({400, 131072}, bytes);
  EXPECT_EQ(bytes.size(), trailer_plain_size);
  EXPECT_EQ(hex(bytes), hex(golden_bytes("segment-trailer.hex")));
  encode_sync_mark(65540, bytes);
  EXPECT_EQ(bytes.size(), sync_mark_plain_size);
  EXPECT_EQ(hex(bytes), hex(golden_bytes("segment-sync-mark.hex")));
}

TEST(GoldenBytes, state_chunk_and_manifest) {
  Buffer bytes;
  encode_chunk({1, 5}, as_bytes("state"), bytes);
  EXPECT_EQ(hex(bytes), hex(golden_bytes("state-chunk.hex")));
  ManifestBody body{{1000, 90, 3, {}, {Buffer{'h', 'i'}, {}}},
                    {{{1, 5}, 5, 4, 128, state_chunk_digest({1, 5}, as_bytes("state"))},
                     {{2, 0}, 0, 4, 181, state_chunk_digest({2, 0}, {})}}};
  body.manifest.digest = state_digest(body.chunks);
  encode_manifest(body, bytes);
  EXPECT_EQ(hex(bytes), hex(golden_bytes("state-manifest.hex")));
  EXPECT_EQ(decode_manifest(bytes).value().chunks, body.chunks);
}

TEST(GoldenBytes, what_is_cut_or_longer_does_not_decode) {
  for (const char* name : {"segment-headers.hex", "segment-directory.hex", "segment-trailer.hex",
                           "state-manifest.hex", "state-chunk.hex", "segment-sync-mark.hex"}) {
    Buffer whole = golden_bytes(name);
    auto decodes = [&](const Buffer& bytes) {
      if (std::string(name) == "segment-headers.hex")
        return HeaderFrame::decode(bytes, 1).has_value();
      if (std::string(name) == "segment-directory.hex")
        return decode_directory(bytes, 1).has_value();
      if (std::string(name) == "segment-trailer.hex") return decode_trailer(bytes, 1).has_value();
      if (std::string(name) == "state-manifest.hex") return decode_manifest(bytes).has_value();
      if (std::string(name) == "state-chunk.hex") return decode_chunk(bytes).has_value();
      return decode_sync_mark(bytes).has_value();
    };
    EXPECT_TRUE(decodes(whole)) << name;
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(
          decodes(Buffer(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))))
          << name << " " << size;
    }
    whole.push_back(0);
    EXPECT_FALSE(decodes(whole)) << name;
  }
}

}  // namespace
}  // namespace meridian::storage
