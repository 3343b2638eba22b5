// What every Disk must do, run on the kernel's and on the simulated one.
#include "io/disk.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "io/path.h"
#include "sim/disk.h"
#include "sim/random.h"

namespace meridian::io {
namespace {

class AnyDisk : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      const auto* test = testing::UnitTest::GetInstance()->current_test_info();
      root_ = testing::TempDir() + "meridian_disk_" + std::to_string(::getpid()) + "_" +
              std::to_string(test->result()->start_timestamp()) + "/nested/root";
      Result<std::unique_ptr<Disk>> disk = os_disk(root_);
      ASSERT_TRUE(disk) << disk.error().message;
      disk_ = std::move(*disk);
    } else {
      disk_ = std::make_unique<sim::Disk>();
    }
  }
  void TearDown() override {
    disk_.reset();
    if (!root_.empty()) {
      std::filesystem::remove_all(std::filesystem::path(root_).parent_path().parent_path());
    }
  }

  std::unique_ptr<File> make(std::string_view path, std::string_view content = "") {
    Result<std::unique_ptr<File>> file = disk_->open(path, OpenMode::create);
    EXPECT_TRUE(file) << file.error().message;
    EXPECT_TRUE((*file)->write_at(0, as_bytes(content)));
    return std::move(*file);
  }
  std::string text(std::string_view path) {
    Result<Buffer> content = read_file(*disk_, path, 1 << 26);
    if (!content) return "<" + content.error().message + ">";
    return std::string(as_text(*content));
  }

  std::string root_;
  std::unique_ptr<Disk> disk_;
};

template <typename T>
Code code_of(const Result<T>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? Code::unimplemented : result.error().code;
}

TEST_P(AnyDisk, paths_that_leave_the_root_are_refused) {
  const std::vector<std::string_view> paths = {"..", "../x", "a/../../x", "/etc/passwd", "a//b",
                                               "a/", ".",    "./a",       {"a\0b", 3}};
  for (std::string_view path : paths) {
    EXPECT_EQ(code_of(disk_->open(path, OpenMode::create)), Code::invalid_argument) << path;
    EXPECT_EQ(code_of(disk_->exists(path)), Code::invalid_argument) << path;
    EXPECT_EQ(code_of(disk_->list(path)), Code::invalid_argument) << path;
    EXPECT_EQ(code_of(disk_->make_directory(path)), Code::invalid_argument) << path;
    EXPECT_EQ(code_of(disk_->remove(path)), Code::invalid_argument) << path;
    EXPECT_EQ(code_of(disk_->rename("a", path)), Code::invalid_argument) << path;
    EXPECT_EQ(code_of(disk_->lock(path)), Code::invalid_argument) << path;
    EXPECT_EQ(code_of(disk_->sync_directory(path)), Code::invalid_argument) << path;
  }
  EXPECT_EQ(code_of(disk_->open(std::string(256, 'n'), OpenMode::create)), Code::invalid_argument);
  EXPECT_EQ(code_of(disk_->open("", OpenMode::read)), Code::invalid_argument);
}

TEST_P(AnyDisk, what_is_missing_is_not_found_and_named) {
  Result<std::unique_ptr<File>> file = disk_->open("ledger", OpenMode::read);
  EXPECT_EQ(code_of(file), Code::not_found);
  EXPECT_NE(file.error().message.find(disk_->display("ledger")), std::string::npos)
      << file.error().message;
  EXPECT_EQ(code_of(disk_->open("ledger", OpenMode::read_write)), Code::not_found);
  EXPECT_EQ(code_of(disk_->open("no/ledger", OpenMode::create)), Code::not_found);
  EXPECT_EQ(code_of(disk_->list("no")), Code::not_found);
  EXPECT_EQ(code_of(disk_->remove("no")), Code::not_found);
  EXPECT_EQ(code_of(disk_->rename("no", "yes")), Code::not_found);
  EXPECT_EQ(code_of(disk_->sync_directory("no")), Code::not_found);
  EXPECT_FALSE(*disk_->exists("no"));
  EXPECT_FALSE(*disk_->exists("no/where"));
}

