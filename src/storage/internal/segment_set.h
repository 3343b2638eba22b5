// All segments of a record store as readers see them: found by number, opened when needed.
//
// Thread-safe. At most `open_max` finished segments are kept open per kind (a directory takes 4
// KiB, at worst 1 MiB), and `bundles_max` opened bundles (75 KiB each).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <shared_mutex>

#include "storage/internal/lru.h"
#include "storage/internal/segment.h"
#include "storage/record_store.h"

namespace meridian::storage {

class SegmentSet {
 public:
  static constexpr std::size_t open_max = 16;
  static constexpr std::size_t bundles_max = 128;

  explicit SegmentSet(const SealedContext& context) : context_(context) {}

  /// The segment being written (or not finished) of each kind; null: none.
  void set_open(SegmentKind kind, std::shared_ptr<Segment> segment);
  /// Errors: data_loss naming its records if the file is missing or its header does not open.
  Result<std::shared_ptr<Segment>> segment(SegmentKind kind, std::uint64_t number);

  /// What is kept open of a finished segment is let go: it is read from the disk again. Who is in
  /// the middle of a read ends it on what was open.
  void forget(SegmentKind kind, std::uint64_t number);
  /// The same; another file has its name now.
  void replaced(SegmentKind kind, std::uint64_t number);

  Result<Buffer> header(std::uint64_t record);
  Result<Buffer> payload(std::uint64_t record);

  /// Headers of [first, last), all of one segment. `damaged` may be null: then damage is an error.
  /// Gives false if `visit` did.
  Result<bool> scan(std::uint64_t first, std::uint64_t last, const RecordStore::Visit& visit,
                    const RecordStore::Damaged* damaged);
  /// Payloads of [first, last), all of one segment. Gives false if `visit` did.
  Result<bool> scan_payloads(std::uint64_t first, std::uint64_t last,
                             const RecordStore::Visit& visit);

 private:
  struct Bundle {
    std::uint64_t segment, version, position;
    auto operator<=>(const Bundle&) const = default;
  };
  Result<HeaderFrame> read_ahead(const Segment& segment, ReadWindow& window,
                                 const Segment::Located& located);

  SealedContext context_;
  void forget_locked(SegmentKind kind, std::uint64_t number);
  std::shared_mutex mutex_;     // guards open_ and versions_, and segments_ against replaced()
  std::uint64_t versions_ = 0;  // files replaced so far
  std::array<std::shared_ptr<Segment>, 2> open_;
  std::array<Lru<std::uint64_t, Segment>, 2> segments_{Lru<std::uint64_t, Segment>(open_max),
                                                       Lru<std::uint64_t, Segment>(open_max)};
  Lru<Bundle, const HeaderFrame> bundles_{bundles_max};
};

}  // namespace meridian::storage
