// One witness as the log sees it: what it has, whether it is asked just now, how it behaves.
//
// Judges answers; sends nothing itself. Owned by Witnessing, on its executor.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "io/clock.h"
#include "metrics/registry.h"
#include "proof/merkle.h"
#include "witness/internal/round.h"
#include "witness/witnessing.h"

namespace meridian::witness::internal {

class Courier {
 public:
  Courier(Witnessing::Peer peer, metrics::Registry& metrics,
          std::function<void(const std::string&)> notice, const WitnessingOptions& options);

  const proof::VerifierKey& key() const { return peer_.address.key; }
  WitnessLink& link() { return *peer_.link; }
  bool is_busy() const { return sending_ != nullptr; }
  /// True if `round` should go to it now.
  bool wants(const std::shared_ptr<Round>& round, io::MonotonicTime now) const;

  /// The body of a request for `round`. Errors: failed_precondition if the witness has a larger
  /// tree than this one; of the tiles. An error is a failure (fail()) to be told.
  Result<std::string> begin(const std::shared_ptr<Round>& round, proof::TileReader& tiles);
  /// What the answer to it means. True if the round has a cosignature more.
  bool finish(const Result<WitnessLink::Reply>& reply, io::MonotonicTime now);
  void fail(WitnessState state, const std::string& why, io::MonotonicTime now);

  WitnessReport report(std::uint64_t visible_records) const;
  void measure(std::uint64_t visible_records);

 private:
  bool cosigned(const std::string& body, io::MonotonicTime now);
  void other_size(const std::string& body, io::MonotonicTime now);
  std::string who() const;

  Witnessing::Peer peer_;
  std::function<void(const std::string&)> notice_;
  WitnessingOptions options_;
  std::shared_ptr<Round> sending_;

  std::uint64_t its_size_ = 0;  ///< Of the tree that it cosigned last, as far as we know.
  std::uint64_t cosigned_size_ = 0;
  std::uint32_t conflicts_ = 0;  ///< 409 in a row: each names the size to go on from.
  std::uint32_t failures_ = 0;
  io::MonotonicTime not_before_{};
  WitnessState state_ = WitnessState::unknown;
  std::string problem_;

  metrics::Gauge& size_gauge_;
  metrics::Gauge& lag_gauge_;
  metrics::Gauge& refusing_gauge_;
  metrics::Counter& cosigned_count_;
  metrics::Counter& refused_count_;
  metrics::Counter& unreachable_count_;
};

}  // namespace meridian::witness::internal
