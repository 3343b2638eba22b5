// The election timeout that follows from what is measured, and what members tell each other of
// theirs: the bound of a failover must hold whoever leads next.
//
//   needed = 3 x (usual round trip to a voter + 2 usual log writes + usual delay of a thread)
//
// It goes up at once, in steps, and down when a third less would do, so that it rests; never below
// what the configuration says (`--round-trip`), nor above 8 times that. What is usual leaves
// outliers out (io/recent_usual.h), the bound does not. On the raft executor.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "consensus/raft_node.h"
#include "replica/peer_message.h"

namespace meridian::replica {

struct TimingWord {
  io::Duration election;  ///< The timeout in use.
  io::Duration write;     ///< The longest write to the log of late.
  io::Duration delay;     ///< The longest that a tick came late.
  bool operator==(const TimingWord&) const = default;
};
/// timing = 14(1), election(8), write(8), delay(8): nanoseconds (docs/formats/membership.md).
Buffer encode_timing_word(const TimingWord& word);
/// Errors: invalid_argument.
Result<TimingWord> decode_timing_word(Bytes bytes);

class ElectionTiming {
 public:
  static constexpr std::int64_t stretch_max = 8;

  explicit ElectionTiming(const consensus::Timing& least)
      : least_(least), election_(least.election) {}

  /// What is usual of late; zeros where nothing is known.
  struct Usual {
    io::Duration round_trip, write, delay;
  };
  io::Duration next(const Usual& usual);
  /// More than may be reached was asked for last, and how much; else zero.
  io::Duration wanted_too_much() const { return too_much_; }

  void heard(std::uint64_t from, const TimingWord& word) { words_[from] = word; }
  /// The longest of each, of ours and those of `voters`.
  TimingWord worst(TimingWord ours, const consensus::Membership& membership) const;

 private:
  consensus::Timing least_;
  io::Duration election_;
  io::Duration too_much_{};
  std::map<std::uint64_t, TimingWord> words_;
};

}  // namespace meridian::replica
