// slot = magic(8) sequence(8) value digest(32), then zeros; sequence n stands in slot n % 2.
//
// Which slot is written next:
//   newest is durable (saved)  -> the other one; it becomes the newest
//   newest is a hint           -> the same one again (sequence + 2): the other holds what is
//   durable
#include "storage/slot_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "crypto/sha256.h"

namespace meridian::storage {
namespace {

constexpr std::size_t magic_size = 8;
constexpr std::size_t digest_size = 32;

std::size_t body_size(const SlotFormat& format) { return magic_size + 8 + format.value_size; }
std::size_t used_size(const SlotFormat& format) { return body_size(format) + digest_size; }

struct Slot {
  std::uint64_t sequence;
  Buffer value;
};

std::optional<Slot> decode_slot(const SlotFormat& format, Bytes bytes) {
  ByteReader reader(bytes);
  const Bytes magic = reader.take(magic_size);
  const std::uint64_t sequence = reader.u64();
  const Bytes value = reader.take(format.value_size);
  const auto digest = reader.array<digest_size>();
  if (!reader.ok() || as_text(magic) != format.magic) return std::nullopt;
  if (crypto::sha256(bytes.first(body_size(format))) != digest) return std::nullopt;
  return Slot{sequence, to_buffer(value)};
}

Buffer encode_slot(const SlotFormat& format, std::uint64_t sequence, Bytes value) {
  ASSERT(value.size() == format.value_size);
  Buffer bytes;
  ByteWriter writer(bytes);
  writer.bytes(as_bytes(format.magic));
  writer.u64(sequence);
  writer.bytes(value);
  writer.bytes(crypto::sha256(bytes));
  bytes.resize(SlotFile::slot_size);
  return bytes;
}

bool all_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](Byte byte) { return byte == 0; });
}

/// The slot of which one bit was flipped, if there is one: its digest tells for certain.
std::optional<Slot> mend_slot(const SlotFormat& format, Bytes bytes) {
  Buffer tried = to_buffer(bytes.first(used_size(format)));
  for (std::size_t bit = 0; bit < tried.size() * 8; ++bit) {
    const auto mask = static_cast<Byte>(1u << (bit % 8));
    tried[bit / 8] ^= mask;
    if (std::optional<Slot> slot = decode_slot(format, tried)) return slot;
    tried[bit / 8] ^= mask;
  }
  return std::nullopt;
}

struct FoundSlot {
  std::optional<Slot> slot;  ///< What was written there, if that is certain.
  bool is_sound = false;     ///< Byte for byte as written.
  bool is_blank = false;
};

FoundSlot find_slot(const SlotFormat& format, Bytes bytes) {
  FoundSlot found;
  found.is_blank = all_zero(bytes);
  if (found.is_blank) return found;
  found.slot = decode_slot(format, bytes);
  found.is_sound = found.slot && all_zero(bytes.subspan(used_size(format)));
  if (!found.slot) found.slot = mend_slot(format, bytes);
  return found;
}

void check(const SlotFormat& format) {
  ASSERT(format.magic.size() == magic_size);
  ASSERT(format.value_size <= SlotFile::value_size_max);
}

}  // namespace

Result<SlotFile> SlotFile::open(io::Disk& disk, std::string_view path, const SlotFormat& format,
                                IfMissing if_missing) {
  check(format);
  if (!TRY(disk.exists(path))) {
    if (if_missing == IfMissing::refuse) {
      return fail(Code::data_loss,
                  fmt::format("{} is missing: {}", disk.display(path), format.loss));
    }
    TRY(io::replace_file(disk, path, Buffer(2 * slot_size)));
  }
  SlotFile file(disk, path, format, TRY(disk.open(path, io::OpenMode::read_write)));
  TRY(file.read());
  return file;
}

Result<SlotFile> SlotFile::create(io::Disk& disk, std::string_view path, const SlotFormat& format,
                                  Bytes value) {
  check(format);
  Buffer bytes = encode_slot(format, 2, value);
  const Buffer second = encode_slot(format, 1, value);
  bytes.insert(bytes.end(), second.begin(), second.end());
  TRY(io::replace_file(disk, path, bytes));
  return open(disk, path, format, IfMissing::refuse);
}

Status SlotFile::read() {
  Buffer bytes(2 * slot_size);
  const std::size_t size = TRY(file_->read_at(0, bytes));
  if (size != bytes.size())
    return fail(Code::data_loss, fmt::format("{} is cut short: {}", display(), format_->loss));
  if (all_zero(bytes)) return {};

  std::array<FoundSlot, 2> slots{find_slot(*format_, Bytes(bytes).first(slot_size)),
                                 find_slot(*format_, Bytes(bytes).subspan(slot_size))};
  for (const FoundSlot& found : slots) {
    if (!found.slot || found.slot->sequence <= sequence_) continue;
    sequence_ = found.slot->sequence;
    value_ = found.slot->value;
  }
  if (!value_)
    return fail(Code::data_loss, fmt::format("{} is damaged: {}", display(), format_->loss));
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const bool never_written = slots[i].is_blank && i == 0 && sequence_ == 1;
    if (slots[i].is_sound || never_written) continue;
    damage_ = Damage{i, {}};
    if (slots[i].slot) damage_->held = std::move(slots[i].slot->value);
  }
  return {};
}

Status SlotFile::save(Bytes value) {
  TRY(write(sequence_next(), value));
  TRY(sync());
  hinted_ = false;
  return {};
}

Status SlotFile::save_hint(Bytes value) {
  ASSERT(value_.has_value());
  TRY(write(sequence_next(), value));
  hinted_ = true;
  return {};
}

Status SlotFile::make_durable() {
  if (value_) {
    const Buffer value = *value_;
    TRY(write(sequence_, value));
  }
  TRY(sync());
  hinted_ = false;
  return {};
}

Status SlotFile::write(std::uint64_t sequence, Bytes value) {
  if (failed_) {
    return fail(Code::failed_precondition,
                fmt::format("{} could not be written before; restart the process", display()));
  }
  failed_ = true;
  TRY(file_->write_at((sequence % 2) * slot_size, encode_slot(*format_, sequence, value)));
  failed_ = false;
  sequence_ = sequence;
  value_ = to_buffer(value);
  return {};
}

Status SlotFile::sync() {
  failed_ = true;
  TRY(file_->sync());
  if (!is_name_durable_) {
    const std::size_t slash = path_.rfind('/');
    TRY(disk_->sync_directory(slash == std::string::npos ? "" : path_.substr(0, slash)));
  }
  is_name_durable_ = true;
  failed_ = false;
  return {};
}

}  // namespace meridian::storage
