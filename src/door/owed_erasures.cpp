#include "door/owed_erasures.h"

#include <fmt/format.h>

#include <algorithm>

namespace meridian::door {

namespace {

constexpr std::string_view path = "keys/owed";
constexpr std::size_t owed_size = 72;

}  // namespace

Result<OwedErasures> OwedErasures::open(io::Disk& disk) {
  OwedErasures owed(disk);
  if (!TRY(disk.exists(path))) return owed;
  const Buffer bytes = TRY(io::read_file(disk, path, owed_max * owed_size));
  if (bytes.size() % owed_size != 0)
    return fail(
        Code::data_loss,
        fmt::format("{} is damaged: {} bytes are not whole entries of {}; restore it from a "
                    "backup, or erasures may stay unrecorded",
                    disk.display(path), bytes.size(), owed_size));
  ByteReader in(bytes);
  while (in.remaining() > 0) {
    Owed one{};
    one.subject = in.id();
    one.actor = in.id();
    one.classes = in.array<32>();
    one.keys_destroyed = in.u32();
    one.epoch = in.u32();
    owed.owed_.push_back(one);
  }
  return owed;
}

const OwedErasures::Owed* OwedErasures::find(u128 subject) const {
  const auto found = std::ranges::find(owed_, subject, &Owed::subject);
  return found == owed_.end() ? nullptr : &*found;
}

Status OwedErasures::write(const std::vector<Owed>& owed) const {
  Buffer bytes;
  ByteWriter out(bytes);
  for (const Owed& one : owed) {
    out.id(one.subject);
    out.id(one.actor);
    out.bytes(one.classes);
    out.u32(one.keys_destroyed);
    out.u32(one.epoch);
  }
  return io::replace_file(*disk_, path, bytes);
}

Status OwedErasures::put(const Owed& owed) {
  std::vector<Owed> next = owed_;
  const auto found = std::ranges::find(next, owed.subject, &Owed::subject);
  if (found != next.end()) {
    if (*found == owed) return {};
    *found = owed;
  } else {
    if (next.size() >= owed_max)
      return fail(Code::resource_exhausted,
                  "too many erasures wait to be recorded: try again later");
    next.push_back(owed);
  }
  TRY(write(next));
  owed_ = std::move(next);
  return {};
}

Status OwedErasures::remove(u128 subject) {
  std::vector<Owed> next = owed_;
  if (std::erase_if(next, [&](const Owed& one) { return one.subject == subject; }) == 0) return {};
  TRY(write(next));
  owed_ = std::move(next);
  return {};
}

}  // namespace meridian::door
