// Life of a task: post -> ready_ -> running -> done;  post_after -> timers_ -> (due) -> ready_.
// Destruction: the running task ends, ready_ and timers_ are dropped after the thread is joined.
#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "io/executor.h"

namespace meridian::io {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

struct Timer {
  SteadyTime due;
  std::uint64_t sequence;  // equal times run in the order posted
  Task task;
};

/// Makes the std heap functions keep the earliest timer in front.
bool later(const Timer& a, const Timer& b) {
  return a.due != b.due ? a.due > b.due : a.sequence > b.sequence;
}

class OsExecutor final : public Executor {
 public:
  explicit OsExecutor(std::string name) {
    name.resize(std::min<std::size_t>(name.size(), 15));  // the kernel's limit
    thread_ = std::thread([this, name = std::move(name)] {
      ::pthread_setname_np(::pthread_self(), name.c_str());
      run();
    });
  }

  ~OsExecutor() override {
    ASSERT(std::this_thread::get_id() != thread_.get_id());
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
    // Tasks dropped here may own objects that post as they die: post() ignores them from now on.
    std::deque<Task> ready;
    std::vector<Timer> timers;
    {
      std::lock_guard lock(mutex_);
      ready.swap(ready_);
      timers.swap(timers_);
    }
  }

  void post(Task task) override {
    ASSERT(static_cast<bool>(task));
    bool wake = false;
    {
      std::lock_guard lock(mutex_);
      if (stopping_) return;
      ready_.push_back(std::move(task));
      wake = std::exchange(waiting_, false);
    }
    if (wake) wake_.notify_one();
  }

  void post_after(Duration delay, Task task) override {
    ASSERT(static_cast<bool>(task));
    // A hundred years is "never", and keeps the sum inside the clock's range.
    constexpr std::int64_t delay_ns_max = 100LL * 365 * 86'400 * 1'000'000'000;
    std::int64_t delay_ns =
        std::clamp<std::int64_t>(static_cast<std::int64_t>(delay), 0, delay_ns_max);
    SteadyTime due = std::chrono::steady_clock::now() + std::chrono::nanoseconds(delay_ns);
    bool wake = false;
    {
      std::lock_guard lock(mutex_);
      if (stopping_) return;
      timers_.push_back({due, ++sequence_, std::move(task)});
      std::push_heap(timers_.begin(), timers_.end(), later);
      wake = std::exchange(waiting_, false);
    }
    if (wake) wake_.notify_one();
  }

  void drain() override {
    ASSERT(std::this_thread::get_id() != thread_.get_id());
    std::mutex mutex;
    std::condition_variable reached;
    bool done = false;
    post([&] {
      // Notified under the lock: the waiter may destroy all three as soon as it can take it.
      std::lock_guard lock(mutex);
      done = true;
      reached.notify_one();
    });
    std::unique_lock lock(mutex);
    reached.wait(lock, [&] { return done; });
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (!timers_.empty()) take_due_timers();
      if (!ready_.empty()) {
        Task task = std::move(ready_.front());
        ready_.pop_front();
        lock.unlock();
        task();
        task = Task{};  // what it captured dies outside the lock
        lock.lock();
        continue;
      }
      waiting_ = true;
      if (timers_.empty()) {
        wake_.wait(lock, [this] { return !waiting_ || stopping_; });
      } else {
        SteadyTime due = timers_.front().due;
        wake_.wait_until(lock, due, [this] { return !waiting_ || stopping_; });
      }
      waiting_ = false;
    }
  }

  void take_due_timers() {
    SteadyTime now = std::chrono::steady_clock::now();
    while (!timers_.empty() && timers_.front().due <= now) {
      std::pop_heap(timers_.begin(), timers_.end(), later);
      ready_.push_back(std::move(timers_.back().task));
      timers_.pop_back();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> ready_;
  std::vector<Timer> timers_;  // heap ordered by later()
  std::uint64_t sequence_ = 0;
  bool waiting_ = false;  // the thread sleeps and nobody has woken it yet
  bool stopping_ = false;
  std::thread thread_;  // last: starts when everything above is there
};

}  // namespace

std::unique_ptr<Executor> os_executor(std::string name) {
  return std::make_unique<OsExecutor>(std::move(name));
}

}  // namespace meridian::io
