// A history that is all in memory: for tests, models and the vector runner.
//
// Headers are kept as their canonical bytes and decoded on reading, so what is answered is exactly
// what the log would answer. Not for production sizes: about 500 bytes per record.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "ledger/history.h"
#include "ledger/queries.h"

namespace meridian::ledger {

class MemoryHistory : public History, public RecordSource {
 public:
  /// Keeps the headers of an entry that was just applied; call it after every apply.
  void keep(const EntryPosition& position, const EntryView& entry, const Applied& applied);

  Result<std::optional<RecordIndex>> find(IdSpace space, u128 id) override;
  void insert(IdSpace space, u128 id, RecordIndex at) override;
  void remove(IdSpace space, u128 id) override;
  void prefetch(IdSpace, u128) override {}
  Result<Header> read(RecordIndex index) override;

  std::uint64_t record_count() const override { return headers_.size(); }
  Result<std::optional<RecordIndex>> find_transfer(u128 id) override {
    return find(IdSpace::transfer, id);
  }
  Bytes header_bytes(RecordIndex index) const { return headers_[raw(index)]; }

 private:
  std::array<std::map<u128, RecordIndex>, id_space_count> ids_;
  std::vector<Buffer> headers_;
};

}  // namespace meridian::ledger
