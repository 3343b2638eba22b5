//   owed --each minute--> under way, in the file --recorded--> gone
//                            |        ^
//                            '--------' not, or nobody knows; stopped meanwhile: the same event
//                                       again, with the same id
#include "cell/reading_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>

#include "cell/internal/reading_rows.h"
#include "ledger/describe.h"

namespace meridian::cell {
namespace {

using internal::reading_rows;
using internal::ReadingJson;
using internal::readings_of;

constexpr std::string_view file_path = "readings.owed";
constexpr std::uint64_t file_size_max = 8 << 20;

/// What is owed, put together.
class Owed {
 public:
  Status add(const Reading& one) {
    Key key{one.actor, one.purpose, one.stream, one.subject};
    if (!rows_.contains(key) && is_full(one.actor, 2)) std::get<2>(key) = std::get<3>(key) = 0;
    if (!rows_.contains(key) && is_full(one.actor, 1))
      return fail(Code::resource_exhausted,
                  "too many readings of personal data wait to be recorded here: ask the replica "
                  "that leads, or later");
    const auto [at, is_new] = rows_.try_emplace(key, one);
    Reading& row = at->second;
    if (is_new) {
      row.stream = std::get<2>(key);
      row.subject = std::get<3>(key);
      return {};
    }
    row.count += one.count;
    row.first = std::min(row.first, one.first);
    row.last = std::max(row.last, one.last);
    row.from_s = std::min(row.from_s, one.from_s);
    row.until_s = std::max(row.until_s, one.until_s);
    return {};
  }
  std::vector<Reading> list() const {
    std::vector<Reading> all;
    for (const auto& [key, row] : rows_) all.push_back(row);
    return all;
  }
  std::vector<Reading> take(std::size_t count_max) {
    std::vector<Reading> taken;
    while (!rows_.empty() && taken.size() < count_max)
      taken.push_back(std::move(rows_.extract(rows_.begin()).mapped()));
    return taken;
  }
  bool empty() const { return rows_.empty(); }

 private:
  using Key = std::tuple<u128, std::string, u128, u128>;
  /// To one part of `parts`, for another row of `actor`.
  bool is_full(u128 actor, std::size_t parts) const {
    if (rows_.size() >= ReadingKeeper::owed_max / parts) return true;
    std::size_t count = 0;
    for (auto at = rows_.lower_bound(Key{actor, "", 0, 0});
         at != rows_.end() && std::get<0>(at->first) == actor; ++at)
      ++count;
    return count >= ReadingKeeper::owed_of_one_max / parts;
  }
  std::map<Key, Reading> rows_;
};

class Keeper final : public ReadingKeeper, public std::enable_shared_from_this<Keeper> {
 public:
  explicit Keeper(Parts parts) : parts_(std::move(parts)) {}

  Status load() {
    if (!TRY(parts_.disk.exists(file_path))) return {};
    const Buffer bytes = TRY(io::read_file(parts_.disk, file_path, file_size_max));
    if (const Status taken = take_file(as_text(bytes)); !taken)
      return fail(Code::data_loss, fmt::format("{} is damaged: {}", parts_.disk.display(file_path),
                                               taken.error().message));
    is_in_file_ = true;
    return {};
  }
  void begin() { write_later(); }

  void stop() override {
    stopped_ = true;
    parts_.executor.drain();
    save();
  }

  Status owe(Reading reading) override {
    reading.from_s = reading.until_s =
        static_cast<std::uint64_t>(parts_.clock.now().time) / 1'000'000'000;
    const std::lock_guard lock(mutex_);
    return owed_.add(reading);
  }
  std::vector<Reading> owed() const override {
    const std::lock_guard lock(mutex_);
    std::vector<Reading> all = owed_.list();
    all.insert(all.end(), under_way_.begin(), under_way_.end());
    return all;
  }
  void write(std::function<void()> then) override {
    parts_.executor.post([weak = weak_from_this(), then = std::move(then)] {
      const auto self = weak.lock();
      if (self && !self->stopped_) self->write_some(then);
    });
  }

