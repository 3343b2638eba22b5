// What the simulated disk does that a healthy one does not; src/io/disk_test.cpp has the rest.
#include "sim/disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "sim/random.h"

namespace meridian::sim {
namespace {

using io::OpenMode;

constexpr std::size_t sector = 512;

std::unique_ptr<io::File> create(io::Disk& disk, std::string_view path) {
  Result<std::unique_ptr<io::File>> file = disk.open(path, OpenMode::create);
  EXPECT_TRUE(file) << file.error().message;
  return std::move(*file);
}

/// Content of `path`, or "<missing>".
std::string text(io::Disk& disk, std::string_view path) {
  Result<Buffer> content = io::read_file(disk, path, 1 << 24);
  return content ? std::string(as_text(*content)) : "<missing>";
}

std::string sectors_of(std::string_view letters) {
  std::string out;
  for (char letter : letters) out.append(sector, letter);
  return out;
}

/// One letter per sector: '.' for zeros, '?' for a mixed one, which must never be.
std::string letters_of(std::string_view content) {
  std::string out;
  for (std::size_t at = 0; at < content.size(); at += sector) {
    std::string_view part = content.substr(at, sector);
    bool pure = part.find_first_not_of(part[0]) == std::string_view::npos;
    out += !pure ? '?' : part[0] == '\0' ? '.' : part[0];
  }
  return out;
}

/// A disk with a durable file "f" of the given sectors.
std::unique_ptr<Disk> disk_with(std::string_view letters, std::uint64_t seed = 1) {
  auto disk = std::make_unique<Disk>(DiskOptions{.seed = seed});
  std::unique_ptr<io::File> file = create(*disk, "f");
  EXPECT_TRUE(file->write_at(0, as_bytes(sectors_of(letters))));
  EXPECT_TRUE(file->sync());
  EXPECT_TRUE(disk->sync_directory(""));
  return disk;
}

std::unique_ptr<io::File> reopen(io::Disk& disk, std::string_view path = "f") {
  return std::move(*disk.open(path, OpenMode::read_write));
}

TEST(SimDisk, after_a_crash_the_old_disk_answers_nothing) {
  std::unique_ptr<Disk> disk = disk_with("a");
  std::unique_ptr<io::File> file = reopen(*disk);
  std::unique_ptr<io::DiskLock> lock = std::move(*disk->lock("LOCK"));
  std::unique_ptr<Disk> next = disk->crash(1);
  Buffer out(1);
  EXPECT_NE(file->write_at(0, out).error().message.find("simulated power loss"), std::string::npos);
  EXPECT_FALSE(file->read_at(0, out));
  EXPECT_FALSE(file->sync());
  EXPECT_FALSE(disk->open("f", OpenMode::read));
  EXPECT_TRUE(disk->has_crashed());
  EXPECT_FALSE(next->has_crashed());
  EXPECT_TRUE(next->lock("LOCK"));
  EXPECT_EQ(text(*next, "f"), sectors_of("a"));
}

TEST(SimDisk, unsynced_overwrites_are_kept_lost_torn_and_reordered) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    std::unique_ptr<Disk> disk = disk_with("aaaa");
    std::unique_ptr<io::File> file = reopen(*disk);
    ASSERT_TRUE(file->write_at(0, as_bytes(sectors_of("bb"))));
    ASSERT_TRUE(file->write_at(2 * sector, as_bytes(sectors_of("cc"))));
    seen.insert(letters_of(text(*disk->crash(seed), "f")));
  }
  EXPECT_TRUE(seen.contains("bbcc")) << "all kept";
  EXPECT_TRUE(seen.contains("aaaa")) << "all lost";
  EXPECT_TRUE(seen.contains("bbca")) << "the last write torn";
  EXPECT_TRUE(seen.contains("aacc")) << "reordered";
  EXPECT_TRUE(seen.contains("abac")) << "sectors on their own";
  for (const std::string& letters : seen) {
    ASSERT_EQ(letters.size(), 4U);
    EXPECT_TRUE(letters.find_first_not_of("ab") >= 2 && letters.find('?') == std::string::npos)
        << letters;
  }
}

