// One simulated machine with one replica of a cell, built by the same constructors as the binary.
//
// The disk outlives the process: kill() keeps the page cache, crash() loses what was not synced.
// One thread: the World's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replica/catch_up.h"
#include "replica/replica.h"
#include "sim/disk.h"
#include "sim/executor.h"
#include "sim/network.h"
#include "sim/world.h"

namespace meridian::sim_cluster {

class Node {
 public:
  Node(sim::World& world, sim::Net& net, const replica::ReplicaConfig& config, std::uint64_t seed);
  ~Node();

  std::uint64_t id() const { return config_.group->id; }
  const std::string& name() const { return name_; }
  bool is_up() const { return replica_ != nullptr; }
  replica::Replica& replica() { return *replica_; }
  sim::Disk& disk() { return *disk_; }
  const std::vector<std::string>& notices() const { return notices_; }
  /// Why the process would have ended, if it did.
  const std::optional<Error>& fatal() const { return fatal_; }

  Status start();
  void kill();                     ///< As kill -9: what was written stays.
  void crash(std::uint64_t seed);  ///< As a power failure.
  /// Power fails at the nth change of the disk from now on: within a write, or before its sync.
  void fail_power_soon(std::uint64_t n) {
    disk_->crash_at_mutation(disk_->mutation_count() + 1 + n);
  }
  void keep_power() { disk_->crash_at_mutation(UINT64_MAX); }
  /// Goes on with what a callback asked for: closes a replica that fell behind, copies a peer's
  /// state, opens it again. Call between steps of the world.
  Status keep_going();
  bool is_copying() const { return catch_up_ != nullptr; }
  std::uint64_t copies() const { return copies_; }
  /// Whoever exchanged the disk: the same id, nothing on it.
  void empty_disk(std::uint64_t seed);
  /// While held, nothing is written and no sync returns: a disk that hangs.
  void hold_disk(bool held);
  /// The next entry that a leader sends to this node comes out of its memory with one bit changed,
  /// which no checksum of a wire or disk sees.
  void flip_bit_of_next_entry() { *flips_next_entry_ = true; }

 private:
  Status open_parts();
  Status catch_up(std::optional<std::uint64_t> peer);
  replica::Replica::Io io();
  replica::ReplicaExecutors executors();
  void stop();
  void take_down(std::unique_ptr<sim::Disk> survived);

  sim::World& world_;
  sim::Net& net_;
  replica::ReplicaConfig config_;
  std::string name_;
  std::unique_ptr<sim::Disk> disk_;
  std::optional<metrics::Registry> metrics_;
  std::unique_ptr<storage::KeyStore> keys_;
  std::unique_ptr<io::Executor> log_, apply_, prove_, checkpoint_, raft_, propose_;
  std::unique_ptr<replica::Replica> replica_;
  std::unique_ptr<replica::CatchUp> catch_up_;
  std::optional<std::uint64_t> behind_;  ///< The peer to copy from.
  std::optional<Status> copied_;
  std::uint64_t copies_ = 0;
  std::uint64_t power_failures_ = 0;
  std::vector<std::string> notices_;
  std::optional<Error> fatal_;
  std::shared_ptr<bool> flips_next_entry_ = std::make_shared<bool>(false);
};

}  // namespace meridian::sim_cluster
