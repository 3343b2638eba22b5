// How often strangers may begin a handshake, by where they come from: each costs the processor
// before anybody has shown who they are. Whoever turns out to be known gives theirs back, so a
// gateway with many good callers behind it is not slowed down.
//
// The generic cell rate algorithm (ITU-T I.371, annex A): one moment for each origin. Pure; one
// thread. Bounded: origins that have all they may have are forgotten.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>

#include "io/clock.h"

namespace meridian::api {

class HandshakePace {
 public:
  static constexpr int at_once = 256;    ///< That were not known, or not yet.
  static constexpr int per_second = 64;  ///< Once those are used up.
  static constexpr std::size_t origins_max = 65'536;

  /// False: it comes too often, or from one origin too many.
  bool begin(const std::string& origin, io::MonotonicTime now);
  void give_back(const std::string& origin);
  std::size_t size() const { return free_at_.size(); }

 private:
  bool make_room(io::MonotonicTime now);
  /// When it will have all it may have. Not there: it has.
  std::unordered_map<std::string, io::MonotonicTime> free_at_;
};

}  // namespace meridian::api
