#include "gate.h"

#include <grpcpp/alarm.h>

#include <algorithm>

#include "grpc_time.h"

namespace meridian::client {

struct Gate::Waiter {
  Time end;
  std::function<void(Entry)> then;
  grpc::Alarm alarm;
};

Gate::Gate(std::size_t active_max, std::size_t waiting_max)
    : active_max_(active_max), waiting_max_(waiting_max) {}

void Gate::enter(Time end, std::function<void(Entry)> then) {
  Entry entry = Entry::admitted;
  std::shared_ptr<Waiter> waiter;
  {
    const std::lock_guard lock(mutex_);
    if (is_closed_) {
      entry = Entry::closed;
    } else if (active_ < active_max_) {
      ++active_;
    } else if (waiting_.size() >= waiting_max_) {
      entry = Entry::full;
    } else {
      waiter = std::make_shared<Waiter>();
      waiter->end = end;
      waiter->then = std::move(then);
      waiting_.push_back(waiter);
    }
  }
  if (!waiter) return then(entry);
  // Not under the lock, as a time that has passed may call back from here. Admitted meanwhile: the
  // timer dies with the waiter.
  waiter->alarm.Set(to_grpc(end), [gate = weak_from_this(), weak = std::weak_ptr(waiter)](bool) {
    const std::shared_ptr<Gate> self = gate.lock();
    const std::shared_ptr<Waiter> late = weak.lock();
    if (self && late) self->expire(late);
  });
}

void Gate::expire(const std::shared_ptr<Waiter>& waiter) {
  {
    const std::lock_guard lock(mutex_);
    const auto at = std::ranges::find(waiting_, waiter);
    if (at == waiting_.end()) return;
    waiting_.erase(at);
    ++telling_;
  }
  tell(*waiter, Entry::late);
}

void Gate::tell(Waiter& waiter, Entry entry) {
  waiter.then(entry);
  const std::lock_guard lock(mutex_);
  --telling_;
  left_.notify_all();
}

void Gate::leave() {
  while (true) {
    std::shared_ptr<Waiter> next;
    bool is_late = false;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty()) {
        --active_;
        left_.notify_all();
        return;
      }
      next = std::move(waiting_.front());
      waiting_.pop_front();
      // In a loop, as one that is admitted too late ends at once and comes back here: a full
      // queue of those would nest too deep for the stack.
      is_late = now() >= next->end;
      if (is_late) ++telling_;
    }
    if (!is_late) return next->then(Entry::admitted);  // takes the place of the one that leaves
    tell(*next, Entry::late);
  }
}

void Gate::close() {
  std::deque<std::shared_ptr<Waiter>> waiting;
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    waiting.swap(waiting_);
    telling_ += waiting.size();
  }
  for (const std::shared_ptr<Waiter>& waiter : waiting) tell(*waiter, Entry::closed);
}

void Gate::wait_empty() {
  std::unique_lock lock(mutex_);
  left_.wait(lock, [this] { return active_ == 0 && telling_ == 0; });
}

}  // namespace meridian::client
