#include "storage/record_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/assert.h"
#include "proof/merkle.h"
#include "storage/internal/file_names.h"
#include "storage/internal/segment_replacement.h"
#include "storage/internal/segment_set.h"

namespace meridian::storage {
namespace {

constexpr std::uint64_t segment_number_max = proof::tree_size_max / segment_records;
constexpr std::array kinds{SegmentKind::headers, SegmentKind::payloads};

Result<std::vector<std::uint64_t>> segment_numbers(io::Disk& disk, SegmentKind kind) {
  std::vector<std::uint64_t> numbers;
  std::string_view directory = segment_directory(kind);
  if (!TRY(disk.exists(directory))) return numbers;
  for (const std::string& name : TRY(disk.list(directory))) {
    auto number = number_of(name, ".seg");
    if (number && *number < segment_number_max) numbers.push_back(*number);
  }
  return numbers;
}

class FileRecordStore final : public RecordStore {
 public:
  FileRecordStore(const SealedContext& context, bool read_only)
      : context_(context), read_only_(read_only), segments_(context) {}

  Status start(std::uint64_t record_count) {
    for (SegmentKind kind : kinds) {
      TRY(context_.disk.make_directory(segment_directory(kind)));
      TRY(drop_beside(kind));
      TRY(drop_behind(kind, record_count));
    }
    TRY(context_.disk.sync_directory(""));
    count_ = record_count;
    std::uint64_t last = record_count / segment_records;
    if (record_count % segment_records != 0) {
      for (SegmentKind kind : kinds) {
        auto segment = Segment::recover(context_, kind, last, record_count);
        if (!segment) return unusable(segment.error(), kind, last * segment_records);
        segments_.set_open(kind, *segment);
        (kind == SegmentKind::headers ? headers_ : payloads_) = *segment;
      }
    } else if (last > 0) {
      auto segment = TRY(segments_.segment(SegmentKind::headers, last - 1));
      std::uint64_t end = TRY(segment->record_end());
      if (end < record_count) {
        return fail(Code::data_loss,
                    fmt::format("record {} is missing ({} were there): {}", end, record_count,
                                segment_path(SegmentKind::headers, last - 1)));
      }
    }
    return {};
  }

  /// Counts what is there. Damage that hides how much there was still shows as a record to read.
  Status start_read_only() {
    auto headers = TRY(segment_numbers(context_.disk, SegmentKind::headers));
    auto payloads = TRY(segment_numbers(context_.disk, SegmentKind::payloads));
    if (headers.empty() && payloads.empty()) return {};
    std::uint64_t last = 0;
    if (!headers.empty()) last = headers.back();
    if (!payloads.empty()) last = std::max(last, payloads.back());
    last_number_ = last;
    count_ = last * segment_records + 1;
    auto segment = segments_.segment(SegmentKind::headers, last);
    if (!segment) return {};
    count_ = TRY((*segment)->record_end());
    return {};
  }

  std::uint64_t count() const override { return count_.load(std::memory_order_acquire); }

  Status append(const Appended& records) override {
    ASSERT(!read_only_);
    std::lock_guard lock(writer_);
    if (failed_) {
      return fail(Code::failed_precondition,
                  "the record store stopped after an error; restart the process");
    }
    check_appended(records, count());
    Status done = append_all(records);
    if (!done) failed_ = true;
    return done;
  }

  Status sync() override {
    std::vector<std::shared_ptr<Segment>> dirty;
    bool created = false;
    {
      std::lock_guard lock(writer_);
      if (failed_) {
        return fail(Code::failed_precondition,
                    "the record store stopped after an error; restart the process");
      }
      if (payloads_ != nullptr && std::ranges::count(dirty_, payloads_) != 0) {
        payloads_->add_sync_mark(count());
        Status flushed = payloads_->flush();
        if (!flushed) {
          failed_ = true;
          return flushed;
        }
      }
      dirty.swap(dirty_);
      created = std::exchange(created_, false);
    }
    Status done = sync_files(dirty, created);
    if (!done) failed_ = true;
    return done;
  }

  Result<Buffer> header(std::uint64_t record) override {
    TRY(check_range(record, record + 1));
    return told(record / segment_records, segments_.header(record));
  }

  Result<Buffer> payload(std::uint64_t record) override {
    TRY(check_range(record, record + 1));
    return told(record / segment_records, segments_.payload(record));
  }

