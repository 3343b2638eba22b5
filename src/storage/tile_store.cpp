#include "storage/tile_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/assert.h"
#include "storage/internal/lru.h"

namespace meridian::storage {
namespace {

constexpr std::uint64_t file_hashes = 65'536;
constexpr std::size_t hash_size = sizeof(crypto::Digest);
constexpr std::size_t open_files_max = 32;
constexpr std::size_t name_digits = 8;

std::string level_path(std::uint8_t level) { return fmt::format("tiles/{}", level); }
std::string file_path(std::uint8_t level, std::uint64_t number) {
  return fmt::format("tiles/{}/{:08x}", level, number);
}

std::optional<std::uint64_t> file_number(std::string_view name) {
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number, 16);
  if (name.size() != name_digits || error != std::errc() || end != name.data() + name.size()) {
    return {};
  }
  if (fmt::format("{:08x}", number) != name) return {};
  return number;
}

/// Hashes of `level` in a tree of `record_count` leaves.
std::uint64_t count_in_tree(std::uint8_t level, std::uint64_t record_count) {
  return record_count >> (8 * level);
}

Bytes bytes_of(std::span<const crypto::Digest> hashes) {
  return {hashes.data()->data(), hashes.size_bytes()};
}

class FileTileStore final : public TileStore {
 public:
  explicit FileTileStore(io::Disk& disk) : disk_(disk) {}

  Status start(std::uint64_t record_count) {
    for (std::uint8_t level = 0; level < levels; ++level) {
      TRY(disk_.make_directory(level_path(level)));
      TRY(settle_level(level, count_in_tree(level, record_count)));
    }
    TRY(disk_.sync_directory("tiles"));
    return disk_.sync_directory("");
  }

  Status start_read_only() {
    mode_ = io::OpenMode::read;
    for (std::uint8_t level = 0; level < levels; ++level) {
      counts_[level] = TRY(count_present(level));
    }
    return {};
  }

  Status append(std::uint8_t level, std::span<const crypto::Digest> hashes) override {
    ASSERT(level < levels);
    ASSERT(mode_ == io::OpenMode::read_write);
    std::lock_guard lock(writer_);
    if (failed_) {
      return fail(Code::failed_precondition,
                  "the tile store stopped after an error; restart the process");
    }
    Status done = append_all(level, hashes);
    if (!done) failed_ = true;
    return done;
  }

  Status sync() override {
    std::vector<std::shared_ptr<io::File>> dirty;
    std::array<bool, levels> created{};
    {
      std::lock_guard lock(writer_);
      if (failed_) {
        return fail(Code::failed_precondition,
                    "the tile store stopped after an error; restart the process");
      }
      dirty.swap(dirty_);
      created = std::exchange(created_, {});
    }
    Status done = sync_files(dirty, created);
    if (!done) failed_ = true;
    return done;
  }

  std::uint64_t count(std::uint8_t level) const override {
    ASSERT(level < levels);
    return counts_[level].load(std::memory_order_acquire);
  }

  Result<std::vector<crypto::Digest>> read(std::uint8_t level, std::uint64_t first,
                                           std::size_t wanted) override {
    TRY(check_range(level, first, wanted));
    std::vector<crypto::Digest> hashes(wanted);
    for (std::size_t done = 0; done < wanted;) {
      std::uint64_t at = first + done;
      auto step = static_cast<std::size_t>(
          std::min<std::uint64_t>(wanted - done, file_hashes - at % file_hashes));
      auto file = TRY(open_file(level, at / file_hashes));
      MutableBytes out(hashes[done].data(), step * hash_size);
      if (TRY(file->read_at(at % file_hashes * hash_size, out)) != out.size()) {
        return fail(Code::data_loss, fmt::format("{} ends before hash {} of tile level {}",
                                                 disk_.display(file_path(level, at / file_hashes)),
                                                 at + step - 1, level));
      }
      done += step;
    }
    return hashes;
  }

  Status rewrite(std::uint8_t level, std::uint64_t first,
                 std::span<const crypto::Digest> hashes) override {
    ASSERT(mode_ == io::OpenMode::read_write);
    TRY(check_range(level, first, hashes.size()));
    while (!hashes.empty()) {
      auto step = static_cast<std::size_t>(
          std::min<std::uint64_t>(hashes.size(), file_hashes - first % file_hashes));
      auto file = TRY(open_or_create(level, first / file_hashes));
      TRY(file->write_at(first % file_hashes * hash_size, bytes_of(hashes.first(step))));
      TRY(file->sync());
      hashes = hashes.subspan(step);
      first += step;
    }
    return {};
  }

 private:
  Status check_range(std::uint8_t level, std::uint64_t first, std::size_t wanted) const {
    ASSERT(level < levels);
    std::uint64_t there = count(level);
    if (first <= there && wanted <= there - first) return {};
    return fail(Code::out_of_range, fmt::format("hashes {} to {} of tile level {}: there are {}",
                                                first, first + wanted, level, there));
  }

