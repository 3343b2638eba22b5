// Both files are whole, and synced, before the first one gets its name: a crash between the two
// leaves new headers beside old payloads, which are of the same records.
#include "storage/internal/segment_replacement.h"

#include <fmt/format.h>

#include <array>

#include "base/assert.h"

namespace meridian::storage {
namespace {

constexpr std::array kinds{SegmentKind::headers, SegmentKind::payloads};

}  // namespace

void check_appended(const RecordStore::Appended& records, std::uint64_t count) {
  std::size_t size = 0;
  for (std::uint16_t header_size : records.sizes) size += header_size;
  ASSERT(size == records.headers.size());
  std::uint64_t next = count;
  for (const RecordStore::Appended::PayloadOf& payload : records.payloads) {
    ASSERT(payload.record >= next);
    ASSERT(payload.bytes.size() <= record_payload_size_max);
    next = payload.record + 1;
  }
  ASSERT(next <= count + records.sizes.size());
}

Result<std::unique_ptr<RecordStore::Replacement>> SegmentReplacement::begin(
    const SealedContext& context, SegmentSet& segments, std::uint64_t number) {
  std::unique_ptr<SegmentReplacement> made(new SegmentReplacement(context, segments, number));
  TRY(made->create());
  return std::unique_ptr<RecordStore::Replacement>(std::move(made));
}

SegmentReplacement::~SegmentReplacement() {
  if (finished_) return;
  headers_.reset();
  payloads_.reset();
  static_cast<void>(remove_files());  // what cannot be removed now is at the next start
}

Status SegmentReplacement::create() {
  TRY(remove_files());
  headers_ = TRY(Segment::create_beside(context_, SegmentKind::headers, number_));
  payloads_ = TRY(Segment::create_beside(context_, SegmentKind::payloads, number_));
  return {};
}

Status SegmentReplacement::remove_files() {
  for (SegmentKind kind : kinds) {
    std::string path = segment_path_beside(kind, number_);
    if (TRY(context_.disk.exists(path))) TRY(context_.disk.remove(path));
  }
  return {};
}

Status SegmentReplacement::append(const RecordStore::Appended& records) {
  ASSERT(!finished_);
  ASSERT(next() + records.sizes.size() <= first_ + segment_records);
  check_appended(records, next());
  headers_->add_headers(next(), records.sizes, records.headers);
  for (const RecordStore::Appended::PayloadOf& payload : records.payloads)
    payloads_->add_payload(payload.record, payload.bytes);
  Bytes rest = records.headers;
  for (std::uint16_t size : records.sizes) {
    subtree_.append(proof::leaf_hash(rest.first(size)));
    rest = rest.subspan(size);
  }
  TRY(payloads_->flush());
  return headers_->flush();
}

Status SegmentReplacement::finish(const crypto::Digest& root) {
  ASSERT(!finished_);
  if (next() != first_ + segment_records) {
    return fail(Code::invalid_argument,
                fmt::format("records {} to {} are missing in what should replace the segment",
                            next(), first_ + segment_records - 1));
  }
  if (subtree_.root() != root) {
    return fail(Code::invalid_argument,
                fmt::format("the records {} to {} have the root {}, and it must be {}", first_,
                            next() - 1, to_hex(subtree_.root()), to_hex(root)));
  }
  headers_->finish(root);
  payloads_->finish({});
  for (const auto& segment : {headers_, payloads_}) {
    TRY(segment->flush());
    TRY(segment->sync());
  }
  for (SegmentKind kind : kinds) TRY(put_in_place(kind));
  finished_ = true;
  return {};
}

Status SegmentReplacement::put_in_place(SegmentKind kind) {
  TRY(context_.disk.rename(segment_path_beside(kind, number_), segment_path(kind, number_)));
  segments_.replaced(kind, number_);
  return context_.disk.sync_directory(segment_directory(kind));
}

}  // namespace meridian::storage
