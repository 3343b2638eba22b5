// A step at a time, each posting the next one:
//
//   resting --due--> round: segments --> rest of records --> state --> indexes --> resting
//   between any two steps of a round, and while resting: a segment that was looked for
//   damage in a segment --> repair (steps wait for it) --> the segment is looked at again
//   other damage --> the caller, and an end; alone: told, and on with what follows
#include "replica/scrub.h"

#include <fmt/format.h>

#include <algorithm>

namespace meridian::replica {

namespace {

constexpr std::uint64_t step_bytes_min = 64 << 10;
constexpr std::uint64_t step_bytes_max = 1 << 20;
constexpr std::uint64_t steps_per_second = 8;

std::string records_of(std::uint64_t segment) {
  return fmt::format("records {} to {}", segment * storage::segment_records,
                     (segment + 1) * storage::segment_records - 1);
}

}  // namespace

ScrubMetrics::ScrubMetrics(metrics::Registry& registry)
    : bytes(registry.counter("meridian_scrub_bytes_total",
                             "Stored bytes read back to find damage, about.")),
      rounds(registry.counter("meridian_scrub_rounds_total",
                              "Times that all that is stored was read back.")),
      round_ms(registry.gauge("meridian_scrub_round_ms", "Time of the last whole round.")),
      damaged(registry.counter("meridian_scrub_damaged_total",
                               "Damage found: segments, hashes of tiles, files of state.")),
      repaired(registry.counter("meridian_scrub_repaired_total", "Of these, repaired in place.")),
      unrepaired(registry.gauge("meridian_scrub_unrepaired",
                                "Damage known and not repaired; above 0 somebody must act.")) {}

Scrub::Scrub(Parts parts) : parts_(std::move(parts)) {}

void Scrub::start() {
  parts_.executor.post([this, alive = lifetime_.token()] {
    if (!*alive) return;
    due_ = parts_.clock.monotonic() + rest_at_first;
    schedule({});
  });
}

void Scrub::look_at(std::uint64_t segment) {
  {
    const std::lock_guard lock(looks_mutex_);
    if (!looks_.insert(segment).second) return;
  }
  parts_.executor.post([this, alive = lifetime_.token()] {
    if (*alive && is_resting()) schedule({});
  });
}

bool Scrub::has_met_damage() const {
  const std::lock_guard lock(looks_mutex_);
  return !looks_.empty() || is_looking_ || has_unrepaired_;
}

void Scrub::receive(std::uint64_t from, io::Parts answer) {
  parts_.executor.post([this, alive = lifetime_.token(), from, answer = std::move(answer)] {
    if (*alive && repair_ != nullptr) repair_->receive(from, answer);
  });
}

// --- steps ---

void Scrub::schedule(io::Duration delay) {
  parts_.executor.post_after(delay, [this, alive = lifetime_.token(), turn = ++turn_] {
    if (*alive && turn == turn_) step();
  });
}

std::uint64_t Scrub::rate() const {
  return parts_.bytes_per_second == 0 ? rate_default : parts_.bytes_per_second;
}

std::uint64_t Scrub::step_bytes() const {
  return std::clamp(rate() / steps_per_second, step_bytes_min, step_bytes_max);
}

io::Duration Scrub::pace(std::uint64_t bytes) const {
  return io::Duration{static_cast<std::int64_t>(bytes * 1'000'000'000 / rate())};
}

void Scrub::step() {
  if (ended_ || repair_ != nullptr) return;
  const Result<std::uint64_t> bytes = work();
  if (bytes) {
    read_again_ = false;
    parts_.metrics.bytes.increment(*bytes);
    if (!reading_) end_look();
    return schedule(is_resting() ? rest_left() : pace(*bytes));
  }
  // What was read, not what is stored, may have been wrong.
  if (!std::exchange(read_again_, true)) {
    if (reading_) parts_.records.forget_segment(reading_->first / storage::segment_records);
    return schedule(pace(step_bytes()));
  }
  read_again_ = false;
  met(bytes.error());
  end_look();
}

/// Until the next round, or the next try to repair something.
io::Duration Scrub::rest_left() const {
  const io::MonotonicTime now = parts_.clock.monotonic();
  if (parts_.bytes_per_second == 0) return retry;
  return std::clamp(due_ - now, io::milliseconds(1), retry);
}

Result<std::uint64_t> Scrub::work() {
  if (!reading_) {
    if (const auto segment = TRY(segment_looked_for())) read_segment(*segment);
  }
  if (reading_) return read_records();
  if (!round_) return begin_round();
  switch (round_->stage) {
    case Stage::segments: next_segment(); return std::uint64_t{0};
    case Stage::rest_of_records:
      round_->stage = Stage::state;
      read_rest();
      return std::uint64_t{0};
    case Stage::state: return read_state();
    case Stage::indexes: return read_indexes();
  }
  return std::uint64_t{0};
}

/// One that a reader met damage in, or that could not be repaired for a while.
Result<std::optional<std::uint64_t>> Scrub::segment_looked_for() {
  const io::MonotonicTime now = parts_.clock.monotonic();
  const auto is_too_early = [&](std::uint64_t segment) {
    const auto known = unrepaired_.find(segment);
    return known != unrepaired_.end() && now - known->second < retry;
  };
  std::set<std::uint64_t> looks;
  {
    const std::lock_guard lock(looks_mutex_);
    looks = looks_;
  }
  if (read_next_) looks.insert(*std::exchange(read_next_, std::nullopt));
  if (!is_alone())
    for (const auto& [segment, tried] : unrepaired_) looks.insert(segment);
  for (const std::uint64_t segment : looks) {
    begin_look(segment);
    const bool is_early = is_too_early(segment);
    // Past the checkpoint that was looked at last: there may be a newer one.
    const bool is_known = is_early || is_below_checkpoint(segment) ||
                          (TRY(know_checkpoint()) && is_below_checkpoint(segment));
    if (is_known && !is_early) return std::optional{segment};
  }
  return std::optional<std::uint64_t>{};
}

void Scrub::begin_look(std::uint64_t segment) {
  const std::lock_guard lock(looks_mutex_);
  is_looking_ = looks_.erase(segment) != 0;
}

void Scrub::end_look() {
  const std::lock_guard lock(looks_mutex_);
  is_looking_ = false;
}

// --- rounds ---

Result<std::uint64_t> Scrub::begin_round() {
  if (parts_.bytes_per_second == 0 || parts_.clock.monotonic() < due_) return std::uint64_t{0};
  const bool is_there = TRY(know_checkpoint());
  due_ = parts_.clock.monotonic() + rest;
  if (is_there) {
    Round begun;
    begun.began = parts_.clock.monotonic();
    round_ = std::move(begun);
  }
  return std::uint64_t{0};
}

void Scrub::next_segment() {
  if (is_below_checkpoint(round_->segment)) return read_segment(round_->segment++);
  round_->stage = Stage::rest_of_records;
}

Result<std::uint64_t> Scrub::read_state() {
  if (round_->state == nullptr) round_->state = parts_.states.pin();
  const auto& chunks = round_->state->chunks();
  std::uint64_t bytes = 0;
  while (bytes < step_bytes() && round_->chunk < chunks.size()) {
    const storage::StateChunkInfo& chunk = chunks[round_->chunk];
    TRY(round_->state->read(chunk.id));
    bytes += chunk.size + storage::frame_overhead;
    ++round_->chunk;
  }
  if (round_->chunk >= chunks.size()) {
    round_->state.reset();  // its files need not be kept any more
    round_->stage = Stage::indexes;
  }
  return bytes;
}

Result<std::uint64_t> Scrub::read_indexes() {
  Round& round = *round_;
  if (round.run < round.runs.size()) {
    const auto checked = TRY(parts_.indexes[round.index - 1]->check_run(
        round.runs[round.run], round.position, step_bytes()));
    const std::uint64_t bytes = checked.position - round.position;
    round.position = checked.is_whole ? 0 : checked.position;
    round.run += checked.is_whole ? 1 : 0;
    return bytes;
  }
  if (round.index == parts_.indexes.size()) {
    end_round();
  } else {
    round.runs = parts_.indexes[round.index++]->live_runs();
    round.run = 0;
  }
  return std::uint64_t{0};
}

void Scrub::end_round() {
  const io::MonotonicTime now = parts_.clock.monotonic();
  parts_.metrics.rounds.increment(1);
  parts_.metrics.round_ms.set(static_cast<std::int64_t>(now - round_->began) / 1'000'000);
  round_.reset();
  due_ = now + rest;
}

// --- damage ---

void Scrub::met(const Error& error) {
  if (ended_) return;
  if (reading_ && reading_->end % storage::segment_records == 0)
    return met_in_segment(reading_->first / storage::segment_records, error);
  give_up(error);
}

void Scrub::met_in_segment(std::uint64_t segment, const Error& error) {
  reading_.reset();
  begin_look(segment);  // this one met it itself
  const bool is_new = !unrepaired_.contains(segment);
  const io::MonotonicTime now = parts_.clock.monotonic();
  unrepaired_[segment] = now;
  if (is_new) {
    parts_.metrics.damaged.increment(1);
    show_unrepaired();
    parts_.notice(
        fmt::format("{} are damaged: {}; {}", records_of(segment), error.message,
                    is_alone() ? "there is no other replica to repair them from: restore a backup "
                                 "(docs/operations/backup.md); what is not damaged is served"
                               : "they are fetched from the other replicas"));
  }
  const auto last = repairs_.find(segment);
  const bool is_early = last != repairs_.end() && now - last->second < retry;
  if (is_alone() || is_early) return schedule(pace(step_bytes()));
  repairs_[segment] = now;
  repair(segment);
}

void Scrub::repair(std::uint64_t segment) {
  std::vector<std::uint64_t> peers = parts_.peers();
  if (!peers.empty())
    std::rotate(peers.begin(), peers.begin() + static_cast<std::ptrdiff_t>(segment % peers.size()),
                peers.end());
  repair_ = std::make_unique<SegmentRepair>(
      SegmentRepair::Parts{parts_.executor, parts_.records, parts_.cell, parts_.send},
      SegmentRepair::Wanted{segment, known_->roots[segment], std::move(peers)},
      [this, segment](Result<std::uint64_t> peer) {
        parts_.executor.post([this, alive = lifetime_.token(), segment, peer = std::move(peer)] {
          if (*alive) repaired(segment, peer);
        });
      });
  repair_->start();
}

void Scrub::repaired(std::uint64_t segment, const Result<std::uint64_t>& peer) {
  repair_.reset();
  if (peer) {
    unrepaired_.erase(segment);
    told_.erase(records_of(segment));
    show_unrepaired();
    parts_.metrics.repaired.increment(1);
    parts_.notice(
        fmt::format("{} are repaired: they come from replica {} and have the root of "
                    "the checkpoint",
                    records_of(segment), *peer));
    read_next_ = segment;  // and its hashes
    return schedule({});
  }
  const Error& error = peer.error();
  if (error.code != Code::unavailable && error.code != Code::resource_exhausted) {
    ended_ = true;
    return parts_.fatal(error);
  }
  if (told_.insert(records_of(segment)).second)
    parts_.notice(fmt::format("{} cannot be repaired now: {}; this is tried again every {} s",
                              records_of(segment), error.message,
                              static_cast<std::int64_t>(retry) / 1'000'000'000));
  schedule({});
}

void Scrub::show_unrepaired() {
  parts_.metrics.unrepaired.set(static_cast<std::int64_t>(unrepaired_.size() + given_up_.size()));
  const std::lock_guard lock(looks_mutex_);
  has_unrepaired_ = !unrepaired_.empty();
}

/// What is no segment. A replica that is alone goes on behind it.
void Scrub::give_up(const Error& error) {
  const bool is_new = given_up_.insert(error.message).second;
  if (is_new) parts_.metrics.damaged.increment(1);
  show_unrepaired();
  if (parts_.damaged) {
    ended_ = true;
    return parts_.damaged(error);
  }
  if (is_new)
    parts_.notice(
        fmt::format("{}: restore a backup (docs/operations/backup.md) before this node is "
                    "started again; what is not damaged is served",
                    error.message));
  if (reading_) {
    reading_.reset();
  } else if (round_ && round_->stage == Stage::state) {
    ++round_->chunk;
  } else if (round_ && round_->stage == Stage::indexes) {
    ++round_->run;
    round_->position = 0;
  } else {
    round_.reset();
    due_ = parts_.clock.monotonic() + rest;
  }
  schedule(is_resting() ? rest_left() : pace(step_bytes()));
}

}  // namespace meridian::replica
