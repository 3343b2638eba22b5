// Asks what the cell keeps under the ids of commands, to tell how writes ended.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "calls.h"

namespace meridian::client {

/// 128 bytes as sent: an Account or a Transfer.
using Packed = std::array<std::byte, 128>;

/// Commands by id; `packed` in the same order, or empty: then any record of an id counts.
struct Asked {
  Kind kind = Kind::transfer;
  std::vector<u128> ids;
  std::vector<Packed> packed;
};

struct Found {
  bool is_same = true;  ///< As far as can be told: events and bare ids count by id alone.
  std::uint64_t timestamp = 0;
  std::uint64_t revision = 0;
  std::optional<std::uint64_t> record_index;
};

struct FindEnd {
  std::vector<std::optional<Found>> found;  ///< One per id; empty if there is an error.
  std::optional<Error> error;
};

/// A linearizable read of all of them. Events are asked for one after another.
void find(const std::shared_ptr<Calls>& calls, Asked asked, Time end,
          std::function<void(FindEnd)> then);

}  // namespace meridian::client
