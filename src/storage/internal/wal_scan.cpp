// One file is read in two parts: groups until the first position where none opens (read_groups),
// then every later block, for a group that does (look_behind_end). Across files:
//
//   a group after the end, contiguous  -> the end was only the end of its file
//   a group after the end, with a gap  -> damage: entries are missing, the log does not open
//   no group, block at the end zero    -> clean end
//   no group, block at the end not     -> ambiguous tail
//
// If damage is a tail, it ends the scan, and all from the position where it began is the tail.
#include "storage/internal/wal_scan.h"

#include <fmt/format.h>

#include <algorithm>

#include "storage/internal/read_window.h"

namespace meridian::storage {
namespace {

struct Group {
  FrameSealer::Frame frame;
  WalGroup decoded;  // views into frame.plain
  std::uint64_t padded_size;
};

bool all_zero(Bytes bytes) {
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

/// Size of the frame that stands at `position` by its prefix, or why there is none.
Result<std::size_t> plausible_frame(ReadWindow& window, std::uint64_t position) {
  Bytes prefix = TRY(window.at(position, frame_prefix_size));
  if (prefix.size() < frame_prefix_size) return fail(Code::data_loss, "the file ends here");
  auto plain_size = load_le<std::uint32_t>(prefix.data());
  auto tag_word = load_le<std::uint32_t>(prefix.data() + 4);
  if (tag_word != wal_tag_entries && tag_word != wal_tag_vote) {
    return fail(Code::data_loss, "no log group begins here");
  }
  if (plain_size > wal_group_plain_max || plain_size + frame_overhead > window.size() - position) {
    return fail(Code::data_loss, fmt::format("a group of {} bytes does not fit here", plain_size));
  }
  return plain_size + frame_overhead;
}

class Scanner {
 public:
  Scanner(const SealedContext& context, std::uint64_t from_index, bool damage_is_tail,
          const WalListener& listener)
      : context_(context),
        from_index_(from_index),
        damage_is_tail_(damage_is_tail),
        listener_(listener) {}

  Result<WalScan> run(const std::vector<std::uint64_t>& numbers) {
    TRY(open_files(numbers));
    for (std::size_t i = 0; i < scan_.files.size(); ++i) {
      Status read = read_file(i);
      if (!read && !is_tail(read.error())) return read.error();
      if (!read) {
        end_at_damage(i, read.error().message);
        break;
      }
    }
    if (!scan_.lost_files.empty() && !open_end_) end_before_lost_files();
    if (open_end_) {
      std::uint64_t after = scan_.has_group ? scan_.last_index : from_index_ - 1;
      scan_.tail = Wal::AmbiguousTail{after, open_end_->bytes, open_end_->why};
      scan_.tail_file = open_end_->file;
    }
    return std::move(scan_);
  }

 private:
  /// Whether the scan ends with it, and nothing else is wrong.
  bool is_tail(const Error& error) const { return damage_is_tail_ && damage_ == error.message; }

  /// All from where nothing opened, or from where file `index` was read to.
  void end_at_damage(std::size_t index, const std::string& why) {
    if (!open_end_) open_end_ = OpenEnd{index, scan_.files[index].end, 0, {}};
    open_end_->why = why;
    WalFile& file = scan_.files[open_end_->file];
    open_end_->bytes = file.size - std::min(file.size, file.end);
    file.dirty_end = file.size;
  }

  void end_before_lost_files() {
    const std::size_t last = scan_.files.empty() ? 0 : scan_.files.size() - 1;
    open_end_ = OpenEnd{last, scan_.files.empty() ? 0 : scan_.files[last].end, 0, *damage_};
  }

  Error damage(std::string message) {
    damage_ = message;
    return fail(Code::data_loss, std::move(message));
  }

  /// A position after which no group opened, so far.
  struct OpenEnd {
    std::size_t file;
    std::uint64_t position;
    std::uint64_t bytes;
    std::string why;
  };

  std::string display(std::string_view path) { return context_.disk.display(path); }

  Status open_files(const std::vector<std::uint64_t>& numbers) {
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      Status opened = open_file(numbers, i);
      if (opened) {
        if (scan_.unusable_file) break;
        continue;
      }
      if (!is_tail(opened.error())) return opened;
      scan_.lost_files.assign(numbers.begin() + static_cast<std::ptrdiff_t>(i), numbers.end());
      break;
    }
    return {};
  }

  Status open_file(const std::vector<std::uint64_t>& numbers, std::size_t i) {
    std::string path = wal_path(numbers[i]);
    if (i > 0 && numbers[i] != numbers[i - 1] + 1) {
      return damage(fmt::format(
          "the log file {} is missing, {} is there: its entries are lost; restore the file or "
          "rebuild this node from a peer or a backup",
          display(wal_path(numbers[i - 1] + 1)), display(path)));
    }
    auto file = TRY(context_.disk.open(path, io::OpenMode::read_write));
    std::uint64_t size = TRY(file->size());
    Buffer start(2 * wal_block_size);
    std::size_t count = TRY(file->read_at(0, start));
    Bytes header = Bytes(start).first(std::min(count, sealed_file_header_size));
    auto sealer = FrameSealer::open(context_, Purpose::write_ahead_log, numbers[i], header);
    if (!sealer) {
      if (sealer.error().code != Code::data_loss)
        return with_context(sealer.error(), display(path));
      bool last = i + 1 == numbers.size();
      if (last && count == start.size() && all_zero(Bytes(start).subspan(wal_block_size))) {
        scan_.unusable_file = numbers[i];  // holds no group, see publish() in wal_file.cpp
        return {};
      }
      return damage(
          fmt::format("the header of the log file {} is damaged, its entries cannot be read: {}",
                      display(path), sealer.error().message));
    }
    bytes_total_ += size;
    scan_.files.push_back(WalFile{numbers[i], std::move(file), std::move(*sealer), size});
    return {};
  }

  Status read_file(std::size_t index) {
    WalFile& file = scan_.files[index];
    ReadWindow window(*file.file, file.size, 4 << 20);
    std::string why = TRY(read_groups(index, window));
    TRY(look_behind_end(index, window, why));
    bytes_done_ += file.size;
    if (listener_.progress) listener_.progress(bytes_done_, bytes_total_);
    return {};
  }

  /// Hands out groups from the start of the file; returns why the last position opened none.
  Result<std::string> read_groups(std::size_t index, ReadWindow& window) {
    WalFile& file = scan_.files[index];
    std::uint64_t told = 0;
    while (true) {
      if (listener_.progress && file.end - told >= (4 << 20)) {
        told = file.end;
        listener_.progress(bytes_done_ + file.end, bytes_total_);
      }
      Result<Group> group = open_group(file, window, file.end);
      if (!group) {
        if (group.error().code != Code::data_loss) return group.error();
        return group.error().message;
      }
      TRY(take_group(index, *group));
    }
  }

  /// Errors: data_loss if no group opens at `position`; others stop the scan.
  Result<Group> open_group(WalFile& file, ReadWindow& window, std::uint64_t position) {
    std::size_t size = TRY(plausible_frame(window, position));
    Bytes bytes = TRY(window.at(position, size));
    Group group{TRY(file.sealer.open_frame(position, bytes)), {}, round_up_to_block(size)};
    std::string place = fmt::format("{} at byte {}", display(wal_path(file.number)), position);
    if (group.frame.tag_word != wal_tag_entries) {
      return fail(Code::unimplemented,
                  place + ": a vote of a replicated log; open it with the version that wrote it");
    }
    auto decoded = decode_wal_group(group.frame.plain);
    // It was sealed by us, so this is no damage of the disk and must not pass for an end.
    if (!decoded) return fail(Code::internal, place + ": " + decoded.error().message);
    group.decoded = std::move(*decoded);
    return group;
  }

  Status take_group(std::size_t index, const Group& group) {
    WalFile& file = scan_.files[index];
    const std::uint64_t first = group.decoded.first_index;
    if (first > (scan_.has_group ? scan_.last_index + 1 : from_index_)) {
      return missing(first, file, file.end);
    }
    // Indexes alone do not tell: the lost group may have replaced what stands before it.
    const std::uint32_t expected = wal_sequence_after(scan_.sequence);
    if (scan_.sequence != 0 && group.decoded.sequence != expected) {
      return missing_groups(group.decoded, file);
    }
    open_end_.reset();  // what follows it is contiguous, so nothing was there
    TRY(cut(first, file));
    for (const WalEntry& entry : group.decoded.entries) {
      if (entry.index < from_index_) continue;
      if (listener_.visit) TRY(listener_.visit(entry));
      visited_last_ = entry.index;
    }
    scan_.last_index = first + group.decoded.entries.size() - 1;
    if (!group.decoded.entries.empty()) {
      scan_.index.add({first, scan_.last_index, file.number, file.end, group.frame.size});
    }
    scan_.has_group = true;
    scan_.sequence = group.decoded.sequence;
    scan_.current = index;
    scan_.last_group_position = file.end;
    scan_.last_group_size = group.frame.size;
    file.last_index = scan_.last_index;
    file.end += group.padded_size;
    return {};
  }

  /// A group of `file` that begins at `first` comes next.
  Status cut(std::uint64_t first, const WalFile& file) {
    scan_.index.cut(first);
    const std::uint64_t from = std::max(first, from_index_);
    if (!listener_.visit || from > visited_last_) return {};
    if (!listener_.truncated) {
      return fail(Code::failed_precondition,
                  fmt::format("{} at byte {} drops the entries from {} on, which only a replica of "
                              "several does: start this node as the one that wrote the log",
                              display(wal_path(file.number)), file.end, from));
    }
    visited_last_ = from - 1;
    return listener_.truncated(from);
  }

  Error missing_groups(const WalGroup& found, const WalFile& file) {
    return damage(
        fmt::format("the log is damaged, groups are lost: {} at byte {} holds group {} (from "
                    "entry {} on), the one that opens before it is group {}; repair from a "
                    "peer or a backup",
                    display(wal_path(file.number)), file.end, found.sequence, found.first_index,
                    scan_.sequence));
  }

  Error missing(std::uint64_t found, const WalFile& file, std::uint64_t position) {
    std::string where = fmt::format("the next that opens is {}, in {} at byte {}", found,
                                    display(wal_path(file.number)), position);
    if (open_end_) {
      where = fmt::format("{} at byte {} does not open ({}), {}",
                          display(wal_path(scan_.files[open_end_->file].number)),
                          open_end_->position, open_end_->why, where);
    }
    std::uint64_t first = scan_.has_group ? scan_.last_index + 1 : from_index_;
    std::string what = found > first ? fmt::format("entries {} to {}", first, found - 1)
                                     : fmt::format("entries from {} on", first);
    return damage(fmt::format("the log is damaged, {} are lost: {}; repair from a peer or a backup",
                              what, where));
  }

  Status look_behind_end(std::size_t index, ReadWindow& window, const std::string& why) {
    WalFile& file = scan_.files[index];
    std::uint64_t end = file.end;
    Bytes at_end = TRY(window.at(end, wal_block_size));
    bool clean = all_zero(at_end);
    OpenEnd here{index, end, clean ? 0 : wal_block_size, why};
    if (!clean) {
      Result<std::size_t> size = plausible_frame(window, end);
      if (size) here.bytes = round_up_to_block(*size);
      here.bytes = std::min(here.bytes, file.size - end);
    }
    for (std::uint64_t at = end; at < file.size; at += wal_block_size) {
      Bytes block = TRY(window.at(at, wal_block_size));
      if (!all_zero(block)) file.dirty_end = at + wal_block_size;
      if (at == end) continue;
      Result<Group> later = open_group(file, window, at);
      if (!later) {
        if (later.error().code != Code::data_loss) return later.error();
        continue;
      }
      if (!open_end_) open_end_ = here;
      return missing(later->decoded.first_index, file, at);
    }
    // A clean end in the last used file is the end of the log; one in a file before a used one was
    // its end. Either way a later file that is not clean at its start begins the tail.
    if (!clean && !open_end_) open_end_ = here;
    return {};
  }

  const SealedContext& context_;
  std::uint64_t from_index_;
  const bool damage_is_tail_;
  const WalListener& listener_;
  WalScan scan_;
  std::uint64_t visited_last_ = 0;  // of what was handed out and not truncated since
  std::optional<OpenEnd> open_end_;
  std::optional<std::string> damage_;  // the newest that was found
  std::uint64_t bytes_done_ = 0;
  std::uint64_t bytes_total_ = 0;
};

}  // namespace

Result<WalScan> scan_wal(const SealedContext& context, const std::vector<std::uint64_t>& numbers,
                         std::uint64_t from_index, bool damage_is_tail,
                         const WalListener& listener) {
  return Scanner(context, from_index, damage_is_tail, listener).run(numbers);
}

}  // namespace meridian::storage
