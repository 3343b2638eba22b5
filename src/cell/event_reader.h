// Reads pages of events: positions from the stream index, headers and payloads from the segments,
// contents through the door.
//
// Thread-safe to call; works on the reads executor. `done` is called there, on the door's executor,
// or for a refused limit before the call returns.
// Cost: of a stream or category what its page holds; `all` looks at up to a million records for
// one page, and then answers a short page whose `next` goes on from there.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "cell/local_cell.h"

namespace meridian::cell {

class EventReader {
 public:
  EventReader(replica::Replica& replica, door::Door& door, io::Executor& executor)
      : replica_(replica), door_(door), executor_(executor) {}

  using Done = std::function<void(Result<ReadPage>)>;
  /// Errors: invalid_argument for a limit outside 1..read_limit_max; those of the stores.
  void read(ReadQuery query, Done done);
  /// What is under way ends without an answer: before the door or the replica goes.
  void stop() { *alive_ = false; }

 private:
  struct Located {
    std::vector<ledger::RecordIndex> records;
    std::uint64_t next = 0;
    bool end = false;
  };
  /// What the state says of the stream that is asked for.
  struct Bounds {
    std::uint64_t records = 0;         ///< In the ledger when the question came.
    std::uint64_t first_revision = 0;  ///< Before it: deleted.
    std::uint64_t revision_count = 0;
    bool stream_deleted = false;
  };
  void read_within(const ReadQuery& query, const Bounds& bounds, Done done);
  Result<Located> locate(const ReadQuery& query, const Bounds& bounds);
  Result<Located> locate_in_stream(const ReadQuery& query, const Bounds& bounds);
  Result<Located> locate_in_category(const ReadQuery& query, const Bounds& bounds);
  Result<Located> locate_in_all(const ReadQuery& query, const Bounds& bounds);

  replica::Replica& replica_;
  door::Door& door_;
  io::Executor& executor_;
  std::shared_ptr<std::atomic<bool>> alive_ = std::make_shared<std::atomic<bool>>(true);
};

}  // namespace meridian::cell
