// Has the checkpoints of a log cosigned by outside witnesses, beside everything that writes.
//
//   once a period, or because somebody waits -> newest checkpoint = a round
//     -> every witness that is free: consistency proof from what it has, request
//        -> its cosignature joins the note of the round; receipts are made under that note
//        -> it has another size (409): from there, at once
//        -> it refuses, or does not answer: told once, tried again, ever less often
//
// Nothing in the ledger waits for a witness: writes, answers and plain receipts go on without one.
// Thread-safe. Everything runs on `executor`, with reads of tiles and headers; callbacks come from
// there and must be short. Bounds: witnesses_max, waiting_max, one request per witness, and
// WitnessingOptions for every wait.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/clock.h"
#include "io/executor.h"
#include "metrics/registry.h"
#include "proof/receipt.h"
#include "replica/replica.h"
#include "witness/witness_link.h"

namespace meridian::witness {

inline constexpr std::size_t witnesses_max = 16;
inline constexpr std::size_t waiting_max = 1'024;  ///< Receipts that wait for a witness.

/// The log that is witnessed. Its calls are thread-safe, and used until Witnessing::stop().
struct WitnessedLog {
  std::function<std::uint64_t()> visible_records;
  std::function<void(replica::Replica::CheckpointReady)> checkpoint;
  std::function<Result<Buffer>(std::uint64_t)> header;
  proof::TileReader& tiles;
};
WitnessedLog witnessed_log(replica::Replica& replica);

struct WitnessingOptions {
  io::Duration period = io::seconds(1);
  io::Duration spacing = io::milliseconds(100);    ///< Between rounds that somebody waits for.
  io::Duration retry_min = io::milliseconds(500);  ///< Doubles with each failure.
  io::Duration retry_max = io::seconds(10);
  io::Duration wait_max = io::seconds(20);  ///< For a witnessed receipt.
};

enum class WitnessState : std::uint8_t {
  unknown,      ///< It has not answered yet.
  cosigning,    ///<
  unreachable,  ///< No answer, or one that is not of the protocol.
  refusing,     ///< It answers and will not cosign: this log and its memory contradict each other.
};
std::string_view name(WitnessState state);

struct WitnessReport {
  std::string name, url;
  WitnessState state = WitnessState::unknown;
  std::uint64_t cosigned_size = 0;  ///< Of the newest tree it cosigned, since this start.
  std::uint64_t lag_records = 0;    ///< Readable records that it has not cosigned.
  std::string problem;              ///< Why, if it does not cosign.
};

class Witnessing {
 public:
  struct Io {
    io::Executor& executor;
    io::Clock& clock;
    metrics::Registry& metrics;
    std::function<void(const std::string&)> notice;
  };
  struct Peer {
    WitnessAddress address;
    std::unique_ptr<WitnessLink> link;
  };
  /// Errors: invalid_argument for too many witnesses, or one key given twice.
  static Result<std::unique_ptr<Witnessing>> start(const Io& io, const WitnessedLog& log,
                                                   std::vector<Peer> peers,
                                                   const WitnessingOptions& options = {});
  virtual ~Witnessing() = default;

  /// A receipt of a record under the checkpoint that most witnesses cosigned, if one covers it.
  using Found = std::function<void(Result<std::optional<proof::Receipt>>)>;
  virtual void find_receipt(std::uint64_t record, Found found) = 0;
  /// A receipt under a checkpoint that at least `count` witnesses cosigned, as soon as there is
  /// one. Errors: invalid_argument for more witnesses than there are; out_of_range;
  /// resource_exhausted; unavailable after wait_max, naming what each witness said.
  using Ready = std::function<void(Result<proof::Receipt>)>;
  virtual void wait_receipt(std::uint64_t record, std::size_t count, Ready ready) = 0;
  /// The same checkpoint with the cosignatures of witnesses that there are for it.
  virtual void add_cosignatures(std::string checkpoint, std::function<void(std::string)> ready) = 0;
  virtual void report(std::function<void(std::vector<WitnessReport>)> ready) = 0;
  /// The log is not touched once this returns: what is asked later gets what is known without it,
  /// and whoever waits, or comes to wait, is told that the server stops. Never from `executor`.
  virtual void stop() = 0;
};

}  // namespace meridian::witness
