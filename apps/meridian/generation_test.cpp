#include "generation.h"

#include <gtest/gtest.h>

namespace meridian::app {
namespace {

class GenerationTest : public testing::Test {
 protected:
  void SetUp() override {
    if (*disk_->exists(generation_path)) {
      ASSERT_TRUE(disk_->remove(generation_path));
    }
  }
  void write(std::string_view text) {
    ASSERT_TRUE(io::replace_file(*disk_, generation_path, as_bytes(text)));
  }
  std::unique_ptr<io::Disk> disk_ = *io::os_disk(testing::TempDir() + "generation_test");
};

TEST_F(GenerationTest, a_directory_without_the_file_is_in_its_first_generation) {
  EXPECT_EQ(*read_generation(*disk_), Generation{});
}

TEST_F(GenerationTest, what_is_written_reads_back) {
  Loss loss{7, 12, {}};
  loss.signed_root[31] = 0xab;
  EXPECT_EQ(loss.range(), "7..11");
  const Loss none{7, 7, loss.signed_root};
  EXPECT_EQ(none.range(), "none");
  for (const Generation& generation :
       {Generation{2, std::nullopt}, Generation{3, loss}, Generation{3, none}}) {
    ASSERT_TRUE(write_generation(*disk_, generation));
    EXPECT_EQ(*read_generation(*disk_), generation);
  }
}

TEST_F(GenerationTest, any_other_text_is_damage) {
  const std::string root(64, 'a');
  for (const std::string& text :
       {std::string(), std::string("2"), std::string("0\n"), std::string("02\n"),
        std::string("2 \n"), std::string("2 opening\n"), "2 opening 8 7 " + root + "\n",
        "2 opening 7 12 " + root + "a\n", "2 opening 7 12 " + std::string(64, 'A') + "\n",
        "2 closing 7 12 " + root + "\n", "2 opening 7 12 " + root}) {
    write(text);
    const auto read = read_generation(*disk_);
    ASSERT_FALSE(read.has_value()) << text;
    EXPECT_EQ(read.error().code, Code::data_loss) << text;
  }
}

}  // namespace
}  // namespace meridian::app
