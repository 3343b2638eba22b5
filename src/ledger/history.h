// What the state machine may ask about the past. The answers must be exact (never "maybe"), since
// replicas must agree; how they are found (memory, filters, sorted runs, segments) is storage's.
//
// Called only from the thread that applies.
#pragma once

#include <optional>
#include <span>

#include "base/result.h"
#include "base/u128.h"
#include "ledger/command.h"
#include "ledger/header.h"

namespace meridian::ledger {

/// Ids of different things never collide with one another.
enum class IdSpace : std::uint8_t {
  transfer = 0,            ///< Created transfers, and those that failed for a transient reason.
  resolution = 1,          ///< Pending transfer id -> the record that posted, voided or expired it.
  event = 2,               ///< Events and stream deletions.
  imported_timestamp = 3,  ///< Timestamp that an imported transfer asked for. Few or none.
};
inline constexpr std::size_t id_space_count = 4;

class History {
 public:
  virtual ~History() = default;
  /// The record that used `id`, if any. Errors: data_loss if the index cannot be read.
  virtual Result<std::optional<RecordIndex>> find(IdSpace space, u128 id) = 0;
  virtual void insert(IdSpace space, u128 id, RecordIndex at) = 0;
  /// Takes back an insert of the entry being applied (its chain failed).
  virtual void remove(IdSpace space, u128 id) = 0;
  /// These ids will be asked for soon. A hint.
  virtual void prefetch(IdSpace space, u128 id) = 0;
  /// The header of a record of an earlier entry. Errors: data_loss.
  virtual Result<Header> read(RecordIndex index) = 0;
};

}  // namespace meridian::ledger
