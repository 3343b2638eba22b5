#include "replica/cosigned_head.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "base/bytes.h"
#include "crypto/sha256.h"

namespace meridian::replica {

namespace {

constexpr std::string_view magic = "MRDNHEAD";
constexpr std::size_t slot_size = 512;
constexpr std::size_t body_size = 8 + 8 + 8 + 32;
constexpr std::size_t used_size = body_size + 32;  // zeros follow

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

bool all_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](Byte byte) { return byte == 0; });
}

/// The slot of which one bit was flipped, if there is one: its digest tells for certain.
std::optional<Slot> mend_slot(Bytes bytes) {
  Buffer tried = to_buffer(bytes.first(used_size));
  for (std::size_t bit = 0; bit < used_size * 8; ++bit) {
    const auto mask = static_cast<Byte>(1u << (bit % 8));
    tried[bit / 8] ^= mask;
    if (std::optional<Slot> slot = decode_slot(tried)) return slot;
    tried[bit / 8] ^= mask;
  }
  return std::nullopt;
}

struct FoundSlot {
  std::optional<Slot> slot;  ///< What was written there, if that is certain.
  bool is_sound = false;     ///< Byte for byte as written.
  bool is_blank = false;
};

FoundSlot find_slot(Bytes bytes) {
  FoundSlot found;
  found.is_blank = all_zero(bytes);
  if (found.is_blank) return found;
  found.slot = decode_slot(bytes);
  found.is_sound = found.slot && all_zero(bytes.subspan(used_size));
  if (!found.slot) found.slot = mend_slot(bytes);
  return found;
}

std::string describe(const std::string& file, std::size_t number, const FoundSlot& found,
                     std::uint64_t known_size) {
  if (found.slot)
    return fmt::format(
        "slot {} of {} is damaged; its digest still tells for certain what it held, the signed "
        "head of {} records",
        number, file, raw(found.slot->head.size));
  return fmt::format(
      "slot {} of {} is damaged; the other says that the head of {} records was signed. Should the "
      "damaged one be the newer, a head of more records was signed too, and which is not known "
      "here: compare with receipts and checkpoints that others hold",
      number, file, known_size);
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

Result<CosignedHead> CosignedHead::open(io::Disk& disk, std::string_view at) {
  if (!TRY(disk.exists(at))) TRY(replace_file(disk, at, Buffer(2 * slot_size)));
  CosignedHead head(TRY(disk.open(at, io::OpenMode::read_write)));
  Buffer bytes(2 * slot_size);
  const std::size_t size = TRY(head.file_->read_at(0, bytes));
  if (size != bytes.size())
    return fail(Code::data_loss, disk.display(at) + " is cut short: restore it from a backup");
  if (all_zero(bytes)) return head;

  const std::array<FoundSlot, 2> slots{find_slot(Bytes(bytes).first(slot_size)),
                                       find_slot(Bytes(bytes).subspan(slot_size))};
  for (const FoundSlot& found : slots) {
    if (!found.slot || found.slot->sequence <= head.sequence_) continue;
    head.sequence_ = found.slot->sequence;
    head.last_ = found.slot->head;
  }
  if (!head.last_)
    return fail(Code::data_loss, disk.display(at) +
                                     " is damaged: without it this replica cannot know what it "
                                     "signed; restore it from a backup");
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const bool never_written = slots[i].is_blank && i == 0 && head.sequence_ == 1;
    if (slots[i].is_sound || never_written) continue;
    head.damage_ = describe(disk.display(at), i, slots[i], raw(head.last_->size));
  }
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
