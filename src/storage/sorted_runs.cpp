// Memory (active, frozen: internal/run_tables.h) and runs on disk (old to new); merged by size in
// tiers of four.
#include "storage/sorted_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <mutex>

#include "base/assert.h"
#include "storage/internal/run_file.h"
#include "storage/internal/run_tables.h"

namespace meridian::storage {

namespace {

constexpr std::size_t runs_per_tier = 4;
constexpr std::size_t reserve_max = 1 << 22;  // keys a fresh table makes room for

/// Size class of a run: 0 below 2^16 keys, then one more for each factor of four.
int tier_of(std::uint64_t pairs) { return static_cast<int>((std::bit_width(pairs >> 16) + 1) / 2); }

using RunList = std::vector<std::shared_ptr<Run>>;

/// Merges runs of disjoint keys into `writer`, one frame of each in memory.
Status merge(const RunList& sources, RunWriter& writer) {
  struct Cursor {
    Run* run;
    std::size_t next_frame = 0;
    std::vector<SortedRuns::Pair> pairs;
    std::size_t at = 0;
  };
  std::vector<Cursor> cursors;
  for (const auto& run : sources) cursors.push_back({run.get(), 0, {}, 0});
  while (true) {
    Cursor* least = nullptr;
    for (Cursor& cursor : cursors) {
      if (cursor.at == cursor.pairs.size()) {
        if (cursor.next_frame == cursor.run->frame_count()) continue;
        cursor.pairs = TRY(cursor.run->read_frame(cursor.next_frame++));
        cursor.at = 0;
      }
      if (least == nullptr || cursor.pairs[cursor.at].key < least->pairs[least->at].key)
        least = &cursor;
    }
    if (least == nullptr) return {};
    TRY(writer.add(least->pairs[least->at++]));
  }
}

/// Up to `count` pairs of one run within [first, last].
Status range_of(Run& run, const RunKey& first, const RunKey& last, std::size_t count, bool reversed,
                std::vector<SortedRuns::Pair>& out) {
  if (run.frame_count() == 0) return {};
  std::size_t found = 0;
  std::size_t frame = run.frame_of(reversed ? last : first);
  while (found < count) {
    std::vector<SortedRuns::Pair> pairs = TRY(run.read_frame(frame));
    if (reversed) std::ranges::reverse(pairs);
    for (const SortedRuns::Pair& pair : pairs) {
      const bool before = pair.key < first;
      const bool after = last < pair.key;
      if (reversed ? before : after) return {};
      if (before || after) continue;
      out.push_back(pair);
      if (++found == count) return {};
    }
    if (reversed ? frame == 0 : frame + 1 == run.frame_count()) return {};
    reversed ? --frame : ++frame;
  }
  return {};
}

template <typename Table>
class SortedRunsOf final : public SortedRuns {
 public:
  SortedRunsOf(const SealedContext& context, Options options)
      : context_(context), options_(std::move(options)) {}

  Status load(Bytes manifest);

  void insert(const RunKey& key, std::uint64_t value) override {
    const std::unique_lock lock = lock_unless_in_batch();
    ASSERT_SLOW(active_->find(key) == nullptr);
    active_->insert(key, value);
  }
  void remove(const RunKey& key) override {
    const std::unique_lock lock = lock_unless_in_batch();
    active_->erase(key);
  }
  void prefetch(const RunKey& key) override {
    active_->prefetch(key);
    const std::uint64_t hash = stable_hash(key);
    for (const auto& run : current().runs) run->filter().prefetch(hash);
  }
  void begin_batch() override {
    ASSERT(!in_batch_);
    table_mutex_.lock();
    in_batch_ = true;
  }
  void end_batch() override {
    ASSERT(in_batch_);
    in_batch_ = false;
    table_mutex_.unlock();
  }
  Result<std::optional<std::uint64_t>> find(const RunKey& key) override;

  void freeze() override {
    ASSERT(!in_batch_);
    const std::lock_guard table_lock(table_mutex_);
    const std::lock_guard lock(mutex_);
    ASSERT(published_.frozen == nullptr);
    auto next = std::make_shared<Table>();
    next->reserve(std::min(active_->size(), reserve_max));  // as many are likely to come again
    published_.frozen = std::move(active_);
    active_ = std::move(next);
    generation_.fetch_add(1, std::memory_order_release);
  }
  Result<Buffer> write_frozen() override;
  Status retire() override;

