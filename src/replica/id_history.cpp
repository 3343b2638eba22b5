#include "replica/id_history.h"

#include <algorithm>

#include "base/assert.h"

namespace meridian::replica {

Result<std::optional<ledger::RecordIndex>> IdHistory::find(ledger::IdSpace space, u128 id) {
  const std::optional<std::uint64_t> found = TRY(of(space).find({id, 0}));
  if (!found) return std::optional<ledger::RecordIndex>{};
  return std::optional{ledger::RecordIndex{*found}};
}

void IdHistory::insert(ledger::IdSpace space, u128 id, ledger::RecordIndex at) {
  of(space).insert({id, 0}, raw(at));
}

void IdHistory::remove(ledger::IdSpace space, u128 id) { of(space).remove({id, 0}); }

void IdHistory::prefetch(ledger::IdSpace space, u128 id) { of(space).prefetch({id, 0}); }

/// Canary::drop_ids: of every eighth entry.
void IdHistory::drop_first_id(const AppliedEntry& entry) {
  if (entry.position.entry_index % 8 != 0 || entry.view.run_count() == 0) return;
  if (entry.view.run(0).kind != ledger::CommandKind::create_transfer) return;
  remove(ledger::IdSpace::transfer,
         ledger::load_command<ledger::Transfer>(entry.view.command(0)).id);
}

void IdHistory::push(AppliedRef entry) {
  if (drops_ids_) drop_first_id(*entry);
  unstored_.push_back(std::move(entry));
  const std::uint64_t stored = records_.count();
  while (!unstored_.empty() && unstored_.front()->end_record() <= stored) unstored_.pop_front();
}

void IdHistory::begin_entry() {
  for (auto& runs : runs_) runs->begin_batch();
}

void IdHistory::end_entry() {
  for (auto& runs : runs_) runs->end_batch();
}

void IdHistory::freeze() {
  for (auto& runs : runs_) runs->freeze();
}

Result<ledger::Header> IdHistory::read(ledger::RecordIndex index) {
  const auto found = std::ranges::lower_bound(unstored_, raw(index), std::ranges::less_equal{},
                                              [](const AppliedRef& e) { return e->end_record(); });
  if (found == unstored_.end() || raw(index) < (*found)->first_record()) {
    const Buffer stored = TRY(records_.header(raw(index)));
    return ledger::Header::decode(stored);
  }
  const AppliedEntry& entry = **found;
  const auto wanted = static_cast<std::uint32_t>(raw(index) - entry.first_record());
  ledger::HeaderEncoder encoder(entry.position, entry.view);
  Buffer bytes(ledger::header_size_max);
  std::size_t size = 0;
  for_each_command(entry.view, [&](std::uint32_t number, ledger::CommandKind kind,
                                   const ledger::RequestHeader& request) {
    if (number != wanted) return;
    size = encoder.encode(number, kind, request, entry.applied.effects[number],
                          entry.applied.expired, bytes);
  });
  ASSERT(size != 0);
  return ledger::Header::decode(Bytes(bytes).first(size));
}

}  // namespace meridian::replica
