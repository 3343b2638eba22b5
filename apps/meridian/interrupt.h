// Ctrl-C and the like, for commands that have something to put in order before they end: the
// terminal, processes, a directory.
//
// One at a time, on the main thread. A command asks came() where it waits, puts things in order,
// and ends with end_by(), so that its caller learns that a signal did it.
#pragma once

#include <array>
#include <csignal>
#include <optional>

namespace meridian::app {

class Interrupt {
 public:
  Interrupt() {
    came_ = 0;
    for (const int signal : signals) std::signal(signal, [](int number) { came_ = number; });
  }
  ~Interrupt() {
    for (const int signal : signals) std::signal(signal, SIG_DFL);
  }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  static std::optional<int> came() {
    if (came_ == 0) return std::nullopt;
    return static_cast<int>(came_);
  }
  /// Ends the process as `signal` would have.
  static void end_by(int signal) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }

 private:
  static constexpr std::array signals{SIGINT, SIGTERM, SIGHUP};
  static inline volatile std::sig_atomic_t came_ = 0;
};

}  // namespace meridian::app
