// SIGTERM and SIGINT as an event that main waits for.
#pragma once

#include <csignal>

namespace meridian::app {

/// The signals that stop the server, kept for the main thread: blocked before any other is made.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
  }
  int wait() const {
    int signal = 0;
    while (sigwait(&signals_, &signal) != 0) {
    }
    return signal;
  }

 private:
  sigset_t signals_{};
};

}  // namespace meridian::app