  Result<std::vector<Pair>> find_range(const RunKey& first, const RunKey& last, std::size_t count,
                                       bool reversed) override;
  std::uint64_t size() const override {
    const std::lock_guard table_lock(table_mutex_);
    const std::lock_guard lock(mutex_);
    std::uint64_t total = active_->size() + (published_.frozen ? published_.frozen->size() : 0);
    for (const auto& run : published_.runs) total += run->pairs();
    return total;
  }
  std::uint64_t memory_bytes() const override {
    const std::lock_guard table_lock(table_mutex_);
    const std::lock_guard lock(mutex_);
    std::uint64_t total = active_->memory_bytes();
    if (published_.frozen) total += published_.frozen->memory_bytes();
    for (const auto& run : published_.runs) total += run->memory_bytes();
    return total;
  }
  std::uint64_t debt_bytes() const override { return debt_.load(std::memory_order_relaxed); }

 private:
  std::unique_lock<std::mutex> lock_unless_in_batch() {
    return in_batch_ ? std::unique_lock<std::mutex>() : std::unique_lock(table_mutex_);
  }
  struct Published {
    std::shared_ptr<const Table> frozen;
    RunList runs;  // old to new
  };
  /// What the apply thread looks at; renewed when write_frozen or freeze published a change.
  const Published& current() {
    if (const std::uint64_t now = generation_.load(std::memory_order_acquire); now != seen_) {
      const std::lock_guard lock(mutex_);
      cached_ = published_;
      seen_ = now;
    }
    return cached_;
  }
  static Result<std::optional<std::uint64_t>> find_published(const Published& now,
                                                             const RunKey& key);
  static Result<std::vector<Pair>> find_one(const Published& now, const RunKey& key,
                                            std::vector<Pair> found);
  Result<std::shared_ptr<Run>> write_run(const std::vector<Pair>& pairs);
  Result<std::shared_ptr<Run>> merge_runs(const RunList& sources);
  Status merge_tiers(RunList& runs);
  Buffer encode_manifest(const RunList& runs) const;
  std::string folder() const { return "index/" + options_.name; }

  SealedContext context_;
  Options options_;

  mutable std::mutex table_mutex_;  // active_'s content, for readers of ranges; before mutex_
  bool in_batch_ = false;           // the writer's: it holds table_mutex_
  std::shared_ptr<Table> active_ = std::make_shared<Table>();

  mutable std::mutex mutex_;
  Published published_;
  std::atomic<std::uint64_t> generation_{1};
  Published cached_;
  std::uint64_t seen_ = 0;

  std::uint64_t next_number_ = 1;  // write_frozen's thread
  std::atomic<std::uint64_t> debt_{0};
};

// manifest = key_size(4) run_count(4) next_number(8) then run_count × { number(8) pairs(8) }
template <typename Table>
Status SortedRunsOf<Table>::load(Bytes manifest) {
  TRY(context_.disk.make_directory(folder()));
  TRY(context_.disk.sync_directory("index"));
  TRY(context_.disk.sync_directory(""));
  if (!manifest.empty()) {
    ByteReader in(manifest);
    const std::uint32_t key_size = in.u32();
    const std::uint32_t count = in.u32();
    next_number_ = in.u64();
    if (!in.ok() || key_size != options_.key_size || in.remaining() != std::uint64_t{count} * 16)
      return fail(Code::data_loss, "the manifest of index " + options_.name + " is malformed");
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint64_t number = in.u64();
      published_.runs.push_back(TRY(Run::open(context_, options_, number, in.u64())));
    }
  }
  return retire();
}

template <typename Table>
Result<std::optional<std::uint64_t>> SortedRunsOf<Table>::find(const RunKey& key) {
  if (const std::uint64_t* value = active_->find(key)) return std::optional{*value};
  return find_published(current(), key);
}

template <typename Table>
Result<std::optional<std::uint64_t>> SortedRunsOf<Table>::find_published(const Published& now,
                                                                         const RunKey& key) {
  if (now.frozen)
    if (const std::uint64_t* value = now.frozen->find(key)) return std::optional{*value};
  const std::uint64_t hash = stable_hash(key);
  for (auto run = now.runs.rbegin(); run != now.runs.rend(); ++run) {
    if (!(*run)->filter().may_contain(hash)) continue;
    const std::optional<std::uint64_t> value = TRY((*run)->find(key));
    if (value) return value;
  }
  return std::optional<std::uint64_t>{};
}

template <typename Table>
Result<std::shared_ptr<Run>> SortedRunsOf<Table>::write_run(const std::vector<Pair>& pairs) {
  const std::uint64_t number = next_number_++;
  RunWriter writer = TRY(RunWriter::create(context_, options_, number, pairs.size()));
  for (const Pair& pair : pairs) TRY(writer.add(pair));
  TRY(writer.finish());
  return Run::open(context_, options_, number, pairs.size());
}

template <typename Table>
Result<std::shared_ptr<Run>> SortedRunsOf<Table>::merge_runs(const RunList& sources) {
  std::uint64_t pairs = 0;
  for (const auto& run : sources) pairs += run->pairs();
  const std::uint64_t number = next_number_++;
  RunWriter writer = TRY(RunWriter::create(context_, options_, number, pairs));
  TRY(merge(sources, writer));
  TRY(writer.finish());
  return Run::open(context_, options_, number, pairs);
}

template <typename Table>
Status SortedRunsOf<Table>::merge_tiers(RunList& runs) {
  while (runs.size() >= runs_per_tier) {
    const auto first = runs.end() - static_cast<std::ptrdiff_t>(runs_per_tier);
    const int tier = tier_of(runs.back()->pairs());
    const bool same = std::all_of(first, runs.end(),
                                  [&](const auto& run) { return tier_of(run->pairs()) <= tier; });
    if (!same) break;
    const RunList sources(first, runs.end());
    std::uint64_t owed = 0;
    for (const auto& run : sources) owed += run->pairs() * (options_.key_size + 8);
    debt_.store(owed, std::memory_order_relaxed);
    std::shared_ptr<Run> merged = TRY(merge_runs(sources));
    runs.erase(first, runs.end());
    runs.push_back(std::move(merged));
  }
  debt_.store(0, std::memory_order_relaxed);
  return {};
}

template <typename Table>
Result<Buffer> SortedRunsOf<Table>::write_frozen() {
  RunList runs;
  std::shared_ptr<const Table> frozen;
  {
    const std::lock_guard lock(mutex_);
    runs = published_.runs;
    frozen = published_.frozen;
  }
  if (frozen && frozen->size() > 0) {
    runs.push_back(TRY(write_run(frozen->sorted())));
    TRY(merge_tiers(runs));
    TRY(context_.disk.sync_directory(folder()));
  }
  Buffer manifest = encode_manifest(runs);
  const std::lock_guard lock(mutex_);
  published_ = {nullptr, std::move(runs)};
  generation_.fetch_add(1, std::memory_order_release);
  return manifest;
}

template <typename Table>
Buffer SortedRunsOf<Table>::encode_manifest(const RunList& runs) const {
  Buffer manifest;
  ByteWriter out(manifest);
  out.u32(static_cast<std::uint32_t>(options_.key_size));
  out.u32(static_cast<std::uint32_t>(runs.size()));
  out.u64(next_number_);
  for (const auto& run : runs) {
    out.u64(run->number());
    out.u64(run->pairs());
  }
  return manifest;
}

template <typename Table>
Status SortedRunsOf<Table>::retire() {
  std::vector<std::string> named;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& run : published_.runs)
      named.push_back(fmt::format("{:016x}.run", run->number()));
  }
  for (const std::string& file : TRY(context_.disk.list(folder())))
    if (std::ranges::find(named, file) == named.end())
      TRY(context_.disk.remove(folder() + "/" + file));
  return {};
}

