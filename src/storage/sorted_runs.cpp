// Memory (active, frozen: internal/run_tables.h) and runs on disk (old to new); four of one size
// class are merged, in pieces between checkpoints (internal/run_merge.h).
#include "storage/sorted_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <mutex>

#include "base/assert.h"
#include "storage/internal/run_merge.h"
#include "storage/internal/run_tables.h"

namespace meridian::storage {

namespace {

constexpr std::size_t runs_per_tier = 4;
constexpr std::size_t reserve_max = 1 << 22;  // keys a fresh table makes room for
/// Merging is behind the writing of runs: from here on it is waited for, so that look-ups stay
/// quick.
constexpr std::size_t runs_max = 48;

/// Size class of a run: 0 below 2^16 keys, then one more for each factor of four.
int tier_of(std::uint64_t pairs) { return static_cast<int>((std::bit_width(pairs >> 16) + 1) / 2); }

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
  Status add_run(std::span<Pair> pairs) override;
  Status retire() override;
  Result<bool> merge_some() override;

  Result<std::vector<Pair>> find_range(const RunKey& first, const RunKey& last, std::size_t count,
                                       bool reversed) override;
  std::vector<std::uint64_t> live_runs() const override {
    std::vector<std::uint64_t> numbers;
    for (const auto& run : runs()) numbers.push_back(run->number());
    return numbers;
  }
  Result<Checked> check_run(std::uint64_t number, std::uint64_t position,
                            std::uint64_t bytes) const override;
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
  Result<std::shared_ptr<Run>> write_run(std::span<const Pair> pairs);
  RunList runs() const {
    const std::lock_guard lock(mutex_);
    return published_.runs;
  }
  Status make_room_for_run();
  Status begin_merge_if_due();
  Status adopt_merged();
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