 private:
  void write_later() {
    parts_.executor.post_after(parts_.write_every, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self || self->stopped_) return;
      self->write_some([weak] {
        if (const auto again = weak.lock()) again->write_later();
      });
    });
  }
  /// All that is owed, event by event; what cannot be written now stays owed.
  void write_some(const std::function<void()>& then) {
    {
      const std::lock_guard lock(mutex_);
      if (under_way_.empty()) {
        under_way_ = owed_.take(readings_rows_max);
        std::array<Byte, 16> bytes{};
        parts_.entropy.fill(bytes);
        event_id_ = load_le<u128>(bytes.data());
      }
      if (under_way_.empty()) {
        remove_file();
        return then();
      }
    }
    if (!save()) return then();  // else its id might be lost, and it would be recorded twice
    door::EventDraft event;
    event.event_id = event_id_;
    event.stream = readings_stream;
    event.type = readings_type;
    event.is_of_cell = true;
    event.data = to_buffer(as_bytes(readings_json(under_way_)));
    parts_.record(std::move(event), [weak = weak_from_this(), then,
                                     sent = event_id_](Result<replica::Answer> answer) {
      const auto self = weak.lock();
      if (!self) return;
      self->parts_.executor.post([weak, then, sent, answer = std::move(answer)] {
        const auto keeper = weak.lock();
        if (keeper && !keeper->stopped_) keeper->written(sent, answer, then);
      });
    });
  }
  void written(u128 sent, const Result<replica::Answer>& answer,
               const std::function<void()>& then) {
    if (const Status recorded = is_recorded(answer); !recorded) {
      tell(recorded.error());
      return then();
    }
    told_.clear();
    {
      const std::lock_guard lock(mutex_);
      if (sent == event_id_) under_way_.clear();  // else another write() was faster
    }
    write_some(then);
  }
  static Status is_recorded(const Result<replica::Answer>& answer) {
    constexpr auto exists = static_cast<ledger::Outcome>(ledger::EventOutcome::exists);
    if (!answer) return answer.error();
    const ledger::Outcome outcome = answer->results.back().outcome;
    if (outcome == ledger::Outcome::created || outcome == exists) return {};
    return fail(Code::internal,
                std::string(outcome_name(ledger::CommandKind::append_event, outcome)));
  }
  /// Once, as long as it is the same. While nobody leads there is nothing to say.
  void tell(const Error& why) {
    if (why.code == Code::unavailable || why.code == Code::deadline_exceeded ||
        std::exchange(told_, why.message) == why.message)
      return;
    parts_.notice(fmt::format("readings are not recorded, and kept: {}", why.message));
  }
  /// With the event that is under way, whose id is how the ledger knows it if it comes twice.
  bool save() {
    ReadingJson body;
    {
      const std::lock_guard lock(mutex_);
      const std::vector<Reading> rest = owed_.list();
      if (rest.empty() && under_way_.empty()) return remove_file();
      body["event_id"] = ledger::opaque_hex(event_id_);
      body["under_way"] = reading_rows(under_way_);
      body["owed"] = reading_rows(rest);
    }
    const std::string text = body.dump();
    if (Status saved = io::replace_file(parts_.disk, file_path, as_bytes(text)); !saved) {
      parts_.notice(fmt::format("readings are not kept: {}", saved.error().message));
      return false;
    }
    is_in_file_ = true;
    return true;
  }
  Status take_file(std::string_view text) {
    const ReadingJson body = ReadingJson::parse(text, nullptr, false);
    if (!body.is_object() || body.size() != 3 || !body.contains("under_way") ||
        !body.contains("owed"))
      return internal::no_readings("its shape");
    event_id_ = TRY(internal::reading_id(body, "event_id"));
    under_way_ = TRY(readings_of(body["under_way"]));
    for (const Reading& one : TRY(readings_of(body["owed"]))) TRY(owed_.add(one));
    return {};
  }
  bool remove_file() {
    if (!is_in_file_) return true;
    if (Status gone = parts_.disk.remove(file_path); !gone) {
      parts_.notice(fmt::format("{} stays: {}", file_path, gone.error().message));
      return false;
    }
    is_in_file_ = false;
    return true;
  }

  const Parts parts_;
  std::atomic<bool> stopped_ = false;
  bool is_in_file_ = false;   // the executor's, and stop()'s
  u128 event_id_ = 0;         // the same
  std::string told_;          // the executor's
  mutable std::mutex mutex_;  // guards the rest
  Owed owed_;
  std::vector<Reading> under_way_;
};

/// What the others hold: the keeper itself lives on while a callback of it is under way.
class Handle final : public ReadingKeeper {
 public:
  explicit Handle(std::shared_ptr<Keeper> keeper) : keeper_(std::move(keeper)) {}
  ~Handle() override { stop(); }
  void stop() override {
    if (!std::exchange(is_stopped_, true)) keeper_->stop();
  }
  Status owe(Reading reading) override { return keeper_->owe(std::move(reading)); }
  std::vector<Reading> owed() const override { return keeper_->owed(); }
  void write(std::function<void()> then) override { keeper_->write(std::move(then)); }

 private:
  std::shared_ptr<Keeper> keeper_;
  bool is_stopped_ = false;
};

}  // namespace

Result<std::unique_ptr<ReadingKeeper>> ReadingKeeper::start(Parts parts) {
  auto keeper = std::make_shared<Keeper>(std::move(parts));
  TRY(keeper->load());
  keeper->begin();
  return std::unique_ptr<ReadingKeeper>(std::make_unique<Handle>(std::move(keeper)));
}

}  // namespace meridian::cell