/// A single key in what was published, if `found` does not hold it yet.
template <typename Table>
Result<std::vector<SortedRuns::Pair>> SortedRunsOf<Table>::find_one(const Published& now,
                                                                    const RunKey& key,
                                                                    std::vector<Pair> found) {
  if (!found.empty()) return found;
  const std::optional<std::uint64_t> value = TRY(find_published(now, key));
  if (value) found.push_back({key, *value});
  return found;
}

template <typename Table>
Result<std::vector<SortedRuns::Pair>> SortedRunsOf<Table>::find_range(const RunKey& first,
                                                                      const RunKey& last,
                                                                      std::size_t count,
                                                                      bool reversed) {
  std::vector<Pair> found;
  if (count == 0) return found;
  const auto add = [&](const Pair& pair) { found.push_back(pair); };
  Published now;
  {
    const std::lock_guard table_lock(table_mutex_);
    const std::lock_guard lock(mutex_);
    now = published_;
    if (first == last) {
      if (const std::uint64_t* value = active_->find(first)) add({first, *value});
    } else {
      active_->range(first, last, count, reversed, add);
    }
  }
  if (first == last) return find_one(now, first, std::move(found));
  if (now.frozen) now.frozen->range(first, last, count, reversed, add);
  for (const auto& run : now.runs) TRY(range_of(*run, first, last, count, reversed, found));
  std::ranges::sort(found, [&](const Pair& a, const Pair& b) {
    return reversed ? b.key < a.key : a.key < b.key;
  });
  if (found.size() > count) found.resize(count);
  return found;
}

}  // namespace

Result<std::unique_ptr<SortedRuns>> SortedRuns::open(const SealedContext& context,
                                                     const Options& options, Bytes manifest) {
  ASSERT(options.key_size == 16 || options.key_size == 24);
  if (options.key_size == 16) {
    auto runs = std::make_unique<SortedRunsOf<HashTable>>(context, options);
    TRY(runs->load(manifest));
    return std::unique_ptr<SortedRuns>(std::move(runs));
  }
  auto runs = std::make_unique<SortedRunsOf<GroupedTable>>(context, options);
  TRY(runs->load(manifest));
  return std::unique_ptr<SortedRuns>(std::move(runs));
}

}  // namespace meridian::storage
