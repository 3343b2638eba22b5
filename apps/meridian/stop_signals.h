// What a server's main thread waits for: a signal that stops it, or a word of another thread.
#pragma once

#include <unistd.h>

#include <csignal>
#include <ctime>
#include <optional>

namespace meridian::app {

/// Signals are blocked before any thread is made, so that they come to the main thread alone.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&signals_);
    for (const int signal : {SIGTERM, SIGINT, wake_signal}) sigaddset(&signals_, signal);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
  }
  /// The signal that stops the server; none: another thread called wake(), perhaps earlier.
  std::optional<int> wait() const {
    int signal = 0;
    while (sigwait(&signals_, &signal) != 0) {
    }
    if (signal == wake_signal) return std::nullopt;
    return signal;
  }
  /// The same, for at most `seconds`.
  std::optional<int> wait(time_t seconds) const {
    const timespec patience{seconds, 0};
    const int signal = sigtimedwait(&signals_, nullptr, &patience);
    if (signal <= 0 || signal == wake_signal) return std::nullopt;
    return signal;
  }
  static void wake() { ::kill(::getpid(), wake_signal); }

 private:
  static constexpr int wake_signal = SIGUSR1;
  sigset_t signals_{};
};

}  // namespace meridian::app
