// The schemas of a cell's events: events themselves, in a stream of the cell's own, so that who set
// which schema when is on record as all else is.
//
//   stream `$schemas`, type `$schema`, data {"type": "admission", "schema": "{...}"}, the schema as
//   the text that was given; null in its place: the type has none any more.
//
// A door must know them before it seals an event: of a group, whoever leads reads them anew in each
// term, as another one may have written; what is set in that term comes by itself.
// Thread-safe. Cost: of an event an atomic load; of a term one read of the stream.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "cell/event_reader.h"
#include "door/door.h"
#include "io/executor.h"
#include "replica/replica.h"

namespace meridian::cell {

class SchemaBook {
 public:
  static constexpr std::string_view stream = "$schemas";
  static constexpr std::string_view type = "$schema";

  /// All outlive it. stop() before any of them goes.
  SchemaBook(replica::Replica& replica, door::Door& door, EventReader& reader,
             io::Executor& executor)
      : replica_(replica), door_(door), reader_(reader), executor_(executor) {}
  void stop() { *alive_ = false; }

  /// The door uses all that was set, or does not lead.
  bool is_current() const;
  /// Calls `ready` once that is so: at once, or after reading.
  /// Errors: those of reading; internal if an event there is none that this version knows.
  void when_current(std::function<void(Status)> ready);
  /// Something was set: nothing is current before it was read.
  void forget_term() { current_in_ = 0; }
  /// Reads what is new, whoever wrote it, then calls `ready`.
  void refresh(std::function<void(Status)> ready);

  std::vector<LocalCell::SchemaOfType> list() const;  ///< By type.

  /// The event that sets `schema` for `of_type`, or takes it away if it is empty.
  /// Errors: invalid_argument; of a schema as EventSchema::parse.
  static Result<door::EventDraft> draft(u128 event_id, const std::string& of_type,
                                        const std::string& schema);

 private:
  std::uint64_t term() const;  ///< That this replica leads in; 0: it does not.
  void begin();
  void read_on(std::uint64_t in);
  Status take(const ReadPage& page);
  void finish(const Status& how, std::uint64_t in);

  replica::Replica& replica_;
  door::Door& door_;
  EventReader& reader_;
  io::Executor& executor_;
  std::shared_ptr<std::atomic<bool>> alive_ = std::make_shared<std::atomic<bool>>(true);
  /// The term in which all was read; 0: none yet.
  std::atomic<std::uint64_t> current_in_{0};

  mutable std::mutex mutex_;                          // guards the rest
  std::vector<std::function<void(Status)>> waiting_;  ///< For the reading under way.
  std::vector<std::function<void(Status)>> late_;     ///< Came during it: for the next.
  bool is_reading_ = false;
  std::uint64_t position_ = 0;  ///< Of the stream: read up to here.
  std::map<std::string, LocalCell::SchemaOfType, std::less<>> sets_;
};

}  // namespace meridian::cell
