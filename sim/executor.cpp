#include "sim/executor.h"

#include "base/assert.h"
#include "sim/world.h"

namespace meridian::sim {

Executor::Executor(World& world, std::string name) : world_(world), name_(std::move(name)) {
  world_.add(*this);
}

Executor::~Executor() {
  ASSERT(!running_);
  closing_ = true;  // tasks dropped below may own objects that post as they die
  world_.remove(*this);
  ready_.clear();
}

void Executor::post(io::Task task) {
  ASSERT(static_cast<bool>(task));
  if (closing_) return;
  ready_.push_back(std::move(task));
  ++posted_count_;
}

void Executor::post_after(io::Duration delay, io::Task task) {
  ASSERT(static_cast<bool>(task));
  if (closing_) return;
  world_.add_timer(*this, delay, std::move(task));
}

void Executor::drain() {
  ASSERT(!running_);
  std::uint64_t target = posted_count_;
  while (finished_count_ < target) {
    bool progressed = world_.run_ready();
    ASSERT(progressed);  // else this executor waits for one that waits for it: a deadlock
  }
}

void Executor::run_one() {
  ASSERT(is_runnable());
  io::Task task = std::move(ready_.front());
  ready_.pop_front();
  running_ = true;
  task();
  task = io::Task{};
  running_ = false;
  ++finished_count_;
}

}  // namespace meridian::sim