TEST(SimDisk, unsynced_appends_may_lose_the_size_or_leave_zeros) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    std::unique_ptr<Disk> disk = disk_with("a");
    std::unique_ptr<io::File> file = reopen(*disk);
    ASSERT_TRUE(file->write_at(sector, as_bytes(sectors_of("bb"))));
    seen.insert(letters_of(text(*disk->crash(seed), "f")));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"a", "a..", "ab.", "a.b", "abb"}));
}

TEST(SimDisk, a_truncation_survives_or_not_and_new_data_never_lies_in_old_blocks) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    std::unique_ptr<Disk> disk = disk_with("aaa");
    std::unique_ptr<io::File> file = reopen(*disk);
    ASSERT_TRUE(file->truncate(sector));
    ASSERT_TRUE(file->write_at(sector, as_bytes(sectors_of("b"))));
    seen.insert(letters_of(text(*disk->crash(seed), "f")));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"aaa", "a", "a.", "ab"}));
}

TEST(SimDisk, a_lone_name_change_survives_or_not) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    std::unique_ptr<Disk> disk = disk_with("a");
    ASSERT_TRUE(create(*disk, "g")->sync());
    ASSERT_TRUE(disk->remove("f"));
    std::unique_ptr<Disk> next = disk->crash(seed);
    seen.insert((*next->exists("f") ? "f" : "") + std::string(*next->exists("g") ? "g" : ""));
    if (*next->exists("f")) {
      EXPECT_EQ(text(*next, "f"), sectors_of("a"));
    }
  }
  EXPECT_EQ(seen, (std::set<std::string>{"", "f", "g", "fg"}));
}

TEST(SimDisk, rename_is_atomic_and_replace_file_leaves_old_or_new) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    for (std::uint64_t step = 1; step <= 5; ++step) {
      std::unique_ptr<Disk> disk = disk_with("a", seed);
      disk->crash_at_mutation(disk->mutation_count() + step);
      Status replaced = io::replace_file(*disk, "f", as_bytes(sectors_of("b")));
      ASSERT_FALSE(replaced);
      EXPECT_NE(replaced.error().message.find("simulated power loss"), std::string::npos);
      std::unique_ptr<Disk> next = disk->crash(seed);
      std::string letters = letters_of(text(*next, "f"));
      ASSERT_TRUE(letters == "a" || letters == "b") << letters << " at step " << step;
      seen.insert(std::to_string(step) + letters);
      ASSERT_TRUE(io::replace_file(*next, "f", as_bytes(sectors_of("c"))));
      EXPECT_EQ(letters_of(text(*next->crash(seed), "f")), "c");
    }
  }
  // Neither before the rename nor after the directory's sync is there a choice.
  EXPECT_EQ(seen, (std::set<std::string>{"1a", "2a", "3a", "4a", "4b", "5a", "5b"}));
}

TEST(SimDisk, a_rename_never_leaves_both_names_or_none) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    std::unique_ptr<Disk> disk = disk_with("a");
    ASSERT_TRUE(disk->make_directory("d"));
    ASSERT_TRUE(disk->sync_directory(""));
    ASSERT_TRUE(disk->rename("f", "g"));
    ASSERT_TRUE(disk->rename("g", "d/h"));
    std::unique_ptr<Disk> next = disk->crash(seed);
    int names = *next->exists("f") + *next->exists("g") + *next->exists("d/h");
    ASSERT_EQ(names, 1) << "seed " << seed;
  }
}

TEST(SimDisk, a_file_needs_the_names_above_it) {
  std::set<bool> seen;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Disk disk;
    ASSERT_TRUE(disk.make_directory("a/b"));
    std::unique_ptr<io::File> file = create(disk, "a/b/f");
    ASSERT_TRUE(file->sync());
    ASSERT_TRUE(disk.sync_directory("a/b"));
    ASSERT_TRUE(disk.sync_directory("a"));
    seen.insert(*disk.crash(seed)->exists("a/b/f"));
    if (seed % 2 == 0) continue;
    Disk careful;
    ASSERT_TRUE(careful.make_directory("a/b"));
    ASSERT_TRUE(create(careful, "a/b/f")->sync());
    for (std::string_view path : {"a/b", "a", ""}) ASSERT_TRUE(careful.sync_directory(path));
    ASSERT_TRUE(*careful.crash(seed)->exists("a/b/f"));
  }
  EXPECT_EQ(seen, (std::set<bool>{false, true}));
}

