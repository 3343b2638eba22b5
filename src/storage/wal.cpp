// states of the log:
//   open -> tail set --drop_tail--> ready
//   open -> ready --append or truncate_from fails--> failed (for good)
#include "storage/wal.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "base/assert.h"
#include "storage/internal/file_names.h"
#include "storage/internal/wal_file.h"
#include "storage/internal/wal_index.h"
#include "storage/internal/wal_scan.h"

namespace meridian::storage {
namespace {

constexpr std::uint64_t file_size_min = 4 * wal_block_size;

class FileWal final : public Wal {
 public:
  FileWal(const SealedContext& context, const WalOptions& options)
      : context_(context),
        supply_(context, options.file_size),
        damage_is_tail_(options.damage_is_tail) {}

  Status start(std::uint64_t from_index, const WalListener& listener) {
    TRY(context_.disk.make_directory(wal_directory));
    TRY(context_.disk.sync_directory(""));
    std::vector<std::string> names = TRY(context_.disk.list(wal_directory));
    TRY(supply_.adopt(names));
    std::vector<std::uint64_t> numbers;
    for (const std::string& name : names) {
      if (auto number = number_of(name, ".wal")) numbers.push_back(*number);
      number_seen_ = std::max({number_seen_, number_of(name, ".wal").value_or(0),
                               number_of(name, ".spare").value_or(0)});
    }
    WalScan scan = TRY(scan_wal(context_, numbers, from_index, damage_is_tail_, listener));
    if (scan.unusable_file) TRY(context_.disk.remove(wal_path(*scan.unusable_file)));
    if (scan.has_group) TRY(settle(scan));
    TRY(context_.disk.sync_directory(wal_directory));
    files_ = std::move(scan.files);
    index_ = std::move(scan.index);
    current_ = scan.current;
    tail_ = std::move(scan.tail);
    tail_file_ = scan.tail_file;
    lost_files_ = std::move(scan.lost_files);
    last_index_ = scan.last_index;
    sequence_ = scan.sequence;
    if (last_index_ + 1 < from_index) {
      all_released_ = true;
      last_index_ = from_index - 1;
      index_.clear();
      if (!tail_) TRY(release_all());
    }
    return {};
  }

  const std::optional<AmbiguousTail>& ambiguous_tail() const override { return tail_; }
  std::uint64_t first_index() const override { return index_.first_index(); }
  std::uint64_t last_index() const override { return last_index_; }
  std::uint64_t file_count() const override { return files_.size(); }

  Status drop_tail() override {
    if (!tail_) return {};
    Status dropped = overwrite_tail();
    if (!dropped) {
      failed_ = true;
      return dropped;
    }
    tail_.reset();
    return {};
  }

  Status append(std::span<const WalEntry> entries) override {
    TRY(check_usable());
    if (entries.empty()) return {};
    check(entries);
    while (!entries.empty()) {
      bool wrote = false;
      const std::size_t count = wal_group_extent(entries);
      encode_wal_group(wal_sequence_after(sequence_), entries.first(count), plain_);
      TRY(note_failure(write_group(entries.front().index, count, wrote), wrote));
      entries = entries.subspan(count);
    }
    return prepare_ahead();
  }

  Status truncate_from(std::uint64_t index) override {
    TRY(check_usable());
    ASSERT(index >= next_index_min());
    if (index > last_index_) return {};
    encode_wal_truncation(wal_sequence_after(sequence_), index, plain_);
    bool wrote = false;
    TRY(note_failure(write_group(index, 0, wrote), wrote));
    return prepare_ahead();
  }

  Status release_before(std::uint64_t index) override {
    while (current_ > 0 && files_.front().last_index < index) TRY(retire_oldest());
    return {};
  }

  Result<std::uint64_t> read(std::uint64_t first, std::uint64_t bytes_max,
                             const Visit& visit) override {
    return read_entries(context_, index_, files_, last_index_, first, bytes_max, visit);
  }

