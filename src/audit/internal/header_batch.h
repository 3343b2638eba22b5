// Headers of consecutive records on their way from the reading thread to those that check them.
//
// Batches are used again and again: their memory is touched once, and at most `in_flight_max`
// exist, so reading waits for the slowest check. take() belongs to the reading thread; batches may
// be let go of on any.
#pragma once

#include <memory>
#include <mutex>
#include <semaphore>
#include <vector>

#include "base/bytes.h"

namespace meridian::audit::internal {

/// Headers of consecutive records; an empty one could not be read.
struct HeaderBatch {
  std::uint64_t first = 0;
  Buffer bytes;
  std::vector<std::uint32_t> sizes;

  void add(Bytes header) {
    bytes.insert(bytes.end(), header.begin(), header.end());
    sizes.push_back(static_cast<std::uint32_t>(header.size()));
  }
  std::uint64_t end() const { return first + sizes.size(); }
};
using BatchRef = std::shared_ptr<const HeaderBatch>;

/// Outlives its batches.
class BatchPool {
 public:
  static constexpr std::ptrdiff_t in_flight_max = 32;

  /// An empty batch; waits while too many are on their way.
  std::shared_ptr<HeaderBatch> take(std::uint64_t first) {
    free_places_.acquire();
    std::unique_ptr<HeaderBatch> batch = pop();
    batch->first = first;
    return {batch.release(), [this](HeaderBatch* done) { give(done); }};
  }

 private:
  std::unique_ptr<HeaderBatch> pop() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<HeaderBatch>();
    std::unique_ptr<HeaderBatch> batch = std::move(free_.back());
    free_.pop_back();
    return batch;
  }
  void give(HeaderBatch* done) {
    std::unique_ptr<HeaderBatch> batch(done);
    batch->bytes.clear();
    batch->sizes.clear();
    {
      const std::lock_guard lock(mutex_);
      free_.push_back(std::move(batch));
    }
    free_places_.release();
  }

  std::counting_semaphore<in_flight_max> free_places_{in_flight_max};
  std::mutex mutex_;
  std::vector<std::unique_ptr<HeaderBatch>> free_;
};

}  // namespace meridian::audit::internal
