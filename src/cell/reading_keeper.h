// Who read personal data, and what for: readings are counted, and become records of the cell, so
// that each is answered for and nobody fills the ledger from outside.
//
// A reading is owed before its data is given (owe()). What is owed is put together by actor,
// purpose, stream and person; each minute (Parts::write_every) the replica that leads writes it
// into the stream
// `$readings` (docs/formats/readings.md), the others keep it in the file `readings.owed` until they
// lead. So a crash loses the readings of its last minute. Bounded: where many different ones wait,
// streams and persons are counted together, and past that readings are refused.
// owe() is thread-safe; the rest runs on the executor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "cell/local_cell.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/entropy.h"
#include "io/executor.h"

namespace meridian::cell {

inline constexpr std::string_view readings_stream = "$readings";
inline constexpr std::string_view readings_type = "readings.counted";

/// Of one actor for one purpose. Ids are opaque; 0: several, or none.
struct Reading {
  u128 actor = 0;
  std::string purpose{};  ///< Empty: none was given.
  u128 stream = 0;
  u128 subject = 0;           ///< Of an export.
  std::uint64_t count = 0;    ///< Of events.
  std::uint64_t first = 0;    ///< Record index of one, the least.
  std::uint64_t last = 0;     ///< The greatest.
  std::uint64_t from_s = 0;   ///< Seconds since 1970.
  std::uint64_t until_s = 0;  ///< Of the newest.
  bool operator==(const Reading&) const = default;
};
/// As the records have them, and the file. Errors: invalid_argument.
std::string readings_json(const std::vector<Reading>& readings);
Result<std::vector<Reading>> parse_readings(std::string_view json);

/// 3 to 200 printable ASCII characters in which no personal data is found. Errors:
/// invalid_argument.
Status check_purpose(std::string_view purpose);

class ReadingKeeper {
 public:
  /// Different counts, and those of one actor; at half of either, streams are counted together.
  static constexpr std::size_t owed_max = 4'096;
  static constexpr std::size_t owed_of_one_max = 512;
  static constexpr io::Duration write_every_usual = io::seconds(60);

  struct Parts {
    LocalCell& cell;
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
  /// Writes it now, if this replica leads; then calls `then`.
  virtual void write(std::function<void()> then) = 0;
};

}  // namespace meridian::cell