 private:
  /// Makes what was read durable. Only the last group can be in doubt: whoever wrote it may have
  /// died before its sync, or on a failed sync, after which the kernel shows pages as clean that
  /// the disk does not have. So it is written again, which changes nothing if it is there.
  Status settle(WalScan& scan) {
    WalFile& file = scan.files[scan.current];
    Buffer bytes(scan.last_group_size);
    std::size_t count = TRY(file.file->read_at(scan.last_group_position, bytes));
    ASSERT(count == bytes.size());
    TRY(file.file->write_at(scan.last_group_position, bytes));
    return file.file->sync();
  }

  Status retire_oldest() {
    std::uint64_t number = files_.front().number;
    number_seen_ = std::max(number_seen_, number);
    files_.pop_front();
    if (current_ > 0) --current_;
    index_.drop_file(number);
    return supply_.retire(number);
  }

  /// Nothing in the log is of use: what follows starts in a file of its own, so that no gap shows.
  Status release_all() {
    all_released_ = false;
    while (!files_.empty() && files_.front().is_used()) TRY(retire_oldest());
    return {};
  }

  Status check_usable() const {
    ASSERT(!tail_.has_value());
    if (!failed_) return {};
    return fail(Code::failed_precondition,
                "the write-ahead log stopped after an error; restart the process");
  }

  /// A full disk that was met before anything was written leaves the log usable, and no other error
  /// may look like that.
  Status note_failure(Status done, bool wrote) {
    if (done) return done;
    failed_ = wrote || done.error().code != Code::resource_exhausted;
    if (!failed_ || done.error().code != Code::resource_exhausted) return done;
    return fail(Code::internal, done.error().message);
  }

  std::uint64_t next_index_min() const {
    return index_.empty() ? last_index_ + 1 : index_.first_index();
  }

  void check(std::span<const WalEntry> entries) const {
    std::uint64_t next = entries.front().index;
    ASSERT(next <= last_index_ + 1);
    ASSERT(next >= next_index_min());
    for (const WalEntry& entry : entries) {
      ASSERT(entry.index == next);
      ASSERT(entry.bytes.size() <= wal_entry_size_max);
      ASSERT(entry.head.size() <= wal_entry_head_size_max);
      ++next;
    }
  }

  /// The group in `plain_`, of `count` entries from `first` on; without any it truncates there.
  Status write_group(std::uint64_t first, std::size_t count, bool& wrote) {
    std::uint64_t padded = round_up_to_block(plain_.size() + frame_overhead);
    WalFile& file = *TRY(file_with_room(padded));
    sealed_.clear();
    file.sealer.seal(file.end, wal_tag_entries, plain_, sealed_);
    const std::size_t size = sealed_.size();
    ASSERT(round_up_to_block(size) == padded);
    // In a file that held something else before, a zero block after the group marks the end.
    bool mark_end = file.end + padded < file.dirty_end;
    sealed_.resize(padded + (mark_end ? wal_block_size : 0));
    wrote = true;
    TRY(file.file->write_at(file.end, sealed_));
    TRY(file.file->sync());
    sequence_ = wal_sequence_after(sequence_);
    last_index_ = first + count - 1;
    if (count > 0) {
      index_.add({first, last_index_, file.number, file.end, size});
    } else {
      index_.cut(first);
    }
    file.end += padded;
    file.size = std::max(file.size, file.end);
    file.last_index = last_index_;
    return {};
  }

  Result<WalFile*> file_with_room(std::uint64_t size) {
    if (!files_.empty()) {
      WalFile& file = files_[current_];
      // A group larger than a whole file makes an unused one grow.
      if (!file.is_used() || file.end + size <= file.size) return &file;
      if (current_ + 1 < files_.size()) return &files_[++current_];
    }
    files_.push_back(TRY(supply_.take(number_next())));
    current_ = files_.size() - 1;
    return &files_[current_];
  }

  /// Dense as long as there are files; never one that a spare still bears.
  std::uint64_t number_next() const {
    return (files_.empty() ? number_seen_ : files_.back().number) + 1;
  }

