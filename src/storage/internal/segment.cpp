#include "storage/internal/segment.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "storage/internal/file_names.h"

namespace meridian::storage {
namespace {

constexpr std::string_view suffix = ".seg";
constexpr std::string_view suffix_beside = ".new";
constexpr std::size_t trailer_frame_size = frame_overhead + trailer_plain_size;
constexpr std::uint64_t writeback_step = 1 << 20;

Purpose purpose_of(SegmentKind kind) {
  return kind == SegmentKind::headers ? Purpose::headers : Purpose::payloads;
}

}  // namespace

std::string_view segment_directory(SegmentKind kind) {
  return kind == SegmentKind::headers ? "headers" : "payloads";
}

std::string segment_path(SegmentKind kind, std::uint64_t number) {
  return fmt::format("{}/{}", segment_directory(kind), numbered_name(number, suffix));
}

Segment::Segment(const SealedContext& context, SegmentKind kind, std::uint64_t number,
                 std::unique_ptr<io::File> file, FrameSealer sealer)
    : kind_(kind),
      number_(number),
      display_(context.disk.display(segment_path(kind, number))),
      file_(std::move(file)),
      sealer_(std::move(sealer)),
      reader_origin_(sealer_.clone()) {}

std::string segment_path_beside(SegmentKind kind, std::uint64_t number) {
  return segment_path(kind, number).append(suffix_beside);
}

std::uint32_t Segment::tag_records() const {
  return kind_ == SegmentKind::headers ? tag_headers : tag_payload;
}
std::uint32_t Segment::tag_directory() const {
  return kind_ == SegmentKind::headers ? tag_header_directory : tag_payload_directory;
}

Result<std::shared_ptr<Segment>> Segment::create(const SealedContext& context, SegmentKind kind,
                                                 std::uint64_t number) {
  return create_at(context, segment_path(kind, number), kind, number);
}

Result<std::shared_ptr<Segment>> Segment::create_beside(const SealedContext& context,
                                                        SegmentKind kind, std::uint64_t number) {
  return create_at(context, segment_path_beside(kind, number), kind, number);
}

Result<std::shared_ptr<Segment>> Segment::create_at(const SealedContext& context,
                                                    const std::string& path, SegmentKind kind,
                                                    std::uint64_t number) {
  auto file = TRY(context.disk.open(path, io::OpenMode::create));
  FreshHeader header;
  auto sealer = TRY(FrameSealer::create(context, purpose_of(kind), number, header));
  TRY(file->write_at(0, header.bytes));
  return std::shared_ptr<Segment>(
      new Segment(context, kind, number, std::move(file), std::move(sealer)));
}

Result<std::shared_ptr<Segment>> Segment::open_file(const SealedContext& context, SegmentKind kind,
                                                    std::uint64_t number, io::OpenMode mode) {
  std::string path = segment_path(kind, number);
  auto file = TRY(context.disk.open(path, mode));
  Buffer header(sealed_file_header_size);
  header.resize(TRY(file->read_at(0, header)));
  auto sealer = FrameSealer::open(context, purpose_of(kind), number, header);
  if (!sealer) return with_context(sealer.error(), context.disk.display(path));
  return std::shared_ptr<Segment>(
      new Segment(context, kind, number, std::move(file), std::move(*sealer)));
}

Result<std::shared_ptr<Segment>> Segment::open(const SealedContext& context, SegmentKind kind,
                                               std::uint64_t number) {
  auto segment = TRY(open_file(context, kind, number, io::OpenMode::read));
  std::uint64_t size = TRY(segment->file_->size());
  Status loaded = segment->load_directory(size);
  if (loaded) return segment;
  if (loaded.error().code != Code::data_loss) return loaded.error();
  segment->directory_error_ = loaded.error();
  TRY(segment->rebuild(size));
  return segment;
}

Result<std::shared_ptr<Segment>> Segment::recover(const SealedContext& context, SegmentKind kind,
                                                  std::uint64_t number,
                                                  std::uint64_t record_count) {
  auto segment = TRY(open_file(context, kind, number, io::OpenMode::read_write));
  std::uint64_t size = TRY(segment->file_->size());
  TRY(segment->recover_frames(size, record_count));
  if (kind == SegmentKind::headers && TRY(segment->record_end()) > record_count) {
    TRY(segment->replace_without_rest(context, record_count));
    return recover(context, kind, number, record_count);
  }
  TRY(segment->cut(size));
  return segment;
}

void Segment::add(std::uint64_t first_record, Bytes plain) {
  added_frames_.push_back({first_record, end_ + added_.size()});
  sealer_.seal(end_ + added_.size(), tag_records(), plain, added_);
}

void Segment::add_headers(std::uint64_t first_record, std::span<const std::uint16_t> sizes,
                          Bytes headers) {
  while (!sizes.empty()) {
    auto count = static_cast<std::size_t>(
        std::min<std::uint64_t>(sizes.size(), bundle_records - first_record % bundle_records));
    std::size_t bytes = 0;
    for (std::uint16_t size : sizes.first(count)) bytes += size;
    encode_header_frame(first_record, sizes.first(count), headers.first(bytes), plain_);
    add(first_record, plain_);
    headers = headers.subspan(bytes);
    sizes = sizes.subspan(count);
    first_record += count;
  }
}

void Segment::add_payload(std::uint64_t record, Bytes payload) {
  encode_payload_frame(record, payload, plain_);
  add(record, plain_);
}

void Segment::add_sync_mark(std::uint64_t record_count) {
  Buffer plain;
  encode_sync_mark(record_count, plain);
  sealer_.seal(end_ + added_.size(), tag_sync_mark, plain, added_);
}

void Segment::finish(const crypto::Digest& root) {
  Directory whole = directory_;
  whole.frames.insert(whole.frames.end(), added_frames_.begin(), added_frames_.end());
  whole.root = root;
  Buffer plain;
  encode_directory(whole, plain);
  std::uint64_t position = end_ + added_.size();
  sealer_.seal(position, tag_directory(), plain, added_);
  encode_trailer({position, (number_ + 1) * segment_records}, plain);
  sealer_.seal(end_ + added_.size(), tag_trailer, plain, added_);
  added_root_ = root;
}

Status Segment::flush() {
  if (added_.empty()) return {};
  TRY(file_->write_at(end_, added_));
  begin_writeback(end_ + added_.size());
  std::unique_lock lock(mutex_);
  directory_.frames.insert(directory_.frames.end(), added_frames_.begin(), added_frames_.end());
  end_ += added_.size();
  if (added_root_) {
    directory_.root = *added_root_;
    finished_ = true;
  }
  added_frames_.clear();
  added_.clear();
  added_root_.reset();
  return {};
}

/// A checkpoint syncs 32 segments at once: without this it would find most of them unwritten. Not
/// for every small write, which would make the log's next sync wait for a block that changes again.
void Segment::begin_writeback(std::uint64_t end) {
  if (!added_root_ && end - writing_back_from_ < writeback_step) return;
  file_->begin_writeback(writing_back_from_, end - writing_back_from_);
  writing_back_from_ = end;
}

Status Segment::sync() { return file_->sync(); }

std::optional<Segment::Located> Segment::find(std::uint64_t record) const {
  std::shared_lock lock(mutex_);
  const auto& frames = directory_.frames;
  auto after = std::ranges::upper_bound(frames, record, {}, &FramePlace::first_record);
  if (after == frames.begin()) return {};
  return Located{*std::prev(after), after == frames.end() ? end_ : after->position};
}

std::vector<FramePlace> Segment::frames(std::uint64_t& end) const {
  std::shared_lock lock(mutex_);
  end = end_;
  return directory_.frames;
}

bool Segment::finished() const {
  std::shared_lock lock(mutex_);
  return finished_;
}

crypto::Digest Segment::root() const {
  std::shared_lock lock(mutex_);
  return directory_.root;
}

Error Segment::damaged(std::uint64_t position, const Error& error) const {
  return fail(error.code, fmt::format("{} at byte {}: {}", display_, position, error.message));
}

Result<FrameSealer::Frame> Segment::unseal(std::uint64_t position, Bytes bytes) const {
  std::optional<FrameSealer> sealer;
  {
    std::lock_guard lock(readers_mutex_);
    if (readers_.empty()) {
      sealer = reader_origin_.clone();
    } else {
      sealer = std::move(readers_.back());
      readers_.pop_back();
    }
  }
  auto frame = sealer->open_frame(position, bytes);
  std::lock_guard lock(readers_mutex_);
  readers_.push_back(std::move(*sealer));
  return frame;
}

Result<Buffer> Segment::open_frame(const FramePlace& place, Bytes bytes, std::size_t& size) const {
  auto frame = unseal(place.position, bytes);
  if (!frame) {
    // Too few bytes for a frame that the directory names: cut off, or its size is damaged.
    Error error = frame.error();
    if (error.code == Code::out_of_range) error.code = Code::data_loss;
    return damaged(place.position, error);
  }
  if (frame->tag_word != tag_records()) {
    return damaged(place.position, fail(Code::data_loss, "another kind of frame stands here"));
  }
  size = frame->size;
  return std::move(frame->plain);
}

Result<Buffer> Segment::read_frame(const Located& located) const {
  std::uint64_t position = located.place.position;
  Buffer bytes(static_cast<std::size_t>(
      std::min<std::uint64_t>(located.limit - position, frame_plain_max + frame_overhead)));
  auto count = file_->read_at(position, bytes);
  if (!count) return damaged(position, count.error());
  std::size_t size = 0;
  return open_frame(located.place, Bytes(bytes).first(*count), size);
}

Result<std::uint64_t> Segment::record_end() const {
  std::uint64_t end = 0;
  std::vector<FramePlace> all = frames(end);
  if (all.empty()) return number_ * segment_records;
  if (finished()) return (number_ + 1) * segment_records;
  Buffer plain = TRY(read_frame({all.back(), end}));
  return TRY(HeaderFrame::decode(std::move(plain), number_)).end();
}

Status Segment::load_directory(std::uint64_t size) {
  if (size < sealed_file_header_size + trailer_frame_size) {
    return fail(Code::data_loss, display_ + ": the segment has no directory yet");
  }
  std::uint64_t trailer_position = size - trailer_frame_size;
  ReadWindow at_end(*file_, size, trailer_frame_size);
  auto end = open_any(at_end, trailer_position);
  if (!end) return damaged(trailer_position, end.error());
  if (end->tag_word != tag_trailer) {
    return damaged(trailer_position, fail(Code::data_loss, "no trailer stands here"));
  }
  auto trailer = decode_trailer(end->plain, number_);
  if (!trailer) return damaged(trailer_position, trailer.error());
  auto frame = open_any(at_end, trailer->directory_position);
  if (!frame) return damaged(trailer->directory_position, frame.error());
  if (frame->tag_word != tag_directory()) {
    return damaged(trailer->directory_position, fail(Code::data_loss, "no directory stands here"));
  }
  auto directory = decode_directory(frame->plain, number_);
  if (!directory) return damaged(trailer->directory_position, directory.error());
  directory_ = std::move(*directory);
  end_ = trailer->directory_position;
  finished_ = true;
  return {};
}

}  // namespace meridian::storage
