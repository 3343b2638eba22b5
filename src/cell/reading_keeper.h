// Who read personal data, and what for: readings are counted, and become records of the cell, so
// that each is answered for and nobody fills the ledger from outside.
//
// A reading is owed before its data is given (owe()). What is owed is put together by actor,
// purpose, stream and person; each minute (Parts::write_every) it becomes an event of the stream
// `$readings` (docs/formats/readings.md), with an id that is in the file `readings.owed` before it
// leaves here, and that it keeps until it is known to be recorded: so each is recorded once. Where
// another replica leads, that one takes it (LocalCell::submit_own). So a crash loses the readings
// of its last minute, and a replica that hears no leader keeps them. Bounded: where many different
// ones wait, streams and persons are counted together, and past that readings are refused.
// owe() is thread-safe; the rest runs on the executor.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "cell/local_cell.h"
#include "cell/reading.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/entropy.h"
#include "io/executor.h"

namespace meridian::cell {

class ReadingKeeper {
 public:
  /// Different counts, and those of one actor; at half of either, streams are counted together.
  static constexpr std::size_t owed_max = 4'096;
  static constexpr std::size_t owed_of_one_max = 512;
  static constexpr io::Duration write_every_usual = io::seconds(60);

  struct Parts {
    /// LocalCell::submit_own
    std::function<void(door::EventDraft, LocalCell::Answered)> record;
    io::Disk& disk;
    io::Clock& clock;
    io::Entropy& entropy;
    io::Executor& executor;
    std::function<void(const std::string&)> notice;
    io::Duration write_every = write_every_usual;
  };
  /// What is given outlives it. Errors: data_loss (the file is damaged); of the disk.
  static Result<std::unique_ptr<ReadingKeeper>> start(Parts parts);
  virtual ~ReadingKeeper() = default;
  /// What is owed then is in the file. Not from the executor.
  virtual void stop() = 0;

  /// `reading` with a count, but without times. Errors: resource_exhausted: it must not be given.
  virtual Status owe(Reading reading) = 0;
  /// What no record has yet.
  virtual std::vector<Reading> owed() const = 0;
  /// Has it recorded now, as far as that can be; then calls `then`.
  virtual void write(std::function<void()> then) = 0;
};

}  // namespace meridian::cell
