#include "replica/cosigned_head.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "crypto/sha256.h"

namespace meridian::replica {

namespace {

constexpr std::string_view path = "cosigned";
constexpr std::string_view magic = "MRDNHEAD";
constexpr std::size_t slot_size = 512;
constexpr std::size_t body_size = 8 + 8 + 8 + 32;

struct Slot {
  std::uint64_t sequence;
  proof::TreeHead head;
};

std::optional<Slot> decode_slot(Bytes bytes) {
  ByteReader reader(bytes);
  const Bytes found_magic = reader.take(magic.size());
  Slot slot{};
  slot.sequence = reader.u64();
  slot.head.size = proof::TreeSize{reader.u64()};
  slot.head.root = reader.array<32>();
  const auto digest = reader.array<32>();
  if (!reader.ok() || as_text(found_magic) != magic) return std::nullopt;
  if (crypto::sha256(bytes.first(body_size)) != digest) return std::nullopt;
  return slot;
}

Buffer encode_slot(const Slot& slot) {
  Buffer bytes;
  ByteWriter writer(bytes);
  writer.bytes(as_bytes(magic));
  writer.u64(slot.sequence);
  writer.u64(raw(slot.head.size));
  writer.bytes(slot.head.root);
  writer.bytes(crypto::sha256(bytes));
  bytes.resize(slot_size);
  return bytes;
}

}  // namespace

Result<CosignedHead> CosignedHead::open(io::Disk& disk) {
  if (!TRY(disk.exists(path))) TRY(replace_file(disk, path, Buffer(2 * slot_size)));
  CosignedHead head(TRY(disk.open(path, io::OpenMode::read_write)));
  Buffer bytes(2 * slot_size);
  const std::size_t size = TRY(head.file_->read_at(0, bytes));
  if (size != bytes.size())
    return fail(Code::data_loss, disk.display(path) + " is cut short: restore it from a backup");
  for (std::size_t at = 0; at < bytes.size(); at += slot_size) {
    const std::optional<Slot> slot = decode_slot(Bytes(bytes).subspan(at, slot_size));
    if (!slot || slot->sequence <= head.sequence_) continue;
    head.sequence_ = slot->sequence;
    head.last_ = slot->head;
  }
  const bool blank = std::ranges::all_of(bytes, [](Byte byte) { return byte == 0; });
  if (!head.last_ && !blank)
    return fail(Code::data_loss, disk.display(path) +
                                     " is damaged: without it this replica cannot know what it "
                                     "signed; restore it from a backup");
  return head;
}

Status CosignedHead::save(const proof::TreeHead& head) {
  if (last_) {
    ASSERT(head.size >= last_->size);
    ASSERT(head.size != last_->size || head.root == last_->root);
  }
  const Slot slot{sequence_ + 1, head};
  TRY(file_->write_at((slot.sequence % 2) * slot_size, encode_slot(slot)));
  TRY(file_->sync());
  sequence_ = slot.sequence;
  last_ = head;
  return {};
}

}  // namespace meridian::replica
