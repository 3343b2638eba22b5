#include "storage/internal/segment_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <optional>

namespace meridian::storage {
namespace {

std::size_t slot(SegmentKind kind) { return kind == SegmentKind::headers ? 0 : 1; }

/// Where reading records below `last` may stop: what lies behind need not be read ahead.
std::uint64_t limit_of(const std::vector<FramePlace>& frames, std::uint64_t last,
                       std::uint64_t end) {
  auto after = std::ranges::lower_bound(frames, last, {}, &FramePlace::first_record);
  return after == frames.end() ? end : after->position;
}

std::string records_of(std::uint64_t number) {
  return fmt::format("records {} to {}", number * segment_records,
                     (number + 1) * segment_records - 1);
}

}  // namespace

void SegmentSet::set_open(SegmentKind kind, std::shared_ptr<Segment> segment) {
  std::unique_lock lock(mutex_);
  open_[slot(kind)] = std::move(segment);
}

void SegmentSet::forget_locked(SegmentKind kind, std::uint64_t number) {
  segments_[slot(kind)].erase(number);
  auto& open = open_[slot(kind)];
  if (open != nullptr && open->number() == number && open->finished()) open.reset();
}

void SegmentSet::forget(SegmentKind kind, std::uint64_t number) {
  std::unique_lock lock(mutex_);
  forget_locked(kind, number);
}

void SegmentSet::replaced(SegmentKind kind, std::uint64_t number) {
  std::unique_lock lock(mutex_);
  ++versions_;
  forget_locked(kind, number);
}

Result<std::shared_ptr<Segment>> SegmentSet::segment(SegmentKind kind, std::uint64_t number) {
  auto& cache = segments_[slot(kind)];
  while (true) {
    std::uint64_t version = 0;
    {
      std::shared_lock lock(mutex_);
      const auto& open = open_[slot(kind)];
      if (open != nullptr && open->number() == number) return open;
      if (auto cached = cache.get(number)) return cached;
      version = versions_;
    }
    auto opened = Segment::open(context_, kind, number);
    if (!opened) {
      Error error = opened.error();
      if (error.code == Code::not_found) error.code = Code::data_loss;
      return with_context(error,
                          fmt::format("{} of {}", segment_directory(kind), records_of(number)));
    }
    (*opened)->set_version(version);
    std::shared_lock lock(mutex_);
    if (versions_ != version) continue;  // it may be the file that was replaced
    cache.put(number, *opened);
    return *opened;
  }
}

Result<Buffer> SegmentSet::header(std::uint64_t record) {
  std::string context = fmt::format("record {}", record);
  auto segment = TRY(this->segment(SegmentKind::headers, record / segment_records));
  auto located = segment->find(record);
  if (!located) {
    return fail(Code::data_loss,
                fmt::format("{}: no frame of {} holds it", context,
                            segment_path(SegmentKind::headers, segment->number())));
  }
  Bundle place{segment->number(), segment->version(), located->place.position};
  auto bundle = bundles_.get(place);
  if (bundle == nullptr) {
    auto plain = segment->read_frame(*located);
    if (!plain) return with_context(plain.error(), context);
    auto decoded = HeaderFrame::decode(std::move(*plain), segment->number());
    if (!decoded) {
      return with_context(segment->damaged(located->place.position, decoded.error()), context);
    }
    bundle = std::make_shared<const HeaderFrame>(std::move(*decoded));
    bundles_.put(place, bundle);
  }
  if (record < bundle->first() || record >= bundle->end()) {
    return with_context(segment->damaged(located->place.position,
                                         fail(Code::data_loss,
                                              "the frame before it does not reach to it, and its "
                                              "own does not open")),
                        context);
  }
  return to_buffer(bundle->header(record));
}

Result<Buffer> SegmentSet::payload(std::uint64_t record) {
  std::string context = fmt::format("payload of record {}", record);
  auto segment = TRY(this->segment(SegmentKind::payloads, record / segment_records));
  auto located = segment->find(record);
  if (!located || located->place.first_record != record) {
    if (segment->hole()) return with_context(*segment->hole(), context + " not found");
    return fail(Code::not_found, context + ": there is none here");
  }
  auto plain = segment->read_frame(*located);
  if (!plain) return with_context(plain.error(), context);
  auto decoded = decode_payload_frame(*plain, segment->number());
  if (!decoded) {
    return with_context(segment->damaged(located->place.position, decoded.error()), context);
  }
  if (decoded->record != record) {
    return with_context(segment->damaged(located->place.position,
                                         fail(Code::data_loss, "another record's payload")),
                        context);
  }
  return to_buffer(decoded->payload);
}

Result<HeaderFrame> SegmentSet::read_ahead(const Segment& segment, ReadWindow& window,
                                           const Segment::Located& located) {
  auto extent = static_cast<std::size_t>(std::min<std::uint64_t>(
      located.limit - located.place.position, frame_plain_max + frame_overhead));
  std::size_t size = 0;
  auto bytes = window.at(located.place.position, extent);
  // A read that fails may do so for other bytes of the window: then this frame by itself.
  Buffer plain = bytes ? TRY(segment.open_frame(located.place, *bytes, size))
                       : TRY(segment.read_frame(located));
  auto frame = HeaderFrame::decode(std::move(plain), segment.number());
  if (frame && frame->first() == located.place.first_record) return frame;
  return segment.damaged(located.place.position,
                         frame ? fail(Code::data_loss, "another record's frame") : frame.error());
}

Result<bool> SegmentSet::scan(std::uint64_t first, std::uint64_t last,
                              const RecordStore::Visit& visit,
                              const RecordStore::Damaged* damaged) {
  std::uint64_t next = first;
  std::optional<Error> error;  // why `next` was not reached
  auto hole_up_to = [&](std::uint64_t end) -> Status {
    if (next >= end) return {};
    if (!error) error = fail(Code::data_loss, "no frame that opens holds them");
    if (damaged == nullptr) return with_context(*error, fmt::format("record {}", next));
    (*damaged)(next, end - next, *error);
    next = end;
    return {};
  };

  auto segment = this->segment(SegmentKind::headers, first / segment_records);
  if (!segment) {
    error = segment.error();
    TRY(hole_up_to(last));
    return true;
  }
  std::uint64_t end = 0;
  std::vector<FramePlace> frames = (*segment)->frames(end);
  ReadWindow window = (*segment)->window(limit_of(frames, last, end));
  auto at = std::ranges::upper_bound(frames, first, {}, &FramePlace::first_record);
  if (at != frames.begin()) --at;
  for (; at != frames.end() && at->first_record < last; ++at) {
    bool is_last = at + 1 == frames.end();
    auto frame = read_ahead(**segment, window, {*at, is_last ? end : (at + 1)->position});
    if (!frame) {
      // The records of a frame that does not open are those up to where the next one begins.
      TRY(hole_up_to(std::min(at->first_record, last)));
      error = frame.error();
      TRY(hole_up_to(is_last ? last : std::min((at + 1)->first_record, last)));
      continue;
    }
    TRY(hole_up_to(std::min(frame->first(), last)));
    error.reset();
    std::uint64_t stop = std::min(frame->end(), last);
    for (; next < stop; ++next) {
      if (!visit(next, frame->header(next))) return false;
    }
  }
  TRY(hole_up_to(last));
  return true;
}

Result<bool> SegmentSet::scan_payloads(std::uint64_t first, std::uint64_t last,
                                       const RecordStore::Visit& visit) {
  auto segment = TRY(this->segment(SegmentKind::payloads, first / segment_records));
  if (segment->hole())
    return with_context(*segment->hole(), fmt::format("payloads of records {} to {}", first, last));
  std::uint64_t end = 0;
  std::vector<FramePlace> frames = segment->frames(end);
  ReadWindow window = segment->window(limit_of(frames, last, end));
  auto at = std::ranges::lower_bound(frames, first, {}, &FramePlace::first_record);
  for (; at != frames.end() && at->first_record < last; ++at) {
    std::string context = fmt::format("payload of record {}", at->first_record);
    std::uint64_t limit = at + 1 == frames.end() ? end : (at + 1)->position;
    auto bytes =
        window.at(at->position, static_cast<std::size_t>(std::min<std::uint64_t>(
                                    limit - at->position, frame_plain_max + frame_overhead)));
    if (!bytes) return with_context(segment->damaged(at->position, bytes.error()), context);
    std::size_t size = 0;
    auto plain = segment->open_frame(*at, *bytes, size);
    if (!plain) return with_context(plain.error(), context);
    auto decoded = decode_payload_frame(*plain, segment->number());
    if (!decoded || decoded->record != at->first_record) {
      Error error = decoded ? fail(Code::data_loss, "another record's payload") : decoded.error();
      return with_context(segment->damaged(at->position, error), context);
    }
    if (!visit(decoded->record, decoded->payload)) return false;
  }
  return true;
}

}  // namespace meridian::storage