  Status scan(std::uint64_t first, std::uint64_t last, const Visit& visit) override {
    TRY(check_range(first, last));
    while (first < last) {
      std::uint64_t end = std::min(last, (first / segment_records + 1) * segment_records);
      if (!TRY(told(first / segment_records, segments_.scan(first, end, visit, nullptr))))
        return {};
      first = end;
    }
    return {};
  }

  Status scan_payloads(std::uint64_t first, std::uint64_t last, const Visit& visit) override {
    TRY(check_range(first, last));
    while (first < last) {
      std::uint64_t end = std::min(last, (first / segment_records + 1) * segment_records);
      if (!TRY(told(first / segment_records, segments_.scan_payloads(first, end, visit))))
        return {};
      first = end;
    }
    return {};
  }

  Status scan_all(std::uint64_t first, std::uint64_t last, const Visit& visit,
                  const Damaged& damaged) override {
    TRY(check_range(first, last));
    while (first < last) {
      std::uint64_t end = std::min(last, (first / segment_records + 1) * segment_records);
      if (!TRY(segments_.scan(first, end, visit, &damaged))) return {};
      tell_damage_beside(first / segment_records, damaged);
      first = end;
    }
    // An unfinished last segment without a single record.
    if (last == count() && last % segment_records == 0 && last / segment_records == last_number_) {
      tell_damage_beside(last_number_, damaged);
    }
    return {};
  }

  Result<crypto::Digest> segment_root(std::uint64_t number) override {
    TRY(check_finished(number));
    auto segment = TRY(segments_.segment(SegmentKind::headers, number));
    if (!segment->finished()) return *segment->directory_error();
    return segment->root();
  }

  void on_damage(std::function<void(std::uint64_t)> seen) override {
    damage_seen_ = std::move(seen);
  }

  void forget_segment(std::uint64_t number) override {
    for (SegmentKind kind : kinds) segments_.forget(kind, number);
  }

  Result<std::unique_ptr<Replacement>> replace_segment(std::uint64_t number) override {
    ASSERT(!read_only_);
    TRY(check_finished(number));
    return SegmentReplacement::begin(context_, segments_, number);
  }

 private:
  Status check_finished(std::uint64_t number) const {
    if (number < count() / segment_records) return {};
    return fail(Code::out_of_range,
                fmt::format("segment {} is not finished: there are {} records", number, count()));
  }

  /// Tells who wants to know of it that a finished segment could not be read.
  template <typename Outcome>
  Outcome told(std::uint64_t number, Outcome outcome) {
    bool is_damage = !outcome && (outcome.error().code == Code::data_loss ||
                                  outcome.error().code == Code::internal);
    if (is_damage && damage_seen_ && check_finished(number)) damage_seen_(number);
    return outcome;
  }

  /// Removes what was to take the place of a segment and did not get there.
  Status drop_beside(SegmentKind kind) {
    for (const std::string& name : TRY(context_.disk.list(segment_directory(kind)))) {
      if (!number_of(name, ".seg.new")) continue;
      TRY(context_.disk.remove(fmt::format("{}/{}", segment_directory(kind), name)));
    }
    return {};
  }

  /// Removes segments of records at or past `record_count`; names the first missing one below.
  Status drop_behind(SegmentKind kind, std::uint64_t record_count) {
    std::uint64_t kept = (record_count + segment_records - 1) / segment_records;
    std::uint64_t expected = 0;
    bool removed = false;
    for (std::uint64_t number : TRY(segment_numbers(context_.disk, kind))) {
      if (number >= kept) {
        TRY(context_.disk.remove(segment_path(kind, number)));
        removed = true;
        continue;
      }
      if (number != expected) break;
      ++expected;
    }
    if (expected < kept) {
      return unusable(fail(Code::data_loss, "the file is missing"), kind,
                      expected * segment_records);
    }
    if (removed) TRY(context_.disk.sync_directory(segment_directory(kind)));
    return {};
  }

  Error unusable(Error error, SegmentKind kind, std::uint64_t record) {
    if (error.code == Code::not_found) error.code = Code::data_loss;
    return with_context(
        error, fmt::format("{} from record {} on ({})", segment_directory(kind), record,
                           context_.disk.display(segment_path(kind, record / segment_records))));
  }

  Status check_range(std::uint64_t first, std::uint64_t last) const {
    if (first > last || last > count()) {
      return fail(Code::out_of_range,
                  fmt::format("records {} to {}: there are {}", first, last, count()));
    }
    return {};
  }

