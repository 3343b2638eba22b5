// All executors of a simulation in one thread, in an order that a seed repeats.
//
// Each step runs one task of an executor chosen at random among those that have work, so many
// seeds show many interleavings, and one seed shows the same one each time (compare trace_hash).
// Time is virtual: it stands still while tasks run and jumps to the next timer when asked to.
// Not thread-safe; outlives the executors it made. Cost: one step is O(executors).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/executor.h"
#include "sim/clock.h"
#include "sim/entropy.h"
#include "sim/random.h"

namespace meridian::sim {

class Executor;

class World {
 public:
  /// Stops a simulation that feeds itself for ever.
  static constexpr std::uint64_t steps_max = 100'000'000;

  explicit World(std::uint64_t seed);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  std::unique_ptr<io::Executor> make_executor(std::string name);
  Clock& clock() { return clock_; }
  Entropy& entropy() { return entropy_; }

  /// The next event: one ready task, or, if there is none, the next timer with time moved to it.
  /// False if there is neither.
  bool step();
  /// Runs one ready task, without moving time. False if there is none.
  bool run_ready();
  /// Runs ready tasks until there are none, without moving time. Returns how many ran.
  std::uint64_t run_until_idle();
  /// Moves time by `duration`, stopping at each timer on the way and running all that follows.
  void advance(io::Duration duration);

  /// Equal for two runs if and (nearly) only if they took the same steps at the same times.
  std::uint64_t trace_hash() const { return trace_hash_; }

 private:
  friend class Executor;
  struct TimerKey {
    std::uint64_t due_ns;
    std::uint64_t sequence;  // equal times are released in the order posted
    auto operator<=>(const TimerKey&) const = default;
  };
  struct Timer {
    Executor* executor;
    io::Task task;
  };

  void add(Executor& executor);
  void remove(Executor& executor);
  void add_timer(Executor& executor, io::Duration delay, io::Task task);
  std::uint64_t now_ns();
  /// Moves time to `due_ns` and hands every timer due by then to its executor.
  void release_timers(std::uint64_t due_ns);

  Random random_;
  Clock clock_;
  Entropy entropy_;
  std::vector<std::pair<std::uint64_t, Executor*>> executors_;  // by id, in order of making
  std::map<TimerKey, Timer> timers_;
  std::uint64_t executor_ids_ = 0;
  std::uint64_t timer_sequence_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t trace_hash_ = 0;
};

}  // namespace meridian::sim
