// One executor of a World: the same contract as io::os_executor(), without a thread.
//
// Made by World::make_executor() and handed to the code under test as an io::Executor; tasks run
// when the world steps. drain() steps the world itself, other executors included, so it may be
// called from a test or from a task of another executor, as in production. One thread only. The
// World outlives its executors.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "io/executor.h"

namespace meridian::sim {

class World;

class Executor final : public io::Executor {
 public:
  Executor(World& world, std::string name);
  /// Asserts that it is not called from one of its own tasks.
  ~Executor() override;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  void post(io::Task task) override;
  void post_after(io::Duration delay, io::Task task) override;
  /// Asserts that it is not called from its own task, and that no two executors drain each other.
  void drain() override;

  /// While held, no task runs: a stage whose disk hangs. Never drain() a held executor.
  void hold(bool held) { held_ = held; }

  // For World, which decides when:
  bool is_runnable() const { return !running_ && !held_ && !ready_.empty(); }
  /// Runs the oldest task. Asserts is_runnable().
  void run_one();
  const std::string& name() const { return name_; }

 private:
  World& world_;
  std::string name_;
  std::deque<io::Task> ready_;
  std::uint64_t posted_count_ = 0;
  std::uint64_t finished_count_ = 0;
  bool running_ = false;
  bool held_ = false;
  bool closing_ = false;
};

}  // namespace meridian::sim
