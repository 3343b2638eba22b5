#include "storage/in_doubt_mark.h"

#include <gtest/gtest.h>

#include "sim/disk.h"
#include "storage/internal/key_rig.h"

namespace meridian::storage {
namespace {

TEST(InDoubtMark, stays_through_a_crash_until_it_is_cleared) {
  auto disk = std::make_unique<sim::Disk>();
  auto mark = InDoubtMark::open(*disk, IfMissing::create);
  ASSERT_TRUE(mark.has_value());
  EXPECT_EQ(mark->after_index(), std::nullopt);
  ASSERT_TRUE(mark->set(0).has_value()) << "nothing at all is sound";
  EXPECT_EQ(mark->after_index(), 0U);
  ASSERT_TRUE(mark->set(12).has_value());
  disk = disk->crash(1);
  mark = InDoubtMark::open(*disk, IfMissing::refuse);
  ASSERT_TRUE(mark.has_value());
  EXPECT_EQ(mark->after_index(), 12U);
  const Buffer golden = golden_bytes("in-doubt.hex");
  const Buffer bytes = io::read_file(*disk, InDoubtMark::path, 4096).value();
  EXPECT_EQ(to_hex(Bytes(bytes).first(golden.size())), to_hex(golden));
  ASSERT_TRUE(mark->clear().has_value());
  disk = disk->crash(2);
  EXPECT_EQ(InDoubtMark::open(*disk, IfMissing::refuse)->after_index(), std::nullopt);
}

TEST(InDoubtMark, a_slot_beyond_reading_or_a_missing_file_is_refused) {
  sim::Disk disk;
  EXPECT_EQ(InDoubtMark::open(disk, IfMissing::refuse).error().code, Code::data_loss);
  auto mark = InDoubtMark::open(disk, IfMissing::create);
  ASSERT_TRUE(mark->set(12).has_value());
  ASSERT_TRUE(mark->clear().has_value());
  Buffer bytes = io::read_file(disk, InDoubtMark::path, 4096).value();
  std::fill_n(bytes.begin(), 60, Byte{7});
  ASSERT_TRUE(io::replace_file(disk, InDoubtMark::path, bytes).has_value());
  mark = InDoubtMark::open(disk, IfMissing::refuse);
  ASSERT_FALSE(mark.has_value());
  EXPECT_EQ(mark.error().code, Code::data_loss);
  EXPECT_NE(mark.error().message.find("slot 0 of"), std::string::npos) << mark.error().message;
}

}  // namespace
}  // namespace meridian::storage
