// What consensus orders, keeps and hands out: entries of opaque bytes, and its own hard state.
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"

namespace meridian::consensus {

enum class EntryKind : std::uint8_t {
  commands = 0,
  empty = 1,       ///< A new leader's first: no record.
  membership = 2,  ///< `change` is raft's encoding; `bytes` the record of it, if there is one.
};

using EntryBytes = std::shared_ptr<const Buffer>;

struct LogEntry {
  std::uint64_t index = 0;
  std::uint64_t term = 0;
  EntryKind kind = EntryKind::commands;
  EntryBytes change;       ///< Only of membership entries.
  EntryBytes bytes;        ///< Null for an empty one, or if it must be read back.
  std::uint64_t size = 0;  ///< Of `bytes`, also where they are not here.
};

struct HardState {
  std::uint64_t term = 0;
  std::uint64_t vote = 0;
  std::uint64_t commit = 0;
  bool operator==(const HardState&) const = default;
};

struct LogPosition {
  std::uint64_t index = 0;  ///< 0: nothing yet.
  std::uint64_t term = 0;
  bool operator==(const LogPosition&) const = default;
};

}  // namespace meridian::consensus