TEST_P(AnyDisk, create_refuses_what_is_there) {
  make("wal", "first");
  EXPECT_EQ(code_of(disk_->open("wal", OpenMode::create)), Code::already_exists);
  EXPECT_EQ(text("wal"), "first");
}

TEST_P(AnyDisk, a_file_read_at_its_end_gives_fewer_bytes_and_a_gap_is_zeros) {
  std::unique_ptr<File> file = make("f", "abc");
  ASSERT_TRUE(file->write_at(6, as_bytes("xyz")));
  EXPECT_EQ(*file->size(), 9U);
  Buffer out(20, 0xEE);
  EXPECT_EQ(*file->read_at(2, out), 7U);
  EXPECT_EQ(as_text(Bytes(out).first(7)), std::string_view("c\0\0\0xyz", 7));
  EXPECT_EQ(out[7], 0xEE);
  EXPECT_EQ(*file->read_at(9, out), 0U);
  EXPECT_EQ(*file->read_at(1'000'000, out), 0U);
}

TEST_P(AnyDisk, offsets_past_the_largest_file_are_refused) {
  std::unique_ptr<File> file = make("f");
  Buffer one(1);
  std::uint64_t huge = std::uint64_t{1} << 63;
  EXPECT_EQ(code_of(file->write_at(huge, one)), Code::invalid_argument);
  EXPECT_EQ(code_of(file->write_at(~std::uint64_t{0}, one)), Code::invalid_argument);
  EXPECT_EQ(code_of(file->read_at(huge, one)), Code::invalid_argument);
  EXPECT_EQ(code_of(file->truncate(huge)), Code::invalid_argument);
  EXPECT_EQ(code_of(file->preallocate(huge)), Code::invalid_argument);
  EXPECT_EQ(*file->size(), 0U);
}

TEST_P(AnyDisk, a_file_opened_for_reading_cannot_be_written) {
  make("f", "abc");
  std::unique_ptr<File> file = std::move(*disk_->open("f", OpenMode::read));
  EXPECT_FALSE(file->write_at(0, as_bytes("x")));
  EXPECT_EQ(text("f"), "abc");
}

TEST_P(AnyDisk, preallocation_grows_with_zeros_and_never_cuts) {
  std::unique_ptr<File> file = make("f", "abc");
  ASSERT_TRUE(file->preallocate(3'000'001));
  EXPECT_EQ(*file->size(), 3'000'001U);
  ASSERT_TRUE(file->preallocate(10));
  EXPECT_EQ(text("f"), "abc" + std::string(2'999'998, '\0'));
  EXPECT_TRUE(file->sync());
}

TEST_P(AnyDisk, what_truncation_cut_does_not_come_back) {
  std::unique_ptr<File> file = make("f", "abcdef");
  ASSERT_TRUE(file->truncate(2));
  EXPECT_EQ(text("f"), "ab");
  ASSERT_TRUE(file->truncate(4));
  EXPECT_EQ(text("f"), std::string("ab\0\0", 4));
}

TEST_P(AnyDisk, directories_are_made_with_their_parents_and_listed_in_order) {
  ASSERT_TRUE(disk_->make_directory("a/b/c"));
  ASSERT_TRUE(disk_->make_directory("a/b/c"));
  make("a/z");
  make("a/M");
  EXPECT_EQ(*disk_->list("a"), (std::vector<std::string>{"M", "b", "z"}));
  EXPECT_EQ(*disk_->list("a/b/c"), std::vector<std::string>{});
  EXPECT_TRUE(disk_->sync_directory("a/b"));
  EXPECT_TRUE(disk_->sync_directory(""));
  EXPECT_TRUE(disk_->make_directory(""));
  EXPECT_FALSE(disk_->make_directory("a/z"));
  EXPECT_FALSE(disk_->make_directory("a/z/below"));
  EXPECT_FALSE(disk_->open("a", OpenMode::read));
  EXPECT_FALSE(disk_->open("a", OpenMode::read_write));
  EXPECT_FALSE(disk_->open("a/z/below", OpenMode::read));
  EXPECT_FALSE(disk_->remove("a"));
  EXPECT_TRUE(disk_->remove("a/b/c"));
  EXPECT_EQ(*disk_->list("a/b"), std::vector<std::string>{});
}

