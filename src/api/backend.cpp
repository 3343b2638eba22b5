#include "api/backend.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

namespace meridian::api {

std::string Backend::metrics_text() const {
  std::string text = metrics.text();
  if (process_metrics != nullptr) text += process_metrics->text();
  return text;
}

namespace {
metrics::Counter& dropped(metrics::Registry& registry, const std::string& interface,
                          const std::string& reason) {
  return registry.counter("meridian_api_connections_dropped_total",
                          "Connections ended for want of room, by interface and reason.",
                          {{"interface", interface}, {"reason", reason}});
}
}  // namespace

CallCounts::CallCounts(metrics::Registry& registry, const std::string& interface)
    : put_out_(dropped(registry, interface, "stranger")),
      turned_away_(dropped(registry, interface, "full")),
      too_often_(dropped(registry, interface, "too_often")) {
  auto make = [&](std::string_view code) {
    return &registry.counter("meridian_api_calls_total", "Calls ended, by interface and status.",
                             {{"interface", interface}, {"code", std::string(code)}});
  };
  counters_[0] = make("ok");
  for (std::size_t i = 0; i < code_count; ++i) counters_[1 + i] = make(name(static_cast<Code>(i)));
}

Backend::Backend(cell::LocalCell& the_cell, io::Clock& the_clock, io::Executor& work_executor,
                 metrics::Registry& registry, u128 id_of_cell)
    : cell(the_cell),
      clock(the_clock),
      work(work_executor),
      metrics(registry),
      cell_id(id_of_cell),
      access(id_of_cell, the_cell.door(), registry, the_clock),
      signatures(id_of_cell, the_cell.door(), the_clock, registry),
      grpc_calls(registry, "grpc"),
      http_calls(registry, "http") {}

void Backend::when_current(std::function<void(Status)> then) {
  if (cell.replica().is_alone()) return then({});
  cell.replica().catch_up([this, then = std::move(then)](const Status& current) {
    work.post([this, then, current] {
      // The cell may be gone by now, and nobody waits any more.
      if (live.is_stopped())
        return then(fail(Code::unavailable, "the server is stopping; ask another, or again"));
      then(current);
    });
  });
}

std::optional<Backend::LocalRead> Backend::begin_local_read(const ReadWish& wish) const {
  if (!wish.local) return std::nullopt;
  const std::optional<io::MonotonicTime> as_of = cell.replica().current_as_of();
  const bool is_new_enough =
      !wish.staleness_max || (as_of && clock.monotonic() - *as_of <= *wish.staleness_max);
  if (!is_new_enough) return std::nullopt;
  return LocalRead{cell.replica().position(), as_of};
}

std::string Backend::describe(const LocalRead& read) const {
  std::string text = fmt::format("records={} index={}", read.at.records, read.at.entry_index);
  if (!read.as_of) return text;
  const auto ns = static_cast<std::int64_t>(clock.monotonic() - *read.as_of);
  return text + fmt::format(" staleness-ms={}", (ns + 999'999) / 1'000'000);
}

Result<std::uint64_t> LiveCalls::add(Stop stop, MayGoOn may_go_on) {
  std::lock_guard lock(mutex_);
  if (stopped_) {
    return fail(Code::unavailable, "the server is stopping; ask again when it is back");
  }
  if (open_.size() >= live_max) {
    return fail(
        Code::resource_exhausted,
        fmt::format("{} subscriptions and feeds are open, which is the limit; end one first",
                    live_max));
  }
  std::uint64_t token = next_++;
  open_.emplace(token, Live{std::move(stop), std::move(may_go_on)});
  return token;
}

void LiveCalls::remove(std::uint64_t token) {
  Live dying;  // what it captured may end calls of its own: not under the lock
  std::lock_guard lock(mutex_);
  auto found = open_.find(token);
  if (found == open_.end()) return;
  dying = std::move(found->second);
  open_.erase(found);
}

void LiveCalls::stop_all() {
  std::unordered_map<std::uint64_t, Live> open;
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    open.swap(open_);
  }
  for (auto& [token, live] : open) live.stop(std::nullopt);
}

void LiveCalls::review() {
  std::vector<std::pair<Live, Refusal>> refused;
  {
    std::lock_guard lock(mutex_);
    for (auto at = open_.begin(); at != open_.end();) {
      std::optional<Refusal> refusal = at->second.may_go_on();
      if (!refusal) {
        ++at;
        continue;
      }
      refused.emplace_back(std::move(at->second), std::move(*refusal));
      at = open_.erase(at);
    }
  }
  for (auto& [live, why] : refused) live.stop(why);
}

bool LiveCalls::is_stopped() {
  std::lock_guard lock(mutex_);
  return stopped_;
}

std::size_t LiveCalls::count() {
  std::lock_guard lock(mutex_);
  return open_.size();
}

}  // namespace meridian::api
