#include "audit/internal/tree_check.h"

#include <algorithm>

namespace meridian::audit::internal {

namespace {

constexpr std::size_t segment_level = 2;  // roots of 65,536 records
constexpr std::size_t disputed_max = 100'000;

}  // namespace

TreeCheck::TreeCheck(storage::RecordStore& records, storage::TileStore& tiles,
                     std::uint64_t covered, Findings& findings)
    : records_(records), tiles_(tiles), covered_(covered), findings_(findings) {}

void TreeCheck::expect(const proof::TreeHead& head, std::string what) {
  expected_[raw(head.size)].push_back({head.root, std::move(what)});
}

/// The leaves that tiles hold for the batch; fewer if there are fewer.
void TreeCheck::read_stored_leaves(const HeaderBatch& batch) {
  stored_.clear();
  const std::uint64_t there = tiles_.count(0);
  if (batch.first >= there) return;
  const auto count =
      static_cast<std::size_t>(std::min<std::uint64_t>(batch.sizes.size(), there - batch.first));
  Result<std::vector<crypto::Digest>> read = tiles_.read(0, batch.first, count);
  if (read) {
    stored_ = std::move(*read);
  } else {
    findings_.add(batch.first, "tiles of its leaf cannot be read: " + read.error().message);
  }
}

void TreeCheck::add(const HeaderBatch& batch) {
  if (broken_) return;
  read_stored_leaves(batch);
  leaves_.clear();
  std::size_t at = 0;
  bool agree = true;
  for (std::size_t i = 0; i < batch.sizes.size(); ++i) {
    const std::uint64_t record = batch.first + i;
    const Bytes header = Bytes(batch.bytes).subspan(at, batch.sizes[i]);
    at += batch.sizes[i];
    const bool has_stored = i < stored_.size();
    if (header.empty() && !has_stored) {
      broken_ = true;
      findings_.add(record,
                    "neither its header nor its leaf hash is there: no root can be computed "
                    "from here on");
      return;
    }
    leaves_.push_back(header.empty() ? stored_[i] : proof::leaf_hash(header));
    if (record >= covered_)
      tail_.push_back(header.empty() ? std::nullopt : std::optional(leaves_.back()));
    if (!has_stored) {
      if (record < covered_ && !std::exchange(missing_told_[0], true))
        findings_.add(record, "its leaf hash is missing from the tiles, and all after it");
      continue;
    }
    if (leaves_.back() == stored_[i]) continue;
    agree = false;
    if (disputed_.size() < disputed_max) disputed_.push_back(record);
  }
  if (!agree && !by_tiles_) by_tiles_ = frontier_;
  if (by_tiles_)
    for (std::size_t i = 0; i < leaves_.size(); ++i)
      by_tiles_->append(i < stored_.size() ? stored_[i] : leaves_[i]);
  completed_.clear();
  const std::uint64_t first = raw(frontier_.size());
  frontier_.append(leaves_, completed_);
  check_completed(first);
  check_heads();
}

void TreeCheck::check_completed(std::uint64_t first) {
  for (std::size_t level = 1; level < proof::tile_level_count; ++level) {
    const proof::Hashes& hashes = completed_.levels[level];
    std::uint64_t index = first >> (proof::tile_height * level);
    for (const proof::Hash& hash : hashes) {
      const std::uint64_t records_first = index << (proof::tile_height * level);
      if (level == segment_level) check_segment(index, hash);
      if (index < tiles_.count(static_cast<std::uint8_t>(level))) {
        const auto stored = tiles_.read(static_cast<std::uint8_t>(level), index, 1);
        if ((!stored || stored->front() != hash) && disputed_.empty())
          findings_.add(
              fmt::format("tile level {} hash {} (from record {} on) is damaged: it is not "
                          "that of the records",
                          level, index, records_first));
      } else if (records_first + (std::uint64_t{1} << (proof::tile_height * level)) <= covered_ &&
                 !std::exchange(missing_told_[level], true)) {
        findings_.add(fmt::format("tile level {} lacks hash {} and all after it", level, index));
      }
      ++index;
    }
  }
}

void TreeCheck::check_segment(std::uint64_t number, const proof::Hash& root) {
  const Result<crypto::Digest> stored = records_.segment_root(number);
  if (stored && *stored != root && disputed_.empty())
    findings_.add(fmt::format("segment {} (from record {} on) is kept under another root", number,
                              number * storage::segment_records));
}

void TreeCheck::check_heads() {
  const auto at = expected_.find(raw(frontier_.size()));
  if (at == expected_.end()) return;
  for (const Expected& expected : at->second) {
    if (frontier_.root() == expected.root) {
      settle(true);
    } else if (by_tiles_ && by_tiles_->root() == expected.root) {
      settle(false);
    } else {
      findings_.add(fmt::format("the first {} records have the root {}, but {} says {}", at->first,
                                to_hex(frontier_.root()), expected.what, to_hex(expected.root)));
    }
  }
  expected_.erase(at);
}

/// A signed head confirms one of both trees: every disagreement so far is decided.
void TreeCheck::settle(bool headers_right) {
  for (const std::uint64_t record : disputed_)
    findings_.add(record, headers_right
                              ? "its leaf hash in the tiles is damaged (the header is as signed)"
                              : "its header is not the one that was signed");
  disputed_.clear();
  if (by_tiles_ && !headers_right) frontier_ = *by_tiles_;
  by_tiles_.reset();
}

std::optional<proof::Hash> TreeCheck::leaf_of_header(std::uint64_t record) const {
  if (record < covered_ || record - covered_ >= tail_.size()) return std::nullopt;
  return tail_[record - covered_];
}

void TreeCheck::finish() {
  for (const std::uint64_t record : disputed_)
    findings_.add(record, "its header and its leaf hash in the tiles disagree");
  if (broken_) return;
  for (const auto& [size, heads] : expected_)
    for (const Expected& expected : heads)
      if (size != 0 && size <= raw(frontier_.size()))
        findings_.add(fmt::format("the head of {} records that {} says was passed over", size,
                                  expected.what));
}

}  // namespace meridian::audit::internal
