#include "storage/run_manifest.h"

#include <gtest/gtest.h>

namespace meridian::storage {
namespace {

TEST(RunManifest, comes_back_as_it_was_and_in_one_encoding_only) {
  const RunManifest manifest{16, 9, {{3, 70'000}, {8, 12}}};
  const Buffer bytes = encode_run_manifest(manifest);
  const auto back = decode_run_manifest("ids", bytes);
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(*back, manifest);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(decode_run_manifest("ids", Bytes(bytes).first(size)).error().code, Code::data_loss);
  Buffer longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(decode_run_manifest("ids", longer).has_value());
  EXPECT_EQ(run_path("ids", 8), "index/ids/0000000000000008.run");
}

}  // namespace
}  // namespace meridian::storage
