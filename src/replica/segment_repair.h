// Fetches one damaged segment from the other replicas and puts it in the place of the own files.
//
// Asks one peer for piece after piece (CopyQuestion::piece: any replica that holds the records
// serves them, without an offer); if it does not answer, errs, or gives what does not fit, the next
// one from the start. Every piece is checked as those of a copy are and written at once, so that
// memory holds one piece (2 MiB); the whole counts only with the root that was asked for.
// All of it runs on one executor, which blocks on the disk.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/executor.h"
#include "io/network.h"
#include "replica/lifetime.h"
#include "replica/state_copy.h"
#include "storage/record_store.h"

namespace meridian::replica {

class SegmentRepair {
 public:
  static constexpr io::Duration patience = io::milliseconds(1'000);
  /// Questions without an answer after which a peer is given up.
  static constexpr int silent_max = 5;

  struct Parts {
    io::Executor& executor;
    storage::RecordStore& records;
    u128 cell;
    /// False if it was not queued.
    std::function<bool(std::uint64_t to, io::Parts question)> send;
  };
  struct Wanted {
    std::uint64_t segment;
    crypto::Digest root;
    std::vector<std::uint64_t> peers;  ///< In the order in which they are asked.
  };
  /// `done` once, on the executor: the peer that it came from. Errors: unavailable, saying what
  /// each of the peers lacked; others are of the own disk.
  SegmentRepair(const Parts& parts, Wanted wanted,
                std::function<void(Result<std::uint64_t> peer)> done);
  /// No call is made from now on. On the executor, or when it is idle.
  ~SegmentRepair() { lifetime_.end(); }

  void start() { ask_next_peer(); }
  /// What came with PeerTag::copy_answer. On the executor.
  void receive(std::uint64_t from, const io::Parts& answer);

 private:
  std::uint64_t end() const { return (wanted_.segment + 1) * storage::segment_records; }
  std::uint64_t peer() const { return wanted_.peers[peer_]; }
  void ask_next_peer();
  void ask();
  void send();
  void watch();
  void give_up_peer(const std::string& why);
  Status take(Bytes bytes);
  void finish();
  void finished(Result<std::uint64_t> result);

  Parts parts_;
  const Wanted wanted_;
  std::function<void(Result<std::uint64_t>)> done_;
  Lifetime lifetime_;
  std::unique_ptr<storage::RecordStore::Replacement> replacement_;
  std::size_t peer_ = 0;  ///< Of those wanted; all were asked if it is none of them.
  PieceRequest asked_{};
  std::uint64_t number_ = 0;  ///< Of the question: what answers another one comes too late.
  int silent_ = 0;
  std::string lacks_;  ///< Of the peers asked so far, for people.
  bool ended_ = false;
};

}  // namespace meridian::replica
