#include "storage/in_doubt_mark.h"

#include <fmt/format.h>

namespace meridian::storage {
namespace {

constexpr SlotFormat format{
    "MRDNDOUB", 16,
    "without it this replica cannot know whether it forgot what it acknowledged; never restore an "
    "old one: give this node an empty data directory and a new replica id, and let it join as a "
    "learner"};

}  // namespace

Result<InDoubtMark> InDoubtMark::open(io::Disk& disk, IfMissing if_missing, std::string_view at) {
  InDoubtMark mark(TRY(SlotFile::open(disk, at, format, if_missing)));
  if (const auto& damage = mark.file_.damage(); damage && !damage->held) {
    return fail(Code::data_loss, fmt::format("slot {} of {} is damaged and may be the newer: {}",
                                             damage->slot, disk.display(at), format.loss));
  }
  TRY(mark.file_.make_durable());
  if (!mark.file_.value()) return mark;
  ByteReader reader(*mark.file_.value());
  const std::uint64_t is_set = reader.u64();
  const std::uint64_t after_index = reader.u64();
  if (is_set > 1 || (is_set == 0 && after_index != 0)) {
    return fail(Code::data_loss, fmt::format("{} holds a mark that this version does not know: "
                                             "start the version that wrote it",
                                             disk.display(at)));
  }
  if (is_set == 1) mark.after_index_ = after_index;
  return mark;
}

Status InDoubtMark::set(std::uint64_t after_index) {
  TRY(save(true, after_index));
  after_index_ = after_index;
  return {};
}

Status InDoubtMark::clear() {
  TRY(save(false, 0));
  after_index_.reset();
  return {};
}

Status InDoubtMark::save(bool is_set, std::uint64_t after_index) {
  Buffer bytes;
  ByteWriter writer(bytes);
  writer.u64(is_set ? 1 : 0);
  writer.u64(after_index);
  return file_.save(bytes);
}

}  // namespace meridian::storage
