// Ids and streams of records, as apply and prove would have put them into the indexes, from nothing
// but the headers.
//
// Headers are staged until it is known that they are right; accept() gathers what was taken of
// them, drop() forgets them. What is gathered becomes runs now and then, so memory is bounded: 48
// bytes a key. Nothing on disk counts before a state manifest names it. One thread stages, drops
// and takes; another may accept.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "ledger/header.h"
#include "replica/id_history.h"
#include "replica/prover.h"
#include "storage/sorted_runs.h"

namespace meridian::replica {

class IndexFold {
 public:
  static constexpr std::size_t keys_in_memory_max = 1 << 21;

  struct Staged {
    storage::RunKey key;
    std::uint64_t record;
    std::size_t index;
  };
  using Batch = std::vector<Staged>;

  IndexFold(IdHistory::Runs ids, StreamIndex index);

  void stage(const ledger::Header& header);
  void drop() { staged_.clear(); }
  std::size_t staged() const { return staged_.size(); }
  Batch take() { return std::exchange(staged_, {}); }

  Status accept(const Batch& batch);
  /// Writes what was accepted; the manifests in the order of Checkpointer::Part.
  Result<std::vector<Buffer>> finish();
  /// The manifests are durable: removes the files of older ones.
  Status retire();

 private:
  static constexpr std::size_t streams = ledger::id_space_count;
  static constexpr std::size_t categories = streams + 1;
  static constexpr std::size_t index_count = categories + 1;

  void put(std::size_t index, const storage::RunKey& key, ledger::RecordIndex record) {
    staged_.push_back({key, raw(record), index});
  }
  void put(ledger::IdSpace space, u128 id, ledger::RecordIndex record) {
    put(static_cast<std::size_t>(space), {id, 0}, record);
  }
  void stage_transfer(const ledger::Header& header, const ledger::TransferBody& body);
  Status write_runs();

  struct Index {
    std::unique_ptr<storage::SortedRuns> runs;
    std::vector<storage::SortedRuns::Pair> gathered;
  };
  std::array<Index, index_count> indexes_;
  Batch staged_;
  std::size_t in_memory_ = 0;
};

}  // namespace meridian::replica
