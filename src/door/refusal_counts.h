// What was refused before it came to be a command, counted by actor, reason and minute, so that it
// can be recorded.
//
// Thread-safe. Bounded: past keys_max different counts, actors are counted together.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "base/result.h"
#include "base/u128.h"
#include "io/clock.h"
#include "ledger/entry.h"
#include "mesh/action.h"

namespace meridian::door {

/// Why; the numbers stand in door_refusals records.
enum class Refusal : std::uint32_t {
  malformed = 1,
  personal_data = 2,
  too_large = 3,
  forgotten = 4,
  denied = 5,  ///< By the policy; the record names the action.
  bad_signature = 6
};

class RefusalCounts {
 public:
  static constexpr std::size_t keys_max = 1'024;

  void count(u128 actor, const Error& error, io::WallTime now);
  void count_denial(u128 actor, mesh::Action action, io::WallTime now);
  void count_bad_signature(u128 actor, io::WallTime now);
  /// Since the last call, as door_refusals commands; null if there were none.
  std::unique_ptr<ledger::Request> take();

 private:
  struct Key {
    u128 actor;
    Refusal reason;
    std::uint32_t action;  ///< mesh::number_of, or 0.
    std::uint64_t minute;
    auto operator<=>(const Key&) const = default;
  };
  void count(Key key);

  std::mutex mutex_;
  std::map<Key, std::uint64_t> counts_;
};

}  // namespace meridian::door
