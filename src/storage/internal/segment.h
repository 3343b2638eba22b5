// One segment file, of headers or payloads: the frames in it, and where which record begins.
//
// One thread adds (add, flush, finish); sync and all const calls may run beside it in any thread
// and see what was flushed. The directory of an unfinished segment is in memory only; it is read
// back frame by frame after a start.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "storage/internal/read_window.h"
#include "storage/internal/segment_frames.h"
#include "storage/sealed_file.h"

namespace meridian::storage {

std::string_view segment_directory(SegmentKind kind);  ///< "headers" or "payloads"
std::string segment_path(SegmentKind kind, std::uint64_t number);
/// Where a file is written that will take the place of the one at segment_path().
std::string segment_path_beside(SegmentKind kind, std::uint64_t number);

class Segment {
 public:
  static Result<std::shared_ptr<Segment>> create(const SealedContext& context, SegmentKind kind,
                                                 std::uint64_t number);
  /// The same at segment_path_beside().
  static Result<std::shared_ptr<Segment>> create_beside(const SealedContext& context,
                                                        SegmentKind kind, std::uint64_t number);
  /// By its directory, or, if that does not open, by reading every frame that does; then
  /// directory_error() is set. Errors: not_found; data_loss if its header does not open.
  static Result<std::shared_ptr<Segment>> open(const SealedContext& context, SegmentKind kind,
                                               std::uint64_t number);
  /// To go on writing: reads all frames of records below `record_count` and cuts the file behind
  /// them. Errors: data_loss naming the records that are damaged or missing.
  static Result<std::shared_ptr<Segment>> recover(const SealedContext& context, SegmentKind kind,
                                                  std::uint64_t number, std::uint64_t record_count);

  // Writing.
  /// Adds a frame of records from `first_record` on; to be seen after flush().
  void add(std::uint64_t first_record, Bytes plain);
  /// Frames of the headers of consecutive records.
  void add_headers(std::uint64_t first_record, std::span<const std::uint16_t> sizes, Bytes headers);
  void add_payload(std::uint64_t record, Bytes payload);
  void add_sync_mark(std::uint64_t record_count);
  void finish(const crypto::Digest& root);  ///< Adds directory and trailer.
  bool has_added() const { return !added_.empty(); }
  Status flush();  ///< One write of all that was added.
  Status sync();

  // Reading.
  struct Located {
    FramePlace place;
    std::uint64_t limit;  ///< The frame ends at or before this byte.
  };
  /// The frame that holds `record` if the segment does; none if it begins later.
  std::optional<Located> find(std::uint64_t record) const;
  /// All frames of records so far, and the end of what was flushed.
  std::vector<FramePlace> frames(std::uint64_t& end) const;
  /// Errors: data_loss naming file and position.
  Result<Buffer> read_frame(const Located& located) const;
  /// The same from bytes that were read at place.position.
  Result<Buffer> open_frame(const FramePlace& place, Bytes bytes, std::size_t& size) const;
  ReadWindow window(std::uint64_t end) const { return {*file_, end, 4 << 20}; }

  std::uint64_t number() const { return number_; }
  /// Tells files of one number apart; set before others see it (segment_set.h).
  std::uint64_t version() const { return version_; }
  void set_version(std::uint64_t version) { version_ = version; }
  bool finished() const;
  crypto::Digest root() const;  ///< Of a finished header segment.
  /// One past the last record of the last frame; headers only.
  Result<std::uint64_t> record_end() const;
  const std::optional<Error>& directory_error() const { return directory_error_; }
  /// Set if, without a directory, some bytes opened as no frame.
  const std::optional<Error>& hole() const { return hole_; }
  Error damaged(std::uint64_t position, const Error& error) const;

 private:
  Segment(const SealedContext& context, SegmentKind kind, std::uint64_t number,
          std::unique_ptr<io::File> file, FrameSealer sealer);
  static Result<std::shared_ptr<Segment>> create_at(const SealedContext& context,
                                                    const std::string& path, SegmentKind kind,
                                                    std::uint64_t number);
  static Result<std::shared_ptr<Segment>> open_file(const SealedContext& context, SegmentKind kind,
                                                    std::uint64_t number, io::OpenMode mode);
  Result<FrameSealer::Frame> open_any(ReadWindow& window, std::uint64_t position) const;
  Result<std::optional<std::uint64_t>> find_frame(ReadWindow& window, std::uint64_t from) const;
  Result<FrameSealer::Frame> unseal(std::uint64_t position, Bytes bytes) const;
  Status load_directory(std::uint64_t size);
  Status rebuild(std::uint64_t size);
  Status recover_frames(std::uint64_t size, std::uint64_t record_count);
  Status check_rest(ReadWindow& window, std::uint64_t from, std::uint64_t next_record,
                    std::uint64_t record_count, const Error& why) const;
  Status replace_without_rest(const SealedContext& context, std::uint64_t record_count);
  Status cut(std::uint64_t size);
  void begin_writeback(std::uint64_t end);
  std::uint32_t tag_records() const;
  std::uint32_t tag_directory() const;

  const SegmentKind kind_;
  const std::uint64_t number_;
  const std::string display_;  // for messages
  const std::unique_ptr<io::File> file_;
  std::uint64_t version_ = 0;
  std::optional<Error> directory_error_;
  std::optional<Error> hole_;

  FrameSealer sealer_;  // the writer's
  Buffer plain_;        // of the frame being added
  Buffer added_;        // frames not written yet
  std::vector<FramePlace> added_frames_;
  std::optional<crypto::Digest> added_root_;
  std::uint64_t writing_back_from_ = 0;  // what lies below was asked to go to the disk

  mutable std::shared_mutex mutex_;  // guards the next three
  Directory directory_;
  std::uint64_t end_ = sealed_file_header_size;
  bool finished_ = false;

  mutable std::mutex readers_mutex_;
  mutable std::vector<FrameSealer> readers_;  // those not in use now
  FrameSealer reader_origin_;                 // never used itself, only cloned
};

}  // namespace meridian::storage