  Status append_all(Appended rest) {
    while (!rest.sizes.empty()) {
      std::uint64_t first = count();
      if (headers_ == nullptr) TRY(begin_segment(first / segment_records));
      auto taken = static_cast<std::size_t>(
          std::min<std::uint64_t>(rest.sizes.size(), segment_records - first % segment_records));
      std::uint64_t end = first + taken;
      std::size_t bytes = 0;
      for (std::uint16_t size : rest.sizes.first(taken)) bytes += size;
      headers_->add_headers(first, rest.sizes.first(taken), rest.headers.first(bytes));
      rest.sizes = rest.sizes.subspan(taken);
      rest.headers = rest.headers.subspan(bytes);
      while (!rest.payloads.empty() && rest.payloads.front().record < end) {
        payloads_->add_payload(rest.payloads.front().record, rest.payloads.front().bytes);
        rest.payloads = rest.payloads.subspan(1);
      }
      TRY(flush());
      if (end % segment_records == 0) TRY(finish_segment(rest.segment_roots));
      count_.store(end, std::memory_order_release);
    }
    return {};
  }

  Status begin_segment(std::uint64_t number) {
    headers_ = TRY(Segment::create(context_, SegmentKind::headers, number));
    payloads_ = TRY(Segment::create(context_, SegmentKind::payloads, number));
    segments_.set_open(SegmentKind::headers, headers_);
    segments_.set_open(SegmentKind::payloads, payloads_);
    created_ = true;
    note_dirty(headers_);
    note_dirty(payloads_);  // exists even without payloads: a missing file is always damage
    return {};
  }

  Status flush() {
    if (payloads_->has_added()) note_dirty(payloads_);
    note_dirty(headers_);
    TRY(payloads_->flush());
    return headers_->flush();
  }

  Status finish_segment(std::span<const crypto::Digest>& roots) {
    std::uint64_t number = headers_->number();
    crypto::Digest root{};
    if (roots.empty()) {
      proof::Frontier frontier;
      std::uint64_t first = number * segment_records;
      TRY(segments_.scan(
          first, first + segment_records,
          [&](std::uint64_t, Bytes header) {
            frontier.append(proof::leaf_hash(header));
            return true;
          },
          nullptr));
      root = frontier.root();
    } else {
      root = roots.front();
      roots = roots.subspan(1);
    }
    headers_->finish(root);
    payloads_->finish({});
    note_dirty(payloads_);
    TRY(flush());
    headers_.reset();  // stays what readers see until the next one begins
    payloads_.reset();
    return {};
  }

  void note_dirty(const std::shared_ptr<Segment>& segment) {
    if (std::ranges::count(dirty_, segment) == 0) dirty_.push_back(segment);
  }

  Status sync_files(const std::vector<std::shared_ptr<Segment>>& dirty, bool created) {
    for (const auto& segment : dirty) TRY(segment->sync());
    if (!created) return {};
    for (SegmentKind kind : kinds) {
      TRY(context_.disk.sync_directory(segment_directory(kind)));
    }
    return {};
  }

  /// Damage of a segment that the records' own frames do not show.
  void tell_damage_beside(std::uint64_t number, const Damaged& damaged) {
    bool unfinished = count() < (number + 1) * segment_records;
    for (SegmentKind kind : kinds) {
      std::uint64_t first = number * segment_records;
      auto segment = segments_.segment(kind, number);
      if (!segment) {
        if (kind == SegmentKind::payloads) damaged(first, 0, segment.error());
        continue;  // headers: the scan told
      }
      const auto& error = unfinished ? (*segment)->hole() : (*segment)->directory_error();
      if (error) damaged(first, 0, *error);
    }
  }

  SealedContext context_;
  const bool read_only_;
  SegmentSet segments_;
  std::atomic<std::uint64_t> count_ = 0;
  std::uint64_t last_number_ = 0;  // read-only: of the last segment file
  std::function<void(std::uint64_t)> damage_seen_;

  std::mutex writer_;  // guards the rest
  std::shared_ptr<Segment> headers_;
  std::shared_ptr<Segment> payloads_;
  std::vector<std::shared_ptr<Segment>> dirty_;
  bool created_ = false;
  std::atomic<bool> failed_ = false;
};

}  // namespace

Result<std::unique_ptr<RecordStore>> RecordStore::open(const SealedContext& context,
                                                       std::uint64_t record_count) {
  auto store = std::make_unique<FileRecordStore>(context, false);
  TRY(store->start(record_count));
  return store;
}

Result<std::unique_ptr<RecordStore>> RecordStore::open_read_only(const SealedContext& context) {
  auto store = std::make_unique<FileRecordStore>(context, true);
  TRY(store->start_read_only());
  return store;
}

}  // namespace meridian::storage
