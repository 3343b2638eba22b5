// What the keepers of a cell's subject keys work with, and what they know of each other.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cell/key_message.h"
#include "door/door.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/executor.h"
#include "replica/replica.h"
#include "storage/cell_key_table.h"
#include "storage/key_store.h"

namespace meridian::cell {

/// Functions may be called on the door's executor and call back on any.
struct KeyParts {
  io::Executor& executor;  ///< The door's, which owns the table.
  io::Executor& reads;
  io::Clock& clock;
  io::Entropy& entropy;
  door::Door& door;
  storage::CellKeyTable& table;  ///< The door's.
  storage::KeyStore& keys;
  u128 cell;
  std::uint64_t id;
  std::function<replica::Leadership()> leadership{};
  std::function<bool()> is_clock_confirmed{};  ///< Replica::is_clock_confirmed
  std::function<void(std::function<void(const replica::GroupState&)>)> group{};
  /// Once all that was answered anywhere before this call is stored here.
  std::function<void(std::function<void(Status)>)> catch_up{};
  std::function<void(std::unique_ptr<ledger::Request>, replica::Replica::Answered)> submit{};
  std::function<void(std::uint64_t to, Buffer)> send{};
  /// Of every replica that told it.
  std::function<std::map<std::uint64_t, crypto::ExchangePublicKey>()> exchange_keys{};
  /// Records stored so far: those of our kinds below were told before.
  std::function<std::uint64_t()> stored_records{};
  /// Blocks: those of our kinds among `count` records from `first` on.
  std::function<Result<std::vector<replica::KeyRecord>>(std::uint64_t first, std::uint64_t count)>
      scan{};
  /// The leader wants this replica's own storage key turned over.
  std::function<void()> turn_storage{};
  std::function<void(const std::string&)> notice{};
  std::function<void(Error)> fatal{};
};

/// What others told last. On the door's executor.
using KeyBoard = std::map<std::uint64_t, KeyNews>;

}  // namespace meridian::cell
