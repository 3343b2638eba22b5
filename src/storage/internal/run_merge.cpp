#include "storage/internal/run_merge.h"

#include <utility>

#include "base/assert.h"

namespace meridian::storage {

Result<std::unique_ptr<RunMerge>> RunMerge::begin(const SealedContext& context,
                                                  const SortedRuns::Options& options,
                                                  std::uint64_t number, RunList sources) {
  std::uint64_t pairs = 0;
  for (const auto& run : sources) pairs += run->pairs();
  RunWriter writer = TRY(RunWriter::create(context, options, number, pairs));
  return std::unique_ptr<RunMerge>(new RunMerge(std::move(sources), number, std::move(writer)));
}

RunMerge::RunMerge(RunList sources, std::uint64_t number, RunWriter writer)
    : sources_(std::move(sources)), number_(number), writer_(std::move(writer)) {
  for (const auto& run : sources_) {
    pairs_ += run->pairs();
    cursors_.push_back({run.get(), 0, {}, 0});
  }
}

/// The cursor that stands at the least key; null at the end of all.
Result<RunMerge::Cursor*> RunMerge::least() {
  Cursor* least = nullptr;
  for (Cursor& cursor : cursors_) {
    if (cursor.at == cursor.pairs.size()) {
      if (cursor.next_frame == cursor.run->frame_count()) continue;
      cursor.pairs = TRY(cursor.run->read_frame(cursor.next_frame++));
      cursor.at = 0;
    }
    if (least == nullptr || cursor.pairs[cursor.at].key < least->pairs[least->at].key)
      least = &cursor;
  }
  return least;
}

Result<bool> RunMerge::step(std::uint64_t pairs_max) {
  for (std::uint64_t i = 0; i < pairs_max; ++i) {
    Cursor* cursor = TRY(least());
    if (cursor == nullptr) {
      ASSERT(merged_ == pairs_);
      TRY(writer_.finish());
      return false;
    }
    TRY(writer_.add(cursor->pairs[cursor->at++]));
    ++merged_;
  }
  return true;
}

}  // namespace meridian::storage