TEST_P(AnyDisk, rename_replaces_and_open_files_follow) {
  std::unique_ptr<File> file = make("new", "new");
  make("old", "old");
  ASSERT_TRUE(disk_->make_directory("d/empty"));
  ASSERT_TRUE(disk_->rename("new", "old"));
  EXPECT_FALSE(*disk_->exists("new"));
  EXPECT_EQ(text("old"), "new");
  ASSERT_TRUE(file->write_at(3, as_bytes("er")));
  EXPECT_EQ(text("old"), "newer");
  ASSERT_TRUE(disk_->rename("old", "d/moved"));
  EXPECT_EQ(text("d/moved"), "newer");
  EXPECT_TRUE(disk_->rename("d/moved", "d/moved"));
  EXPECT_FALSE(disk_->rename("d/moved", "d/empty"));
  EXPECT_FALSE(disk_->rename("d", "d/empty/d"));
  ASSERT_TRUE(disk_->rename("d", "e"));
  EXPECT_EQ(text("e/moved"), "newer");
}

TEST_P(AnyDisk, a_removed_file_stays_readable_while_it_is_open) {
  std::unique_ptr<File> file = make("f", "abc");
  ASSERT_TRUE(disk_->remove("f"));
  EXPECT_FALSE(*disk_->exists("f"));
  Buffer out(3);
  EXPECT_EQ(*file->read_at(0, out), 3U);
  EXPECT_EQ(as_text(out), "abc");
}

TEST_P(AnyDisk, a_lock_is_held_once_and_released) {
  Result<std::unique_ptr<DiskLock>> lock = disk_->lock("LOCK");
  ASSERT_TRUE(lock) << lock.error().message;
  EXPECT_EQ(code_of(disk_->lock("LOCK")), Code::failed_precondition);
  lock->reset();
  EXPECT_TRUE(disk_->lock("LOCK"));
}

TEST_P(AnyDisk, there_is_room) { EXPECT_GT(*disk_->free_bytes(), 1U << 20); }

TEST_P(AnyDisk, read_file_refuses_more_than_the_limit) {
  make("f", "abcd");
  EXPECT_EQ(code_of(read_file(*disk_, "f", 3)), Code::resource_exhausted);
  EXPECT_EQ(as_text(*read_file(*disk_, "f", 4)), "abcd");
}

TEST_P(AnyDisk, replace_file_replaces_and_clears_leftovers) {
  ASSERT_TRUE(disk_->make_directory("d"));
  make("d/f.new", "left over by a crash");
  ASSERT_TRUE(replace_file(*disk_, "d/f", as_bytes("one")));
  ASSERT_TRUE(replace_file(*disk_, "d/f", as_bytes("two")));
  EXPECT_EQ(text("d/f"), "two");
  EXPECT_EQ(*disk_->list("d"), std::vector<std::string>{"f"});
  EXPECT_EQ(code_of(replace_file(*disk_, "no/f", as_bytes("x"))), Code::not_found);
}