  /// Has the next file ready before this one is full: from half on, each append prepares four times
  /// what it wrote.
  Status prepare_ahead() {
    const WalFile& file = files_[current_];
    if (current_ + 1 < files_.size() || file.end < file.size / 2) return {};
    Status done =
        supply_.prepare_some(number_next(), std::max<std::uint64_t>(4 * sealed_.size(), 1 << 20));
    if (!done) failed_ = true;
    return done;
  }

  Status overwrite_tail() {
    for (; !lost_files_.empty(); lost_files_.pop_back()) TRY(remove_file(lost_files_.back()));
    if (files_.empty()) return {};
    WalFile& file = files_[tail_file_];
    const Buffer zeros(1 << 20);
    // The first block last: until all behind it is zero, the tail stays what it was.
    std::uint64_t second = file.end + wal_block_size;
    for (std::uint64_t at = second; at < file.dirty_end;) {
      auto step =
          static_cast<std::size_t>(std::min<std::uint64_t>(zeros.size(), file.dirty_end - at));
      TRY(file.file->write_at(at, Bytes(zeros).first(step)));
      at += step;
    }
    TRY(file.file->sync());
    auto first = static_cast<std::size_t>(
        std::min<std::uint64_t>(wal_block_size, std::max(file.size, file.end) - file.end));
    TRY(file.file->write_at(file.end, Bytes(zeros).first(first)));
    TRY(file.file->sync());
    file.dirty_end = std::min(file.dirty_end, file.end);
    while (files_.size() > tail_file_ + 1) {  // newest first: a missing number would be damage
      TRY(remove_file(files_.back().number));
      files_.pop_back();
    }
    return all_released_ ? release_all() : Status{};
  }

  Status remove_file(std::uint64_t number) {
    number_seen_ = std::max(number_seen_, number);
    TRY(context_.disk.remove(wal_path(number)));
    return context_.disk.sync_directory(wal_directory);
  }

  SealedContext context_;
  WalSupply supply_;
  const bool damage_is_tail_;
  std::deque<WalFile> files_;  // used ones, then prepared ones
  std::size_t current_ = 0;    // of files_, if there are any
  std::uint64_t number_seen_ = 0;
  WalIndex index_;
  std::uint64_t last_index_ = 0;
  std::uint32_t sequence_ = 0;  // of the last group
  std::optional<AmbiguousTail> tail_;
  std::size_t tail_file_ = 0;
  std::vector<std::uint64_t> lost_files_;  // of the tail, and not in files_
  bool all_released_ = false;              // but not done yet, as the tail is still there
  bool failed_ = false;
  Buffer plain_;  // reused by every append
  Buffer sealed_;
};

}  // namespace

Result<std::unique_ptr<Wal>> Wal::open(const SealedContext& context, const WalOptions& options,
                                       std::uint64_t from_index, const Visit& visit,
                                       const Progress& progress, const Truncated& truncated) {
  ASSERT(options.file_size >= file_size_min);
  ASSERT(options.file_size % wal_block_size == 0);
  ASSERT(from_index >= 1);
  ASSERT(visit != nullptr);
  auto wal = std::make_unique<FileWal>(context, options);
  TRY(wal->start(from_index, {visit, progress, truncated}));
  return wal;
}

Result<std::optional<Wal::AmbiguousTail>> Wal::read_only(const SealedContext& context,
                                                         std::uint64_t from_index,
                                                         const Visit& visit,
                                                         const Progress& progress) {
  std::vector<std::uint64_t> numbers;
  if (TRY(context.disk.exists(wal_directory))) {
    const std::vector<std::string> names = TRY(context.disk.list(wal_directory));
    for (const std::string& name : names)
      if (const auto number = number_of(name, ".wal")) numbers.push_back(*number);
  }
  // What a later group replaces is known only at the end.
  WalScan scan = TRY(scan_wal(context, numbers, from_index, false, {{}, progress, {}}));
  if (scan.last_index >= from_index) {
    TRY(read_entries(context, scan.index, scan.files, scan.last_index, from_index, UINT64_MAX,
                     visit));
  }
  return std::move(scan.tail);
}

}  // namespace meridian::storage
