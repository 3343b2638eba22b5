// What one of several replicas tells while it is open: that it has to copy a state, met a full disk
// or damage, and how it stands in its cell. Told on its own threads, looked at by the main thread,
// which is woken.
#pragma once

#include <spdlog/spdlog.h>

#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "replica/member_news.h"
#include "serving.h"
#include "stop_signals.h"

namespace meridian::app {

class ReplicaWords {
 public:
  explicit ReplicaWords(ServeSetting& setting) {
    setting.behind = [this](const replica::MemberInfo& peer) { keep(behind_, peer); };
    setting.standing = [this](replica::Standing standing) { keep(standing_, standing); };
    if (!setting.config.group) return;
    setting.on_fatal = [this, stop = setting.on_fatal](const Error& error) {
      if (error.code == Code::data_loss) return keep(doubt_, error);
      if (error.code != Code::resource_exhausted) stop(error);
      keep(full_, error.message);
    };
    setting.damaged = [this](const Error& error) { keep(damaged_, error); };
  }
  std::optional<replica::MemberInfo> behind() {
    const std::lock_guard lock(mutex_);
    return behind_;
  }
  std::optional<replica::Standing> standing() {
    const std::lock_guard lock(mutex_);
    return standing_;
  }
  /// It met a full disk where it cannot wait: why it has to close until there is room.
  std::optional<std::string> full() {
    const std::lock_guard lock(mutex_);
    return full_;
  }
  /// What it keeps is damaged: it has to be closed, and repaired.
  std::optional<Error> damaged() {
    const std::lock_guard lock(mutex_);
    return damaged_;
  }
  /// It stopped: what it keeps is damaged, or it is not what the others have.
  std::optional<Error> doubt() {
    const std::lock_guard lock(mutex_);
    return doubt_;
  }
  /// Before the replica is opened.
  void forget() {
    const std::lock_guard lock(mutex_);
    full_.reset();
    damaged_.reset();
    doubt_.reset();
    behind_.reset();
    standing_.reset();
  }

 private:
  template <typename Value>
  void keep(std::optional<Value>& place, const Value& value) {
    const std::lock_guard lock(mutex_);
    place = value;
    StopSignals::wake();
  }

  std::mutex mutex_;
  std::optional<replica::MemberInfo> behind_;
  std::optional<replica::Standing> standing_;
  std::optional<std::string> full_;
  std::optional<Error> damaged_, doubt_;
};

/// Tells how a replica stands in its cell whenever that changes. Of a founder, which votes, it says
/// nothing at first.
class StandingLog {
 public:
  explicit StandingLog(const replica::GroupConfig& config)
      : self_{config.id, config.region, config.listen},
        last_(config.joins ? std::nullopt : std::optional(replica::Standing::voter)) {}
  void show(replica::Standing now) {
    if (std::exchange(last_, now) != now && !replica::is_out(now))
      spdlog::info("{}", replica::describe(now, self_));
  }
  std::string describe(replica::Standing now) const { return replica::describe(now, self_); }

 private:
  replica::MemberInfo self_;
  std::optional<replica::Standing> last_;
};

}  // namespace meridian::app