TEST_P(AnyDisk, random_operations_agree_with_a_map) {
  sim::Random random(7);
  std::map<std::string, Buffer> model;
  auto path = [&] { return "file" + std::to_string(random.below(6)); };
  for (int step = 0; step < 3000; ++step) {
    std::string name = path();
    auto known = model.find(name);
    switch (random.below(7)) {
      case 0:
        EXPECT_EQ(disk_->open(name, OpenMode::create).has_value(), known == model.end());
        model.try_emplace(name);
        break;
      case 1:
        if (random.below(4) != 0) break;
        EXPECT_EQ(disk_->remove(name).has_value(), known != model.end());
        model.erase(name);
        break;
      case 2: {
        std::string to = path();
        EXPECT_EQ(disk_->rename(name, to).has_value(), known != model.end());
        if (known != model.end() && name != to) {
          model[to] = known->second;
          model.erase(name);
        }
        break;
      }
      default: {
        Result<std::unique_ptr<File>> file = disk_->open(name, OpenMode::read_write);
        ASSERT_EQ(file.has_value(), known != model.end());
        if (!file) break;
        Buffer& content = known->second;
        std::uint64_t offset = random.below(20'000);
        if (random.chance(0.2)) {
          ASSERT_TRUE((*file)->truncate(offset));
          content.resize(offset);
        } else if (random.chance(0.1)) {
          ASSERT_TRUE((*file)->preallocate(offset));
          content.resize(std::max<std::size_t>(offset, content.size()));
        } else {
          Buffer bytes(random.below(9000));
          for (Byte& byte : bytes) byte = static_cast<Byte>(random.next());
          ASSERT_TRUE((*file)->write_at(offset, bytes));
          if (!bytes.empty() && content.size() < offset + bytes.size()) {
            content.resize(offset + bytes.size());
          }
          std::copy(bytes.begin(), bytes.end(),
                    content.begin() + static_cast<std::ptrdiff_t>(bytes.empty() ? 0 : offset));
        }
        if (random.chance(0.2)) {
          ASSERT_TRUE((*file)->sync());
        }
        Buffer out(30'000);
        out.resize(*(*file)->read_at(0, out));
        ASSERT_EQ(out, content) << name << " after step " << step;
      }
    }
  }
  std::vector<std::string> names;
  for (const auto& [name, content] : model) names.push_back(name);
  EXPECT_EQ(*disk_->list(""), names);
}

INSTANTIATE_TEST_SUITE_P(Disks, AnyDisk, testing::Bool(),
                         [](const auto& disk) { return disk.param ? "kernel" : "simulated"; });

TEST(OsDisk, a_symbolic_link_inside_the_root_is_not_followed) {
  std::string root = testing::TempDir() + "meridian_link_" + std::to_string(::getpid());
  std::unique_ptr<Disk> disk = std::move(*os_disk(root));
  std::filesystem::create_symlink("/etc", root + "/out");
  std::filesystem::create_symlink("/etc/passwd", root + "/file");
  EXPECT_FALSE(disk->open("out/passwd", OpenMode::read));
  EXPECT_FALSE(disk->open("file", OpenMode::read));
  EXPECT_FALSE(disk->list("out"));
  EXPECT_FALSE(disk->make_directory("out/meridian"));
  std::filesystem::remove_all(root);
}

TEST(OsDisk, a_root_that_is_a_file_or_has_no_name_is_refused) {
  std::string root = testing::TempDir() + "meridian_root_" + std::to_string(::getpid());
  std::unique_ptr<Disk> disk = std::move(*os_disk(root));
  ASSERT_TRUE(disk->open("file", OpenMode::create));
  EXPECT_FALSE(os_disk(root + "/file"));
  EXPECT_EQ(code_of(os_disk("")), Code::invalid_argument);
  std::filesystem::remove_all(root);
}

TEST(Path, the_parent_of_a_name_is_the_root) {
  EXPECT_EQ(parent_path("a"), "");
  EXPECT_EQ(parent_path("a/b/c"), "a/b");
  EXPECT_EQ(split_path("a/b/c")->size(), 3U);
  EXPECT_TRUE(split_path("")->empty());
}

}  // namespace
}  // namespace meridian::io