TEST(SimDisk, removing_a_directory_keeps_what_moved_out_of_it) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Disk disk;
    ASSERT_TRUE(disk.make_directory("d"));
    ASSERT_TRUE(create(disk, "d/f")->sync());
    ASSERT_TRUE(disk.sync_directory("d"));
    ASSERT_TRUE(disk.sync_directory(""));
    ASSERT_TRUE(disk.rename("d/f", "f"));
    ASSERT_TRUE(disk.remove("d"));
    std::unique_ptr<Disk> next = disk.crash(seed);
    ASSERT_NE(*next->exists("f"), *next->exists("d/f")) << "seed " << seed;
  }
}

/// Random writes and syncs, then a crash: every byte is the synced one or one written since.
TEST(SimDisk, synced_data_is_never_lost_and_nothing_is_invented) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    std::unique_ptr<Disk> disk = disk_with("");
    for (int life = 0; life < 3; ++life) {
      std::unique_ptr<io::File> file = reopen(*disk);
      Buffer start(*file->size());
      ASSERT_TRUE(file->read_at(0, start));
      std::vector<std::set<int>> allowed;  // per byte; -1: past the end
      for (Byte byte : start) allowed.push_back({byte});
      Buffer now = start;
      for (int step = 0; step < 12; ++step) {
        if (random.chance(0.25)) {
          ASSERT_TRUE(file->sync());
          allowed.clear();
          for (Byte byte : now) allowed.push_back({byte});
          continue;
        }
        std::uint64_t offset = random.below(6000);
        Buffer bytes(1 + random.below(3000), static_cast<Byte>(1 + random.below(255)));
        ASSERT_TRUE(file->write_at(offset, bytes));
        now.resize(std::max<std::size_t>(now.size(), offset + bytes.size()));
        while (allowed.size() < now.size()) allowed.push_back({-1, 0});
        for (std::size_t i = 0; i < bytes.size(); ++i) {
          now[offset + i] = bytes[i];
          allowed[offset + i].insert(bytes[i]);
        }
      }
      disk = disk->crash(seed + static_cast<std::uint64_t>(life));
      Buffer after = *io::read_file(*disk, "f", 1 << 20);
      ASSERT_LE(after.size(), allowed.size());
      for (std::size_t i = 0; i < allowed.size(); ++i) {
        int found = i < after.size() ? after[i] : -1;
        ASSERT_TRUE(allowed[i].contains(found)) << "seed " << seed << " byte " << i;
      }
    }
  }
}

TEST(SimDisk, a_failed_sync_may_lose_writes_that_a_second_sync_does_not_save) {
  int lost = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Disk disk({.seed = seed});
    std::unique_ptr<io::File> file = create(disk, "f");
    ASSERT_TRUE(disk.sync_directory(""));
    ASSERT_TRUE(file->write_at(0, as_bytes(sectors_of("a"))));
    disk.fail_next(DiskOperation::sync);
    ASSERT_FALSE(file->sync());
    EXPECT_EQ(letters_of(text(disk, "f")), "a") << "still readable";
    ASSERT_TRUE(file->sync());
    if (letters_of(text(*disk.crash(seed), "f")) != "a") ++lost;
  }
  EXPECT_GT(lost, 0);
  EXPECT_LT(lost, 60);
}

TEST(SimDisk, a_killed_process_leaves_the_page_cache) {
  std::unique_ptr<Disk> disk = disk_with("a");
  ASSERT_TRUE(create(*disk, "g")->write_at(0, as_bytes("unsynced")));
  std::unique_ptr<Disk> next = disk->kill_process();
  EXPECT_FALSE(disk->exists("g"));
  EXPECT_EQ(text(*next, "g"), "unsynced");
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    std::unique_ptr<Disk> fork = next->kill_process();
    seen.insert(text(*fork->crash(seed), "g"));
    next = fork->kill_process();
  }
  EXPECT_TRUE(seen.contains("<missing>")) << "and it is still volatile";
}

