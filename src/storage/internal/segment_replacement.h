// A finished segment written anew beside its damaged files, then put in their place
// (RecordStore::replace_segment). One thread.
#pragma once

#include <cstdint>
#include <memory>

#include "proof/merkle.h"
#include "storage/internal/segment.h"
#include "storage/internal/segment_set.h"
#include "storage/record_store.h"

namespace meridian::storage {

/// Asserts that `records` are ones that may follow the first `count`.
void check_appended(const RecordStore::Appended& records, std::uint64_t count);

class SegmentReplacement final : public RecordStore::Replacement {
 public:
  static Result<std::unique_ptr<RecordStore::Replacement>> begin(const SealedContext& context,
                                                                 SegmentSet& segments,
                                                                 std::uint64_t number);
  ~SegmentReplacement() override;

  std::uint64_t next() const override { return first_ + raw(subtree_.size()); }
  Status append(const RecordStore::Appended& records) override;
  Status finish(const crypto::Digest& root) override;

 private:
  SegmentReplacement(const SealedContext& context, SegmentSet& segments, std::uint64_t number)
      : context_(context), segments_(segments), number_(number), first_(number * segment_records) {}
  Status create();
  Status remove_files();
  Status put_in_place(SegmentKind kind);

  SealedContext context_;
  SegmentSet& segments_;
  const std::uint64_t number_;
  const std::uint64_t first_;
  proof::Frontier subtree_;
  std::shared_ptr<Segment> headers_, payloads_;
  bool finished_ = false;
};

}  // namespace meridian::storage
