// An entry after it was applied: what the prove stage turns into headers, and what the apply stage
// keeps at hand until those headers are stored.
//
// Immutable once made, so stages on several threads share it without a lock; whoever drops it last
// gives the memory of its effects back to the pool.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "ledger/effect.h"
#include "ledger/entry.h"
#include "ledger/header.h"
#include "replica/ordered_log.h"

namespace meridian::replica {

/// Keeps the memory of effects from entry to entry. Thread-safe.
class AppliedPool {
 public:
  static constexpr std::size_t kept_max = 16;
  ledger::Applied take();
  void give(ledger::Applied applied);

 private:
  std::mutex mutex_;
  std::vector<ledger::Applied> free_;
};

struct AppliedEntry {
  AppliedEntry(CommittedEntry committed, ledger::EntryView decoded, ledger::EntryPosition at,
               ledger::Applied done, std::shared_ptr<AppliedPool> pool_of_effects)
      : entry(std::move(committed)),
        view(std::move(decoded)),
        position(at),
        applied(std::move(done)),
        pool(std::move(pool_of_effects)) {}
  ~AppliedEntry() { pool->give(std::move(applied)); }
  AppliedEntry(const AppliedEntry&) = delete;
  AppliedEntry& operator=(const AppliedEntry&) = delete;

  std::uint64_t first_record() const { return raw(position.first_record); }
  std::uint64_t end_record() const { return first_record() + view.command_count(); }

  CommittedEntry entry;
  ledger::EntryView view;  ///< Into entry.bytes.
  ledger::EntryPosition position;
  ledger::Applied applied;
  std::shared_ptr<AppliedPool> pool;
};
using AppliedRef = std::shared_ptr<const AppliedEntry>;

/// Calls visit(number, kind, request) for every command of `view`, in order.
template <typename Visit>
void for_each_command(const ledger::EntryView& view, Visit&& visit) {
  std::uint32_t number = 0;
  std::uint32_t run_number = 0;
  for (std::uint32_t r = 0; r < view.request_count(); ++r) {
    const ledger::RequestHeader request = view.request(r);
    for (std::uint32_t i = 0; i < request.run_count; ++i) {
      const ledger::Run run = view.run(run_number++);
      for (std::uint32_t j = 0; j < run.count; ++j) visit(number++, run.kind, request);
    }
  }
}

}  // namespace meridian::replica
