#include "storage/hard_state_file.h"

#include <fmt/format.h>

#include "base/assert.h"

namespace meridian::storage {
namespace {

constexpr SlotFormat format{
    "MRDNVOTE", 24,
    "without it this replica cannot know what it voted, and could elect a second leader; never "
    "restore an old one: give this node an empty data directory and a new replica id, and let it "
    "join as a learner"};

Buffer encode(const HardState& state) {
  Buffer bytes;
  ByteWriter writer(bytes);
  writer.u64(state.term);
  writer.u64(state.vote);
  writer.u64(state.commit);
  return bytes;
}

HardState decode(Bytes bytes) {
  ByteReader reader(bytes);
  return {reader.u64(), reader.u64(), reader.u64()};
}

std::string describe(const std::string& file, const SlotFile::Damage& damage, std::uint64_t term) {
  if (damage.held) {
    return fmt::format(
        "slot {} of {} is damaged; its digest still tells for certain what it held, term {}",
        damage.slot, file, decode(*damage.held).term);
  }
  return fmt::format(
      "slot {} of {} is damaged; the other says term {}. Should the damaged one be the newer, a "
      "vote in a later term is forgotten: replace this replica by one with a new id",
      damage.slot, file, term);
}

}  // namespace

Result<HardStateFile> HardStateFile::open(io::Disk& disk, IfMissing if_missing,
                                          std::string_view at) {
  HardStateFile opened(TRY(SlotFile::open(disk, at, format, if_missing)));
  if (const auto& damage = opened.file_.damage()) {
    opened.damage_ = describe(disk.display(at), *damage, decode(*opened.file_.value()).term);
    opened.in_doubt_ = !damage->held;
  }
  TRY(opened.file_.make_durable());
  if (opened.file_.value()) opened.state_ = decode(*opened.file_.value());
  return opened;
}

Status HardStateFile::save(const HardState& state) {
  ASSERT(state.term >= state_.term);
  ASSERT(state.term > state_.term || state_.vote == 0 || state.vote == state_.vote);
  TRY(file_.save(encode(state)));
  state_ = state;
  return {};
}

Status HardStateFile::save_commit_hint(std::uint64_t commit) {
  HardState state = state_;
  state.commit = commit;
  TRY(file_.save_hint(encode(state)));
  state_ = state;
  return {};
}

}  // namespace meridian::storage
