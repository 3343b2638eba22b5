// Everything about one person: a scan of all records for events with a compartment under its keys,
// part by part, each opened as far as its keys are there. What such an event holds of others is
// withheld.
//
// Thread-safe to call; works on the reads executor. `done` is called there or on the door's.
// Cost: reads the headers of what it looks at, and the payloads of all events among them.
#pragma once

#include <functional>
#include <string>

#include "cell/local_cell.h"

namespace meridian::cell {

class SubjectExport {
 public:
  static constexpr std::uint64_t records_max = 65'536;       ///< That one part looks at.
  static constexpr std::size_t events_max = 256;             ///< That one part holds.
  static constexpr std::size_t payload_bytes_max = 2 << 20;  ///< About.

  SubjectExport(replica::Replica& replica, door::Door& door, io::Executor& executor)
      : replica_(replica), door_(door), executor_(executor) {}

  using Done = std::function<void(Result<ExportPage>)>;
  /// Errors: invalid_argument for the name; those of the stores.
  void read(const std::string& subject, std::uint64_t position, Done done);

 private:
  struct Found {
    std::vector<door::Door::SealedEvent> events;
    std::uint64_t next = 0;
  };
  void read_within(u128 subject, std::uint64_t position, std::uint64_t records, const Done& done);
  Result<Found> find(u128 subject, std::uint64_t position, std::uint64_t records);

  replica::Replica& replica_;
  door::Door& door_;
  io::Executor& executor_;
};

}  // namespace meridian::cell
