// Threads: an Executor runs tasks one at a time, in the order posted. Each object of ours is owned
// by one executor; threads exchange work by posting to each other's.
//
// os_executor() is one named thread; sim::World runs all executors in one thread from one seed.
// Thread-safe. post() never blocks and never refuses: bounds belong to what is queued (named
// limits of the proposer), not to the executor. Cost of a post: about 100 ns, more if it wakes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "io/clock.h"

namespace meridian::io {

/// A move-only callable without arguments.
class Task {
 public:
  Task() = default;
  template <typename Function>
  requires(!std::is_same_v<std::decay_t<Function>, Task>)
      Task(Function&& function)  // NOLINT(bugprone-forwarding-reference-overload): see requires
      : body_(std::make_unique<Body<std::decay_t<Function>>>(std::forward<Function>(function))) {}
  void operator()() { body_->run(); }
  explicit operator bool() const { return body_ != nullptr; }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual void run() = 0;
  };
  template <typename Function>
  struct Body final : Base {
    explicit Body(Function&& f) : function(std::move(f)) {}
    explicit Body(const Function& f) : function(f) {}
    void run() override { function(); }
    Function function;
  };
  std::unique_ptr<Base> body_;
};

class Executor {
 public:
  /// Finishes the running task, drops the rest, joins. Never from its own thread.
  virtual ~Executor() = default;
  virtual void post(Task task) = 0;
  /// Runs `task` once, not before `delay` has passed.
  virtual void post_after(Duration delay, Task task) = 0;
  /// Blocks until every task posted before this call has run. Never from its own thread.
  virtual void drain() = 0;
};

/// One thread named `name` (at most 15 characters show in top).
std::unique_ptr<Executor> os_executor(std::string name);

}  // namespace meridian::io
