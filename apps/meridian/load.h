// A load on a server: many calls in flight, each slot sending its next as soon as it is answered.
//
// What the server refuses for lack of room is sent again after a pause. Used by bench and demo.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "client.h"
#include "io/executor.h"
#include "ledger/command.h"

namespace meridian::app {

enum class LoadKind : std::uint8_t { transfers, events };

/// How somebody else ends a load before its count.
enum class LoadEnd : std::uint8_t {
  none,
  finish,   ///< Nothing new is sent; what was sent is brought to its end.
  abandon,  ///< Nor is anything sent again: outcomes may stay open.
};

struct LoadPlan {
  LoadKind kind = LoadKind::transfers;
  std::uint64_t count = 0;
  std::uint32_t batch = 8'189;
  std::uint32_t in_flight = 4;
  std::uint64_t accounts = 2;  ///< Events: streams.
  bool random_ids = true;
  std::uint64_t seed = 1;
  u128 first_account = 0;  ///< Accounts are first_account + 0 .. accounts - 1.
  std::uint32_t event_bytes = 256;
  std::uint64_t per_second = 0;               ///< Not faster than this; 0: as fast as it goes.
  const std::atomic<LoadEnd>* end = nullptr;  ///< Null: it runs to its count.
};

/// Commands first .. first + count - 1 were acknowledged.
struct Acknowledged {
  std::uint64_t first = 0, count = 0;
  io::MonotonicTime sent{};  ///< When the attempt began that was answered.
};

struct LoadResult {
  std::uint64_t done = 0, refused = 0, repeated = 0;
  double seconds = 0;
  std::vector<std::uint64_t> latencies_ns;  ///< Of each request, ascending.
};

/// The id of command `number` of a load: known beforehand, so that it can be looked for later.
u128 load_id(const LoadPlan& plan, std::uint64_t number);

/// Transfer `number` of a load, without what the ledger fills in.
ledger::Transfer load_transfer(const LoadPlan& plan, std::uint64_t number);

/// Makes accounts first_account + 0 .. accounts - 1 in ledger 1.
Status make_accounts(Client& client, const LoadPlan& plan);

/// Runs the load to its end. `answered` is called from internal threads, one at a time, for every
/// acknowledged batch. Errors: the first that repeating cannot help; what was
/// acknowledged until then was told to `answered`.
Result<LoadResult> run_load(Client& client, const LoadPlan& plan,
                            const std::function<void(const Acknowledged&)>& answered);

}  // namespace meridian::app
