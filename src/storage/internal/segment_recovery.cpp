// Reading a segment without its directory: frame by frame, and past damage by looking for the next
// byte at which a frame opens (a false one would need a forged GCM tag).
#include <fmt/format.h>

#include "storage/internal/segment.h"

namespace meridian::storage {
namespace {

bool is_segment_tag(std::uint32_t tag_word) {
  return (tag_word >= tag_headers && tag_word <= tag_payload_directory) ||
         tag_word == tag_trailer || tag_word == tag_sync_mark;
}

}  // namespace

/// The frame at `position`, of whatever kind. Errors: data_loss if none opens there.
Result<FrameSealer::Frame> Segment::open_any(ReadWindow& window, std::uint64_t position) const {
  Bytes prefix = TRY(window.at(position, frame_prefix_size));
  if (prefix.size() < frame_prefix_size) return fail(Code::data_loss, "the file ends here");
  auto plain_size = load_le<std::uint32_t>(prefix.data());
  if (!is_segment_tag(load_le<std::uint32_t>(prefix.data() + 4)) || plain_size > frame_plain_max ||
      plain_size + frame_overhead > window.size() - position) {
    return fail(Code::data_loss, "no whole frame begins here");
  }
  return unseal(position, TRY(window.at(position, plain_size + frame_overhead)));
}

/// The next position at or after `from` at which a frame opens.
Result<std::optional<std::uint64_t>> Segment::find_frame(ReadWindow& window,
                                                         std::uint64_t from) const {
  constexpr std::size_t step = 64 << 10;
  constexpr std::size_t prefix = 8;  // size and tag
  while (true) {
    Bytes bytes = TRY(window.at(from, step));
    if (bytes.size() < prefix) return std::optional<std::uint64_t>{};
    std::size_t i = 0;
    while (i + prefix <= bytes.size() && !is_segment_tag(load_le<std::uint32_t>(&bytes[i + 4]))) {
      ++i;
    }
    from += i;
    if (i + prefix > bytes.size()) continue;
    auto frame = open_any(window, from);
    if (frame) return std::optional<std::uint64_t>{from};
    if (frame.error().code != Code::data_loss) return frame.error();
    ++from;
  }
}

/// Fills the directory with every frame that opens.
Status Segment::rebuild(std::uint64_t size) {
  ReadWindow window(*file_, size);
  std::uint64_t position = sealed_file_header_size;
  while (position < size) {
    auto frame = open_any(window, position);
    if (!frame) {
      if (frame.error().code != Code::data_loss) return damaged(position, frame.error());
      if (!hole_) hole_ = damaged(position, frame.error());
      auto next = TRY(find_frame(window, position + 1));
      if (!next) break;
      position = *next;
      continue;
    }
    if (frame->tag_word == tag_records() && frame->plain.size() >= sizeof(std::uint64_t)) {
      auto first = load_le<std::uint64_t>(frame->plain.data());
      bool ascending = directory_.frames.empty() || first > directory_.frames.back().first_record;
      if (first / segment_records == number_ && ascending) {
        directory_.frames.push_back({first, position});
      }
    }
    position += frame->size;
    end_ = position;
  }
  return {};
}

// Header frames are dense: the first one that does not open, or leaves a gap, is the first missing
// record. Payloads are not: after one that does not open, a later frame of a record below
// record_count, or a sync mark up to it, shows that it had been synced.
Status Segment::recover_frames(std::uint64_t size, std::uint64_t record_count) {
  ReadWindow window(*file_, size, 4 << 20);
  std::uint64_t next = number_ * segment_records;
  std::uint64_t position = sealed_file_header_size;
  bool dense = kind_ == SegmentKind::headers;
  while (!dense || next < record_count) {
    auto frame = open_any(window, position);
    if (!frame) {
      if (frame.error().code != Code::data_loss) return damaged(position, frame.error());
      return check_rest(window, position, next, record_count, frame.error());
    }
    std::uint64_t end = position + frame->size;
    if (frame->tag_word == tag_records()) {
      std::uint64_t first = 0;
      std::uint64_t after = 0;
      if (dense) {
        auto headers = HeaderFrame::decode(std::move(frame->plain), number_);
        if (!headers) return damaged(position, headers.error());
        first = headers->first();
        after = headers->end();
      } else {
        auto payload = decode_payload_frame(frame->plain, number_);
        if (!payload) return damaged(position, payload.error());
        first = payload->record;
        after = first + 1;
        if (first >= record_count) return {};
      }
      bool in_order = dense ? first == next : first >= next;
      if (!in_order) {
        return damaged(position, fail(Code::data_loss, fmt::format("record {} is missing", next)));
      }
      directory_.frames.push_back({first, position});
      next = after;
    } else if (frame->tag_word != tag_sync_mark) {
      if (!dense) return {};  // the directory: no payload follows
      return damaged(position, fail(Code::data_loss, fmt::format("record {} is missing", next)));
    }
    position = end;
    end_ = end;
  }
  return {};
}

Status Segment::check_rest(ReadWindow& window, std::uint64_t from, std::uint64_t next_record,
                           std::uint64_t record_count, const Error& why) const {
  if (kind_ == SegmentKind::headers) {
    return damaged(from,
                   fail(Code::data_loss, fmt::format("record {} is missing ({} were there): {}",
                                                     next_record, record_count, why.message)));
  }
  std::uint64_t position = from + 1;
  while (auto found = TRY(find_frame(window, position))) {
    auto frame = TRY(open_any(window, *found));
    std::uint64_t below = 0;
    if (frame.tag_word == tag_sync_mark) {
      std::uint64_t mark = TRY(decode_sync_mark(frame.plain));
      if (mark <= record_count) below = mark;
    } else if (frame.tag_word == tag_payload) {
      std::uint64_t record = TRY(decode_payload_frame(frame.plain, number_)).record;
      if (record < record_count) below = record;
    }
    if (below != 0) {
      return damaged(from,
                     fail(Code::data_loss,
                          fmt::format("a payload of the records {} to {} is damaged: {}; repair "
                                      "from a peer or a backup",
                                      next_record, below - 1, why.message)));
    }
    position = *found + frame.size;
  }
  return {};
}

// A checkpoint inside the last frame: a copy without that frame's rest takes the file's place.
// (Were the rest left there to be overruled by what follows, damage of that would bring it back.)
Status Segment::replace_without_rest(const SealedContext& context, std::uint64_t record_count) {
  std::string path = segment_path(kind_, number_);
  std::string copy_path = segment_path_beside(kind_, number_);
  if (TRY(context.disk.exists(copy_path))) TRY(context.disk.remove(copy_path));
  SealedWriter copy = TRY(SealedWriter::create(context, copy_path, Purpose::headers, number_));
  std::uint64_t end = 0;
  std::vector<FramePlace> all = frames(end);
  for (std::size_t i = 0; i < all.size(); ++i) {
    Located located{all[i], i + 1 < all.size() ? all[i + 1].position : end};
    Buffer plain = TRY(read_frame(located));
    if (i + 1 == all.size())
      plain = TRY(HeaderFrame::decode(std::move(plain), number_)).first_part(record_count);
    TRY(copy.append(tag_headers, plain));
  }
  TRY(copy.sync());
  TRY(context.disk.rename(copy_path, path));
  return context.disk.sync_directory(segment_directory(kind_));
}

Status Segment::cut(std::uint64_t size) {
  if (size == end_) return {};
  TRY(file_->truncate(end_));
  return file_->sync();  // what was cut must not come back behind what is written now
}

}  // namespace meridian::storage
