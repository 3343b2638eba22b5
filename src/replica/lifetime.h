// Delayed tasks outlive what they call: they hold a Lifetime's token and do nothing once it ended.
// end() is called by the owner, which then drains the executors so that no task is half-way.
#pragma once

#include <atomic>
#include <memory>

namespace meridian::replica {

class Lifetime {
 public:
  using Token = std::shared_ptr<const std::atomic<bool>>;
  Token token() const { return alive_; }
  void end() { alive_->store(false); }
  bool ended() const { return !alive_->load(); }

 private:
  std::shared_ptr<std::atomic<bool>> alive_ = std::make_shared<std::atomic<bool>>(true);
};

}  // namespace meridian::replica
