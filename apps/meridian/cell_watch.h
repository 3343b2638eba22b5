// Asks all replicas of a cell at once how they stand: what `top` and the demo look at.
//
// A resource of one thread. Each replica answers for itself, over a connection of its own, so that
// one that is dead or hangs costs the others nothing.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client.h"
#include "io/clock.h"

namespace meridian::app {

/// The values of a text of metrics, by name with labels as they stand there. A value.
class MetricValues {
 public:
  /// Lines that are none are passed over: a text may come from another version.
  static MetricValues parse(std::string_view text);
  /// 0 if there is none of that name.
  std::uint64_t of(std::string_view name) const;
  void set(std::string name, std::uint64_t value) { values_[std::move(name)] = value; }

 private:
  std::map<std::string, std::uint64_t, std::less<>> values_;
};

/// What one replica says of itself.
struct ReplicaSample {
  std::string address;   ///< As it was asked.
  std::string problem;   ///< Why it did not answer; "": it did, and the rest counts.
  io::MonotonicTime at;  ///< When it had answered.
  v1::StatusReply status;
  MetricValues metrics;

  bool answers() const { return problem.empty(); }
};

class CellWatch {
 public:
  /// Who has not answered within this counts as silent.
  static constexpr io::Duration patience = io::milliseconds(800);

  explicit CellWatch(const ClientOptions& options);
  /// In the order of the servers.
  std::vector<ReplicaSample> sample();

 private:
  std::unique_ptr<io::Clock> clock_ = io::os_clock();
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace meridian::app
