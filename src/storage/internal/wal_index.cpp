#include "storage/internal/wal_index.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"

namespace meridian::storage {
namespace {

struct OpenGroup {
  FrameSealer::Frame frame;
  WalGroup group;  // views into frame.plain
};

Result<OpenGroup> open_group(WalFile& file, const WalGroupPlace& place) {
  Buffer bytes(place.size);
  if (TRY(file.file->read_at(place.position, bytes)) != bytes.size()) {
    return fail(Code::data_loss, "the file is cut short");
  }
  OpenGroup opened{TRY(file.sealer.open_frame(place.position, bytes)), {}};
  opened.group = TRY(decode_wal_group(opened.frame.plain));
  const bool is_it = opened.frame.tag_word == wal_tag_entries &&
                     opened.group.first_index == place.first_index &&
                     opened.group.entries.size() > place.last_index - place.first_index;
  if (!is_it) return fail(Code::data_loss, "another group stands there");
  return opened;
}

Error cannot_open(const SealedContext& context, const WalGroupPlace& place, const Error& error) {
  if (error.code != Code::data_loss) {
    return with_context(error, context.disk.display(wal_path(place.file_number)));
  }
  return fail(Code::data_loss,
              fmt::format("entries {} to {} of the log do not open any more: {} at byte {} was "
                          "damaged since it was written ({}); repair from a peer or a backup",
                          place.first_index, place.last_index,
                          context.disk.display(wal_path(place.file_number)), place.position,
                          error.message));
}

}  // namespace

void WalIndex::cut(std::uint64_t index) {
  while (!groups_.empty() && groups_.back().first_index >= index) groups_.pop_back();
  if (!groups_.empty()) groups_.back().last_index = std::min(groups_.back().last_index, index - 1);
}

void WalIndex::add(const WalGroupPlace& group) {
  cut(group.first_index);
  ASSERT(groups_.empty() || groups_.back().last_index + 1 == group.first_index);
  groups_.push_back(group);
}

void WalIndex::drop_file(std::uint64_t number) {
  while (!groups_.empty() && groups_.front().file_number == number) groups_.pop_front();
}

std::deque<WalGroupPlace>::const_iterator WalIndex::find(std::uint64_t index) const {
  ASSERT(index >= first_index());
  ASSERT(index <= last_index());
  const auto after = std::upper_bound(
      groups_.begin(), groups_.end(), index,
      [](std::uint64_t value, const WalGroupPlace& group) { return value < group.first_index; });
  return after - 1;
}

Result<std::uint64_t> read_entries(const SealedContext& context, const WalIndex& index,
                                   std::deque<WalFile>& files, std::uint64_t last_index,
                                   std::uint64_t first, std::uint64_t bytes_max,
                                   const Wal::Visit& visit) {
  if (first == last_index + 1) return first;
  if (index.empty() || first < index.first_index() || first > last_index) {
    return fail(Code::out_of_range,
                fmt::format("entry {} is not in the log, which holds {} entries, from {} on", first,
                            index.empty() ? 0 : last_index - index.first_index() + 1,
                            index.empty() ? last_index + 1 : index.first_index()));
  }
  std::uint64_t next = first;
  std::uint64_t bytes = 0;
  for (auto place = index.find(first); place != index.end(); ++place) {
    WalFile& file = files.at(static_cast<std::size_t>(place->file_number - files.front().number));
    const Result<OpenGroup> opened = open_group(file, *place);
    if (!opened) return cannot_open(context, *place, opened.error());
    for (const WalEntry& entry : opened->group.entries) {
      if (entry.index < next) continue;
      if (entry.index > place->last_index) break;
      bytes += entry.head.size() + entry.bytes.size();
      if (next > first && bytes > bytes_max) return next;
      TRY(visit(entry));
      next = entry.index + 1;
    }
  }
  ASSERT(next == last_index + 1);
  return next;
}

}  // namespace meridian::storage