  // the thread of write_frozen, retire and merge_some
  std::uint64_t next_number_ = 1;
  std::unique_ptr<RunMerge> merge_;  // under way
  RunList manifest_runs_;            // of the newest manifest: not deleted before the next
  std::atomic<std::uint64_t> debt_{0};
};

template <typename Table>
Status SortedRunsOf<Table>::load(Bytes manifest) {
  TRY(context_.disk.make_directory(folder()));
  TRY(context_.disk.sync_directory("index"));
  TRY(context_.disk.sync_directory(""));
  if (!manifest.empty()) {
    const RunManifest named = TRY(decode_run_manifest(options_.name, manifest));
    if (named.key_size != options_.key_size)
      return fail(Code::data_loss, "the manifest of index " + options_.name + " is malformed");
    next_number_ = named.next_number;
    for (const RunManifest::Run& run : named.runs)
      published_.runs.push_back(TRY(Run::open(context_, options_, run.number, run.pairs)));
  }
  manifest_runs_ = published_.runs;
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
Result<std::shared_ptr<Run>> SortedRunsOf<Table>::write_run(std::span<const Pair> pairs) {
  const std::uint64_t number = next_number_++;
  RunWriter writer = TRY(RunWriter::create(context_, options_, number, pairs.size()));
  for (const Pair& pair : pairs) TRY(writer.add(pair));
  TRY(writer.finish());
  return Run::open(context_, options_, number, pairs.size());
}

/// Four neighbours of one size class become one run of the next.
template <typename Table>
Status SortedRunsOf<Table>::begin_merge_if_due() {
  if (merge_) return {};
  const RunList all = runs();
  if (all.size() < runs_per_tier) return {};
  const auto first = all.end() - static_cast<std::ptrdiff_t>(runs_per_tier);
  const int tier = tier_of(all.back()->pairs());
  const bool same =
      std::all_of(first, all.end(), [&](const auto& run) { return tier_of(run->pairs()) <= tier; });
  if (!same) return {};
  merge_ = TRY(RunMerge::begin(context_, options_, next_number_++, RunList(first, all.end())));
  return {};
}

/// Look-ups use the merged run from now on; the files it replaces stay until a manifest that does
/// not name them is durable (retire).
template <typename Table>
Status SortedRunsOf<Table>::adopt_merged() {
  const std::unique_ptr<RunMerge> done = std::move(merge_);
  std::shared_ptr<Run> merged = TRY(Run::open(context_, options_, done->number(), done->pairs()));
  TRY(context_.disk.sync_directory(folder()));
  const std::lock_guard lock(mutex_);
  RunList& runs = published_.runs;
  // Runs written meanwhile stand behind its sources.
  const auto first =
      std::search(runs.begin(), runs.end(), done->sources().begin(), done->sources().end());
  ASSERT(first != runs.end());
  *first = std::move(merged);
  runs.erase(first + 1, first + static_cast<std::ptrdiff_t>(done->sources().size()));
  generation_.fetch_add(1, std::memory_order_release);
  return {};
}

template <typename Table>
Result<bool> SortedRunsOf<Table>::merge_some() {
  TRY(begin_merge_if_due());
  if (merge_ && !TRY(merge_->step(options_.merge_pairs))) {
    TRY(adopt_merged());
    TRY(begin_merge_if_due());
  }
  debt_.store(merge_ ? merge_->pairs_left() * (options_.key_size + sizeof(std::uint64_t)) + 1 : 0,
              std::memory_order_relaxed);
  return merge_ != nullptr;
}

template <typename Table>
Result<Buffer> SortedRunsOf<Table>::write_frozen() {
  std::shared_ptr<const Table> frozen;
  {
    const std::lock_guard lock(mutex_);
    frozen = published_.frozen;
  }
  TRY(make_room_for_run());
  std::shared_ptr<Run> fresh;
  if (frozen && frozen->size() > 0) {
    fresh = TRY(write_run(frozen->sorted()));
    TRY(context_.disk.sync_directory(folder()));
  }
  const std::lock_guard lock(mutex_);
  if (fresh) published_.runs.push_back(std::move(fresh));
  manifest_runs_ = published_.runs;
  published_.frozen = nullptr;
  generation_.fetch_add(1, std::memory_order_release);
  return encode_manifest(published_.runs);
}

template <typename Table>
Status SortedRunsOf<Table>::make_room_for_run() {
  while (runs().size() >= runs_max)
    if (!TRY(merge_some())) break;
  return {};
}

template <typename Table>
Status SortedRunsOf<Table>::add_run(std::span<Pair> pairs) {
  {
    const std::lock_guard table_lock(table_mutex_);
    const std::lock_guard lock(mutex_);
    ASSERT(active_->size() == 0);
    ASSERT(published_.frozen == nullptr);
  }
  TRY(make_room_for_run());
  std::ranges::sort(pairs, [](const Pair& a, const Pair& b) {
    return a.key == b.key ? a.value < b.value : a.key < b.key;
  });
  const auto end = std::unique(pairs.begin(), pairs.end(),
                               [](const Pair& a, const Pair& b) { return a.key == b.key; });
  pairs = pairs.first(static_cast<std::size_t>(end - pairs.begin()));
  if (pairs.empty()) return {};
  std::shared_ptr<Run> fresh = TRY(write_run(pairs));
  TRY(context_.disk.sync_directory(folder()));
  const std::lock_guard lock(mutex_);
  published_.runs.push_back(std::move(fresh));
  generation_.fetch_add(1, std::memory_order_release);
  return {};
}

template <typename Table>
Buffer SortedRunsOf<Table>::encode_manifest(const RunList& runs) const {
  RunManifest manifest{static_cast<std::uint32_t>(options_.key_size), next_number_};
  for (const auto& run : runs) manifest.runs.push_back({run->number(), run->pairs()});
  return encode_run_manifest(manifest);
}

template <typename Table>
Status SortedRunsOf<Table>::retire() {
  std::vector<std::string> named;
  const auto keep = [&](std::uint64_t number) {
    named.push_back(fmt::format("{:016x}.run", number));
  };
  for (const auto& run : manifest_runs_) keep(run->number());
  for (const auto& run : runs()) keep(run->number());
  if (merge_) keep(merge_->number());
  for (const std::string& file : TRY(context_.disk.list(folder())))
    if (std::ranges::find(named, file) == named.end())
      TRY(context_.disk.remove(folder() + "/" + file));
  return {};
}

template <typename Table>
Result<SortedRuns::Checked> SortedRunsOf<Table>::check_run(std::uint64_t number,
                                                           std::uint64_t position,
                                                           std::uint64_t bytes) const {
  const auto is_live = [&] { return std::ranges::count(live_runs(), number) != 0; };
  Result<Checked> checked = check_run_frames(context_, options_, number, position, bytes);
  // A file that was merged away meanwhile may be gone, and need not be right.
  if (!checked && !is_live()) return Checked{position, true};
  return checked;
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