TEST(SimDisk, a_full_disk_takes_a_prefix_and_says_so) {
  Disk disk({.capacity = 1000});
  std::unique_ptr<io::File> file = create(disk, "f");
  ASSERT_TRUE(file->write_at(0, Buffer(600, 1)));
  EXPECT_EQ(*disk.free_bytes(), 400U);
  EXPECT_EQ(file->write_at(600, Buffer(600, 2)).error().code, Code::resource_exhausted);
  EXPECT_EQ(*file->size(), 1000U);
  EXPECT_TRUE(file->write_at(0, Buffer(1000, 3))) << "overwriting needs no room";
  EXPECT_EQ(file->preallocate(2000).error().code, Code::resource_exhausted);
  ASSERT_TRUE(disk.remove("f"));
  EXPECT_EQ(*disk.free_bytes(), 1000U);
}

TEST(SimDisk, faults_come_as_often_as_their_probability_says) {
  Disk disk({.seed = 3, .faults = {.read_error = 0.1, .write_error = 0.5, .sync_error = 0.2}});
  std::unique_ptr<io::File> file = create(disk, "f");
  int failed_reads = 0, failed_writes = 0, failed_syncs = 0;
  Buffer block(sector);
  for (int i = 0; i < 1000; ++i) {
    failed_writes += !file->write_at(0, block);
    failed_reads += !file->read_at(0, block);
    failed_syncs += !file->sync();
  }
  EXPECT_NEAR(failed_reads, 100, 40);
  EXPECT_NEAR(failed_writes, 500, 70);
  EXPECT_NEAR(failed_syncs, 200, 60);
  EXPECT_EQ(disk.count(DiskOperation::write), 1000U);
}

TEST(SimDisk, a_flipped_bit_stays_and_a_misread_one_does_not) {
  std::unique_ptr<Disk> disk = disk_with("a");
  std::string right = text(*disk, "f");
  disk->set_faults({.read_bit_flip = 1.0});
  EXPECT_NE(text(*disk, "f"), right);
  disk->set_faults({});
  EXPECT_EQ(text(*disk, "f"), right);
  ASSERT_TRUE(disk->flip_bit("f", 100, 1));
  right[100] = 'a' ^ 2;
  EXPECT_EQ(text(*disk, "f"), right);
  EXPECT_EQ(text(*disk->crash(1), "f"), right);
  Disk empty;
  EXPECT_EQ(empty.flip_bit("f", 0).error().code, Code::not_found);
  create(empty, "f");
  EXPECT_EQ(empty.flip_bit("f", 0).error().code, Code::out_of_range);
}

TEST(SimDisk, a_failure_asked_for_happens_once) {
  std::unique_ptr<Disk> disk = disk_with("a");
  disk->fail_next(DiskOperation::rename, Code::resource_exhausted);
  EXPECT_EQ(disk->rename("f", "g").error().code, Code::resource_exhausted);
  EXPECT_TRUE(disk->rename("f", "g"));
}

TEST(SimDisk, equal_seeds_give_equal_disks) {
  auto run = [](std::uint64_t seed) {
    Disk disk({.seed = seed, .faults = {.write_error = 0.2, .sync_error = 0.1}});
    Random random(seed);
    std::string trace;
    for (int i = 0; i < 200; ++i) {
      std::string name = "f" + std::to_string(random.below(5));
      Result<std::unique_ptr<io::File>> file = disk.open(name, OpenMode::create);
      if (!file) file = disk.open(name, OpenMode::read_write);
      Buffer bytes(random.below(4000), static_cast<Byte>(random.next()));
      trace += (*file)->write_at(random.below(4000), bytes) ? 'w' : '-';
      if (random.chance(0.3)) trace += (*file)->sync() ? 's' : '!';
      if (random.chance(0.1)) trace += disk.sync_directory("") ? 'd' : '?';
    }
    std::unique_ptr<Disk> next = disk.crash(seed);
    for (int i = 0; i < 5; ++i) trace += text(*next, "f" + std::to_string(i));
    return trace;
  };
  EXPECT_EQ(run(5), run(5));
  EXPECT_NE(run(5), run(6));
}

}  // namespace
}  // namespace meridian::sim
