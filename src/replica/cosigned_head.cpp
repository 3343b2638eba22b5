#include "replica/cosigned_head.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "base/bytes.h"

namespace meridian::replica {

namespace {

constexpr storage::SlotFormat format{
    "MRDNHEAD", 8 + 32,
    "without it this replica cannot know what it signed; restore it from a backup"};

proof::TreeHead decode(Bytes bytes) {
  ByteReader reader(bytes);
  proof::TreeHead head;
  head.size = proof::TreeSize{reader.u64()};
  head.root = reader.array<32>();
  return head;
}

Buffer encode(const proof::TreeHead& head) {
  Buffer bytes;
  ByteWriter writer(bytes);
  writer.u64(raw(head.size));
  writer.bytes(head.root);
  return bytes;
}

std::string describe(const std::string& file, const storage::SlotFile::Damage& damage,
                     const proof::TreeHead& known) {
  if (damage.held)
    return fmt::format(
        "slot {} of {} is damaged; its digest still tells for certain what it held, the signed "
        "head of {} records",
        damage.slot, file, raw(decode(*damage.held).size));
  return fmt::format(
      "slot {} of {} is damaged; the other says that the head of {} records was signed. Should the "
      "damaged one be the newer, a head of more records was signed too, and which is not known "
      "here: compare with receipts and checkpoints that others hold",
      damage.slot, file, raw(known.size));
}

}  // namespace

Result<CosignedHead> CosignedHead::open(io::Disk& disk, std::string_view at) {
  CosignedHead head(TRY(storage::SlotFile::open(disk, at, format, storage::IfMissing::create)));
  if (head.file_.value()) head.last_ = decode(*head.file_.value());
  if (const auto& damage = head.file_.damage())
    head.damage_ = describe(disk.display(at), *damage, *head.last_);
  return head;
}

Status CosignedHead::save(const proof::TreeHead& head) {
  if (last_) {
    ASSERT(head.size >= last_->size);
    ASSERT(head.size != last_->size || head.root == last_->root);
  }
  TRY(file_.save(encode(head)));
  last_ = head;
  return {};
}

}  // namespace meridian::replica
