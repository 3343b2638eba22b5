#include "sim/world.h"

#include <algorithm>

#include "base/assert.h"
#include "sim/executor.h"

namespace meridian::sim {

World::World(std::uint64_t seed) : random_(seed), entropy_(random_.next()) {}

World::~World() { ASSERT(executors_.empty()); }

std::unique_ptr<io::Executor> World::make_executor(std::string name) {
  return std::make_unique<Executor>(*this, std::move(name));
}

bool World::step() {
  if (run_ready()) return true;
  if (timers_.empty()) return false;
  release_timers(timers_.begin()->first.due_ns);
  return run_ready();
}

bool World::run_ready() {
  std::vector<std::pair<std::uint64_t, Executor*>> runnable;
  for (const auto& entry : executors_) {
    if (entry.second->is_runnable()) runnable.push_back(entry);
  }
  if (runnable.empty()) return false;
  ++steps_;
  ASSERT(steps_ < steps_max);
  auto [id, executor] = runnable[random_.below(runnable.size())];
  Random mixer(trace_hash_ ^ (id * 0x9E3779B97F4A7C15ULL) ^ now_ns());
  trace_hash_ = mixer.next();
  executor->run_one();
  return true;
}

std::uint64_t World::run_until_idle() {
  std::uint64_t count = 0;
  while (run_ready()) ++count;
  return count;
}

void World::advance(io::Duration duration) {
  ASSERT(static_cast<std::int64_t>(duration) >= 0);
  std::uint64_t end_ns = now_ns() + static_cast<std::uint64_t>(duration);
  run_until_idle();
  while (!timers_.empty() && timers_.begin()->first.due_ns <= end_ns) {
    release_timers(timers_.begin()->first.due_ns);
    run_until_idle();
  }
  release_timers(end_ns);
}

void World::add(Executor& executor) { executors_.emplace_back(++executor_ids_, &executor); }

void World::remove(Executor& executor) {
  std::erase_if(executors_, [&](const auto& entry) { return entry.second == &executor; });
  // Tasks die after the map is whole again: their destructors may post elsewhere.
  std::vector<io::Task> dropped;
  for (auto timer = timers_.begin(); timer != timers_.end();) {
    if (timer->second.executor == &executor) {
      dropped.push_back(std::move(timer->second.task));
      timer = timers_.erase(timer);
    } else {
      ++timer;
    }
  }
}

void World::add_timer(Executor& executor, io::Duration delay, io::Task task) {
  std::uint64_t delay_ns =
      static_cast<std::uint64_t>(std::max<std::int64_t>(static_cast<std::int64_t>(delay), 0));
  timers_.emplace(TimerKey{now_ns() + delay_ns, ++timer_sequence_},
                  Timer{&executor, std::move(task)});
}

std::uint64_t World::now_ns() { return static_cast<std::uint64_t>(clock_.monotonic()); }

void World::release_timers(std::uint64_t due_ns) {
  // Tests may have moved the clock by hand, past a timer: then it is simply due now.
  if (due_ns > now_ns()) clock_.advance(io::Duration{static_cast<std::int64_t>(due_ns - now_ns())});
  while (!timers_.empty() && timers_.begin()->first.due_ns <= due_ns) {
    Timer timer = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    timer.executor->post(std::move(timer.task));
  }
}

}  // namespace meridian::sim
