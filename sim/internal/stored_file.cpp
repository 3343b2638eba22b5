#include "sim/internal/stored_file.h"

#include <algorithm>
#include <limits>

namespace meridian::sim::internal {
namespace {

enum class Fate : std::uint8_t { all_lost, all_kept, torn_prefix, each_sector };

}  // namespace

void StoredFile::write(std::uint64_t offset, Bytes bytes) {
  if (bytes.empty()) return;
  pending_.push_back({Operation::Kind::write, offset, bytes.size(), to_buffer(bytes)});
  apply(pending_.back(), visible_);
}

void StoredFile::write_zeros(std::uint64_t offset, std::uint64_t count) {
  if (count == 0) return;
  pending_.push_back({Operation::Kind::write_zeros, offset, count, {}});
  apply(pending_.back(), visible_);
}

void StoredFile::resize(std::uint64_t size) {
  pending_.push_back({Operation::Kind::resize, size, 0, {}});
  apply(pending_.back(), visible_);
}

void StoredFile::sync() {
  for (const Operation& operation : pending_) apply(operation, durable_);
  pending_.clear();
}

void StoredFile::fail_sync(Random& random) { persist_some(random); }

void StoredFile::lose_power(Random& random) {
  persist_some(random);
  visible_ = durable_;
}

bool StoredFile::flip_bit(std::uint64_t offset, unsigned bit) {
  if (offset >= visible_.size()) return false;
  auto flip = [&](SparseBytes& bytes) {
    Byte value = 0;
    if (bytes.read(offset, {&value, 1}) == 0) return;  // not on the platter yet
    value = static_cast<Byte>(value ^ (1U << (bit % 8)));
    bytes.write(offset, {&value, 1});
  };
  flip(visible_);
  flip(durable_);
  for (Operation& operation : pending_) {
    if (operation.kind == Operation::Kind::write && offset >= operation.offset &&
        offset - operation.offset < operation.size) {
      Byte& value = operation.bytes[offset - operation.offset];
      value = static_cast<Byte>(value ^ (1U << (bit % 8)));
    }
  }
  return true;
}

void StoredFile::apply(const Operation& operation, SparseBytes& target) {
  switch (operation.kind) {
    case Operation::Kind::write: target.write(operation.offset, operation.bytes); break;
    case Operation::Kind::write_zeros: target.write_zeros(operation.offset, operation.size); break;
    case Operation::Kind::resize: target.resize(operation.offset); break;
  }
}

void StoredFile::persist_some(Random& random) {
  std::vector<Operation> pending = std::move(pending_);
  pending_.clear();
  if (pending.empty()) return;

  auto fate = static_cast<Fate>(random.below(4));
  if (fate == Fate::all_lost) return;
  // Operations before `sizes_kept` change the size; the journal ended there.
  std::uint64_t sizes_kept = random.below(pending.size() + 1);
  double sector_kept = std::array{0.1, 0.5, 0.9}[random.below(3)];
  if (fate == Fate::all_kept) sizes_kept = pending.size();
  std::uint64_t torn_at = random.below(pending.size());
  if (fate == Fate::torn_prefix) sizes_kept = torn_at + 1;

  // Data written behind a cut that did not survive lies in blocks nobody refers to.
  std::uint64_t reachable = std::numeric_limits<std::uint64_t>::max();
  for (std::uint64_t i = 0; i < pending.size(); ++i) {
    const Operation& operation = pending[i];
    bool size_survives = i < sizes_kept;
    if (operation.kind == Operation::Kind::resize) {
      if (size_survives) {
        durable_.resize(operation.offset);
      } else {
        reachable = std::min(reachable, operation.offset);
      }
      continue;
    }
    std::uint64_t end = operation.offset + operation.size;
    if (size_survives && durable_.size() < end) durable_.resize(end);
    std::uint64_t limit = std::min({end, durable_.size(), reachable});
    std::uint64_t torn_sectors = random.below((operation.size / sector_size) + 2);
    std::uint64_t sector = 0;
    for (std::uint64_t at = operation.offset; at < limit; ++sector) {
      std::uint64_t next = std::min((at / sector_size + 1) * sector_size, limit);
      bool kept = fate == Fate::all_kept;
      if (fate == Fate::torn_prefix) kept = i < torn_at || (i == torn_at && sector < torn_sectors);
      if (fate == Fate::each_sector) kept = random.chance(sector_kept);
      if (kept && operation.kind == Operation::Kind::write) {
        durable_.write(at, Bytes(operation.bytes).subspan(at - operation.offset, next - at));
      }
      if (kept && operation.kind == Operation::Kind::write_zeros) {
        durable_.write_zeros(at, next - at);
      }
      at = next;
    }
  }
}

}  // namespace meridian::sim::internal
