#include "ledger/memory_history.h"

#include "base/assert.h"

namespace meridian::ledger {

void MemoryHistory::keep(const EntryPosition& position, const EntryView& entry,
                         const Applied& applied) {
  ASSERT(raw(position.first_record) == headers_.size());
  ASSERT(applied.effects.size() == entry.command_count());
  HeaderEncoder encoder(position, entry);
  std::array<Byte, header_size_max> bytes;
  std::uint32_t number = 0;
  std::uint32_t run = 0;
  for (std::uint32_t i = 0; i < entry.request_count(); ++i) {
    RequestHeader request = entry.request(i);
    for (std::uint32_t end = run + request.run_count; run < end; ++run) {
      Run now = entry.run(run);
      for (std::uint32_t left = now.count; left > 0; --left, ++number) {
        std::size_t size = encoder.encode(number, now.kind, request, applied.effects[number],
                                          applied.expired, bytes);
        headers_.emplace_back(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
      }
    }
  }
  ASSERT(number == entry.command_count());
}

Result<std::optional<RecordIndex>> MemoryHistory::find(IdSpace space, u128 id) {
  const auto& ids = ids_[static_cast<std::size_t>(space)];
  auto found = ids.find(id);
  if (found == ids.end()) return std::optional<RecordIndex>{};
  return std::optional<RecordIndex>{found->second};
}

void MemoryHistory::insert(IdSpace space, u128 id, RecordIndex at) {
  bool added = ids_[static_cast<std::size_t>(space)].emplace(id, at).second;
  ASSERT(added);
}

void MemoryHistory::remove(IdSpace space, u128 id) {
  std::size_t removed = ids_[static_cast<std::size_t>(space)].erase(id);
  ASSERT(removed == 1);
}

Result<Header> MemoryHistory::read(RecordIndex index) {
  if (raw(index) >= headers_.size())
    return fail(Code::out_of_range, "there is no record " + std::to_string(raw(index)));
  return Header::decode(headers_[raw(index)]);
}

}  // namespace meridian::ledger
