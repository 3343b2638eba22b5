#include "demo_failover.h"

#include <fmt/format.h>

namespace meridian::app {

namespace {

constexpr io::Duration before_kill = io::seconds(3);
constexpr io::Duration without_region = io::milliseconds(2'500);
constexpr io::Duration after_return = io::milliseconds(1'500);
constexpr io::Duration patience_max = io::seconds(60);
constexpr io::Duration frame = io::milliseconds(200);
constexpr io::Duration plain_pause = io::seconds(1);

std::uint64_t to_ms(io::Duration duration) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(duration)) / 1'000'000;
}

}  // namespace

Failover::Failover(const Stage& stage, DemoCell& cell, DemoLoad& load)
    : stage_(stage), cell_(cell), load_(load), screen_(stage.out()), began_(now()) {}

std::uint64_t Failover::acknowledged_per_s() const {
  if (counts_.size() < 2) return 0;
  const double seconds = static_cast<double>(counts_.back().first - counts_.front().first) / 1e9;
  if (seconds <= 0) return 0;
  return static_cast<std::uint64_t>(
      static_cast<double>(counts_.back().second - counts_.front().second) / seconds);
}

std::string Failover::time_text(io::MonotonicTime at) const {
  return fmt::format("{:5.1f} s", static_cast<double>(at - began_) / 1e9);
}

std::string Failover::load_text() const {
  return fmt::format("{} transfers/s acknowledged, {} in all", grouped(acknowledged_per_s()),
                     grouped(load_.acknowledged()));
}

void Failover::draw() {
  const io::MonotonicTime at = now();
  counts_.emplace_back(at, load_.acknowledged());
  while (counts_.size() > 2 && at - counts_.front().first > io::seconds(1)) counts_.pop_front();
  const std::string head = fmt::format("{}  {}; failover bound {} ms", time_text(at), load_text(),
                                       view_.failover_bound_ms);
  if (!screen_.is_terminal()) {
    if (at - told_ < plain_pause) return;
    told_ = at;
    return stage_.line(head);
  }
  std::vector<ViewLine> lines{{head, Tone::strong}};
  for (const auto& part : {replica_lines(view_), alarm_lines(view_)})
    lines.insert(lines.end(), part.begin(), part.end());
  for (const std::string& event : events_) lines.push_back({event, Tone::plain});
  screen_.draw(lines);
}

/// Without a terminal the state of the cell stands below what happened, if that is of use.
void Failover::tell(std::string text, bool with_table) {
  text = fmt::format("{}  {}", time_text(now()), text);
  if (screen_.is_terminal()) {
    events_.push_back(std::move(text));
    return draw();
  }
  stage_.line(text);
  if (!with_table) return;
  for (const ViewLine& line : replica_lines(view_)) stage_.line("         " + line.text);
}

Status Failover::watch_until(const std::function<bool()>& is_done, io::Duration patience,
                             std::string_view what) {
  const io::MonotonicTime end = now() + patience;
  io::MonotonicTime next = now();
  while (!is_done()) {
    TRY(Stage::check_not_stopped());
    if (load_.is_over()) {
      TRY(load_.finish());
      return fail(Code::internal, "the load ended before its time");
    }
    if (now() > end)
      return fail(Code::deadline_exceeded,
                  fmt::format("{} did not happen within {} s", what, to_ms(patience) / 1'000));
    if (now() >= next) {
      view_ = cell_.look();
      draw();
      next = now() + frame;
    }
    pause(io::milliseconds(10));
  }
  return {};
}

Status Failover::watch_for(io::Duration duration) {
  const io::MonotonicTime end = now() + duration;
  return watch_until([&] { return now() >= end; }, patience_max, "the next step");
}

Status Failover::watch_for_leader() {
  view_ = cell_.look();
  return watch_until([this] { return view_.leader.has_value(); }, patience_max, "an election");
}

Result<std::size_t> Failover::kill_leader() {
  TRY(watch_for_leader());
  const std::size_t region = *view_.leader;
  figures_.killed = view_.rows[region].region;
  figures_.failover_bound_ms = view_.failover_bound_ms;
  tell(fmt::format("kill -9 {}: all of {}, which leads", cell_.pid(region), figures_.killed), true);
  killed_at_ = now();
  cell_.kill_at_once(region);
  load_.watch_for_answer(now());
  return region;
}

Status Failover::wait_for_answer() {
  TRY(watch_until([this] { return load_.answered_at().has_value(); }, patience_max, "a take-over"));
  figures_.resume_ms = to_ms(*load_.answered_at() - killed_at_);
  TRY(watch_for_leader());
  figures_.leader_after = view_.rows[*view_.leader].region;
  tell(fmt::format("{} leads: acknowledged again {} ms after the kill", figures_.leader_after,
                   figures_.resume_ms),
       true);
  return {};
}

Status Failover::bring_back(std::size_t region) {
  TRY(watch_for_leader());
  const ReplicaRow leader = view_.rows[*view_.leader];
  figures_.missed_entries = view_.rows[region].lag.value_or(0);
  tell(fmt::format("{} starts again; it lacks {} entries", figures_.killed,
                   grouped(figures_.missed_entries)),
       true);
  const io::MonotonicTime started = now();
  TRY(cell_.start(region));
  TRY(watch_until(
      [&] {
        const ReplicaRow& row = view_.rows[region];
        return row.answers && row.applied_index >= leader.commit_index &&
               row.records >= leader.records;
      },
      patience_max, "catching up"));
  figures_.catch_up_ms = to_ms(now() - started);
  tell(fmt::format("{} has caught up: {} ms after its start it holds all that it missed",
                   figures_.killed, figures_.catch_up_ms),
       true);
  return {};
}

Result<FailoverFigures> Failover::run() {
  view_ = cell_.look();
  load_.start();
  TRY(watch_for(before_kill));
  const std::size_t region = TRY(kill_leader());
  TRY(wait_for_answer());
  TRY(watch_for(without_region));
  TRY(bring_back(region));
  TRY(watch_for(after_return));
  TRY(load_.finish());
  tell(fmt::format("the load ends: {} transfers acknowledged", grouped(load_.acknowledged())),
       false);
  screen_.keep();
  return figures_;
}

}  // namespace meridian::app
