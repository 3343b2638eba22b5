// The heart of the demo: under load the leader's region is killed, another takes over, and the dead
// one comes back; all of it to be seen while it happens.
//
// Of the main thread.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "demo_cell.h"
#include "demo_stage.h"
#include "live_view.h"

namespace meridian::app {

struct FailoverFigures {
  std::string killed, leader_after;     ///< Regions.
  std::uint64_t resume_ms = 0;          ///< From the kill to the first transfer acknowledged after.
  std::uint64_t failover_bound_ms = 0;  ///< As the cell exports it.
  std::uint64_t missed_entries = 0;     ///< Committed while the region was dead.
  std::uint64_t catch_up_ms = 0;        ///< From its start to holding all of them.
};

class Failover {
 public:
  Failover(const Stage& stage, DemoCell& cell, DemoLoad& load);
  /// Starts the load, and ends it.
  Result<FailoverFigures> run();

 private:
  io::MonotonicTime now() { return load_.clock().monotonic(); }
  Result<std::size_t> kill_leader();
  Status wait_for_answer();
  Status bring_back(std::size_t region);
  /// Draws what there is to see until `is_done`. Errors: deadline_exceeded naming `what`, if that
  /// takes longer than `patience`; of the load, if it ends.
  Status watch_until(const std::function<bool()>& is_done, io::Duration patience,
                     std::string_view what);
  Status watch_for(io::Duration duration);
  Status watch_for_leader();
  void draw();
  void tell(std::string text, bool with_table);
  std::string load_text() const;
  std::string time_text(io::MonotonicTime at) const;
  std::uint64_t acknowledged_per_s() const;

  const Stage& stage_;
  DemoCell& cell_;
  DemoLoad& load_;
  Screen screen_;
  io::MonotonicTime began_;
  io::MonotonicTime told_{};  ///< Without a terminal: when a line was last printed.
  std::deque<std::pair<io::MonotonicTime, std::uint64_t>> counts_;  ///< Of the last second or so.
  std::vector<std::string> events_;
  CellView view_;
  io::MonotonicTime killed_at_{};
  FailoverFigures figures_;
};

}  // namespace meridian::app
