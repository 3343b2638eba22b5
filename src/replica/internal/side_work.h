// Work that runs beside what goes on, on another executor, in the order in which it is given.
//
// One thread gives at a time. Bounded: who gives waits once so many are not done. Without an
// executor all is done at once by who gives it.
#pragma once

#include <atomic>
#include <mutex>
#include <utility>

#include "base/result.h"
#include "io/executor.h"

namespace meridian::replica {

class SideWork {
 public:
  SideWork(io::Executor* executor, std::size_t under_way_max)
      : executor_(executor), under_way_max_(under_way_max) {}
  ~SideWork() { wait(); }
  SideWork(const SideWork&) = delete;
  SideWork& operator=(const SideWork&) = delete;

  /// `work` returns a Status. Errors: of the first work that failed, this one or one before; from
  /// then on none is begun.
  template <typename Work>
  Status give(Work work) {
    if (under_way_ >= under_way_max_) wait();
    TRY(failure());
    if (executor_ == nullptr) return end(work());
    ++under_way_;
    executor_->post([this, work = std::move(work)]() mutable {
      if (failure()) (void)end(work());
      --under_way_;
    });
    return {};
  }
  /// Waits until all is done. Errors: as give().
  Status finish() {
    wait();
    return failure();
  }

 private:
  void wait() {
    if (executor_ != nullptr) executor_->drain();
  }
  Status end(Status done) {
    const std::lock_guard lock(mutex_);
    if (failure_) failure_ = std::move(done);
    return failure_;
  }
  Status failure() {
    const std::lock_guard lock(mutex_);
    return failure_;
  }

  io::Executor* executor_;
  const std::size_t under_way_max_;
  std::atomic<std::size_t> under_way_ = 0;
  std::mutex mutex_;
  Status failure_;  ///< Of the first that failed.
};

}  // namespace meridian::replica
