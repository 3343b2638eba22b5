#include "door/owed_records.h"

#include <fmt/format.h>

#include <algorithm>

namespace meridian::door {

namespace {

constexpr std::string_view old_path = "keys/owed";
constexpr std::size_t owed_size = 160;
constexpr std::size_t old_size =
    72;  // subject(16) actor(16) classes(32) keys_destroyed(4) epoch(4)

Error damaged(io::Disk& disk, std::string_view file, std::string_view what) {
  return fail(Code::data_loss,
              fmt::format("{} is damaged: {}; restore it from a backup, or erasures may stay "
                          "unrecorded",
                          disk.display(file), what));
}

}  // namespace

Buffer OwedRecords::encode(std::span<const Owed> owed) {
  Buffer bytes;
  bytes.reserve(owed.size() * owed_size);
  ByteWriter out(bytes);
  for (const Owed& one : owed) {
    out.id(one.actor);
    out.u8(static_cast<std::uint8_t>(one.command.kind));
    out.zeros(15);
    out.bytes(one.command.bytes);
  }
  return bytes;
}

Result<std::vector<OwedRecords::Owed>> OwedRecords::decode(Bytes bytes) {
  if (bytes.size() % owed_size != 0)
    return fail(Code::data_loss,
                fmt::format("{} bytes are not whole entries of {}", bytes.size(), owed_size));
  std::vector<Owed> owed;
  ByteReader in(bytes);
  while (in.remaining() > 0) {
    Owed one{};
    one.actor = in.id();
    one.command.kind = static_cast<ledger::CommandKind>(in.u8());
    in.take(15);
    one.command.bytes = in.array<ledger::command_size>();
    if (!change_of(one.command.kind, one.command.bytes.data()))
      return fail(Code::data_loss, "an entry is none of what may be owed");
    owed.push_back(one);
  }
  return owed;
}

Result<OwedRecords> OwedRecords::open(io::Disk& disk) {
  OwedRecords owed(disk);
  if (TRY(disk.exists(path))) {
    const Buffer bytes = TRY(io::read_file(disk, path, owed_max * owed_size));
    Result<std::vector<Owed>> list = decode(bytes);
    if (!list) return damaged(disk, path, list.error().message);
    owed.owed_ = std::move(*list);
  }
  TRY(owed.take_old());
  return owed;
}

Status OwedRecords::take_old() {
  if (!TRY(disk_->exists(old_path))) return {};
  const Buffer bytes = TRY(io::read_file(*disk_, old_path, owed_max * old_size));
  if (bytes.size() % old_size != 0)
    return damaged(*disk_, old_path,
                   fmt::format("{} bytes are not whole entries of {}", bytes.size(), old_size));
  std::vector<Owed> old;
  ByteReader in(bytes);
  while (in.remaining() > 0) {
    ledger::EraseSubject command{};
    command.subject = in.id();
    const u128 actor = in.id();
    command.classes = in.array<32>();
    command.keys_destroyed = in.u32();
    command.epoch = in.u32();
    const Owed one{actor, keeping_command(ledger::CommandKind::erase_subject, command)};
    if (std::ranges::find(owed_, one) == owed_.end()) old.push_back(one);
  }
  if (!old.empty()) TRY(add(old));
  return disk_->remove(old_path);
}

Status OwedRecords::write(const std::vector<Owed>& owed) const {
  return io::replace_file(*disk_, path, encode(owed));
}

Status OwedRecords::add(std::span<const Owed> owed) {
  if (owed_.size() + owed.size() > owed_max)
    return fail(Code::resource_exhausted, "too many erasures wait to be recorded: try again later");
  std::vector<Owed> next = owed_;
  next.insert(next.end(), owed.begin(), owed.end());
  TRY(write(next));
  owed_ = std::move(next);
  return {};
}

Status OwedRecords::remove(std::span<const Owed> owed) {
  std::vector<Owed> next = owed_;
  for (const Owed& one : owed)
    if (const auto found = std::ranges::find(next, one); found != next.end()) next.erase(found);
  if (next.size() == owed_.size()) return {};
  TRY(write(next));
  owed_ = std::move(next);
  return {};
}

}  // namespace meridian::door