  /// A file that is gone is damage too: it comes back with zeros where nothing is rewritten.
  Result<std::shared_ptr<io::File>> open_or_create(std::uint8_t level, std::uint64_t number) {
    if (TRY(disk_.exists(file_path(level, number)))) return open_file(level, number);
    std::shared_ptr<io::File> file =
        TRY(disk_.open(file_path(level, number), io::OpenMode::create));
    TRY(disk_.sync_directory(level_path(level)));
    return file;
  }

  using FileKey = std::pair<std::uint8_t, std::uint64_t>;

  Result<std::vector<std::uint64_t>> numbers(std::uint8_t level) {
    std::vector<std::uint64_t> found;
    if (!TRY(disk_.exists(level_path(level)))) return found;
    for (const std::string& name : TRY(disk_.list(level_path(level)))) {
      if (auto number = file_number(name)) found.push_back(*number);
    }
    return found;
  }

  Result<std::uint64_t> count_present(std::uint8_t level) {
    std::uint64_t expected = 0;
    std::uint64_t count = 0;
    for (std::uint64_t number : TRY(numbers(level))) {
      if (number != expected++) break;
      auto file = TRY(open_file(level, number));
      std::uint64_t hashes = std::min(TRY(file->size()) / hash_size, file_hashes);
      count += hashes;
      if (hashes < file_hashes) break;
    }
    return count;
  }

  /// Cuts a level to `wanted` hashes.
  Status settle_level(std::uint8_t level, std::uint64_t wanted) {
    bool removed = false;
    std::uint64_t files = (wanted + file_hashes - 1) / file_hashes;
    for (std::uint64_t number : TRY(numbers(level))) {
      if (number < files) continue;
      TRY(disk_.remove(file_path(level, number)));
      removed = true;
    }
    if (removed) TRY(disk_.sync_directory(level_path(level)));
    std::uint64_t present = TRY(count_present(level));
    if (present < wanted) {
      return fail(
          Code::data_loss,
          fmt::format("hash {} of tile level {} is missing ({} were there): {}", present, level,
                      wanted, disk_.display(file_path(level, present / file_hashes))));
    }
    if (files > 0) {
      auto file = TRY(open_file(level, files - 1));
      std::uint64_t size = (wanted - (files - 1) * file_hashes) * hash_size;
      if (TRY(file->size()) != size) {
        TRY(file->truncate(size));
        TRY(file->sync());
      }
    }
    counts_[level] = wanted;
    return {};
  }

  Result<std::shared_ptr<io::File>> open_file(std::uint8_t level, std::uint64_t number) {
    FileKey key{level, number};
    if (auto open = files_.get(key)) return open;
    auto opened = disk_.open(file_path(level, number), mode_);
    if (!opened) {
      Error error = opened.error();
      if (error.code == Code::not_found) error.code = Code::data_loss;
      return error;
    }
    std::shared_ptr<io::File> file = std::move(*opened);
    files_.put(key, file);
    return file;
  }

  Status append_all(std::uint8_t level, std::span<const crypto::Digest> hashes) {
    while (!hashes.empty()) {
      std::uint64_t at = count(level);
      std::uint64_t number = at / file_hashes;
      auto step = static_cast<std::size_t>(
          std::min<std::uint64_t>(hashes.size(), file_hashes - at % file_hashes));
      std::shared_ptr<io::File>& tail = tails_[level];
      if (at % file_hashes == 0) {
        tail = TRY(disk_.open(file_path(level, number), io::OpenMode::create));
        files_.put({level, number}, tail);
        created_[level] = true;
      } else if (tail == nullptr) {
        tail = TRY(open_file(level, number));
      }
      if (std::ranges::count(dirty_, tail) == 0) dirty_.push_back(tail);
      TRY(tail->write_at(at % file_hashes * hash_size, bytes_of(hashes.first(step))));
      counts_[level].store(at + step, std::memory_order_release);
      hashes = hashes.subspan(step);
    }
    return {};
  }

  Status sync_files(const std::vector<std::shared_ptr<io::File>>& dirty,
                    const std::array<bool, levels>& created) {
    for (const auto& file : dirty) TRY(file->sync());
    for (std::uint8_t level = 0; level < levels; ++level) {
      if (created[level]) TRY(disk_.sync_directory(level_path(level)));
    }
    return {};
  }

  io::Disk& disk_;
  io::OpenMode mode_ = io::OpenMode::read_write;
  std::array<std::atomic<std::uint64_t>, levels> counts_{};
  Lru<FileKey, io::File> files_{open_files_max};

  std::mutex writer_;  // guards the rest
  std::array<std::shared_ptr<io::File>, levels> tails_;
  std::vector<std::shared_ptr<io::File>> dirty_;
  std::array<bool, levels> created_{};
  std::atomic<bool> failed_ = false;
};

}  // namespace

Result<std::unique_ptr<TileStore>> TileStore::open(io::Disk& disk, std::uint64_t record_count) {
  auto store = std::make_unique<FileTileStore>(disk);
  TRY(store->start(record_count));
  return store;
}

Result<std::unique_ptr<TileStore>> TileStore::open_read_only(io::Disk& disk) {
  auto store = std::make_unique<FileTileStore>(disk);
  TRY(store->start_read_only());
  return store;
}

}  // namespace meridian::storage
