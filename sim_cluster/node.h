// One simulated machine with one replica of a cell, built by the same constructors as the binary.
//
// The disk outlives the process: kill() keeps the page cache, crash() loses what was not synced.
// A process that stops itself is dead (keep_going() sees to that); a replica whose disk was
// emptied, or rotted where no peer can help, is lost for good. One thread: the World's.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replica/catch_up.h"
#include "replica/replica.h"
#include "sim/disk.h"
#include "sim/executor.h"
#include "sim/network.h"
#include "sim/random.h"
#include "sim/world.h"
#include "sim_cluster/node_clock.h"

namespace meridian::sim_cluster {

enum class Stage : std::uint8_t { propose, raft, log, apply, prove, checkpoint };
inline constexpr std::size_t stage_count = 6;

class Node {
 public:
  Node(sim::World& world, sim::Net& net, const replica::ReplicaConfig& config, std::uint64_t seed);
  ~Node();

  std::uint64_t id() const { return config_.group->id; }
  const std::string& name() const { return name_; }
  const std::string& region() const { return config_.group->region; }
  const std::string& address() const { return config_.group->listen; }
  bool is_up() const { return replica_ != nullptr; }
  /// Closed, and taking a peer's state or having its log supplied again.
  bool is_copying() const { return catch_up_ != nullptr; }
  std::uint64_t copied_bytes() const { return copied_bytes_; }  ///< Of the copy under way.
  bool is_running() const { return is_up() || is_copying(); }
  bool may_start() const { return !is_running() && !retired_ && (!lost_ || emptied_); }
  replica::Replica& replica() { return *replica_; }
  sim::Disk& disk() { return *disk_; }
  NodeClock& clock() { return clock_; }
  const std::vector<std::string>& notices() const { return notices_; }
  /// Why the process is about to end, if it is; keep_going() buries it.
  const std::optional<Error>& fatal() const { return fatal_; }

  /// Starts; a disk that fails meanwhile is a death, a refusal a loss if that was to be feared.
  /// Any other refusal is the error.
  Status start();
  void kill();                     ///< As kill -9: what was written stays.
  void crash(std::uint64_t seed);  ///< As a power failure.
  /// Goes on with what a callback asked for: closes a replica that fell behind, copies a peer's
  /// state, opens it again; buries a process that stopped itself. Call between steps of the world.
  /// Errors: why it stopped, if nothing was wrong with its disk.
  Status keep_going();
  std::uint64_t copies() const { return copies_; }          ///< Of a peer's state.
  std::uint64_t resupplies() const { return resupplies_; }  ///< Of a log whose end was in doubt.
  std::uint64_t repairs() const { return repairs_; }        ///< Of what had rotted.
  /// Somebody met it in a read: keep_going() has it repaired.
  void find_damage(const Error& what);

  /// While held, the stage does nothing: a disk that hangs, a process that is starved.
  void hold(Stage stage, bool held);
  void hold_disk(bool held) { hold(Stage::log, held); }
  void hold_all(bool held);

  /// Power fails at the `nth` mutation of the disk from now on: within a write, or before its sync.
  void fail_power_after(std::uint64_t nth, std::uint64_t seed);
  /// Power fails as soon as a peer's state has been installed.
  void fail_power_after_copy(std::uint64_t seed);
  void keep_power();
  /// Leaves `bytes` of room; none: as much as before.
  void limit_disk(std::optional<std::uint64_t> bytes);
  bool is_full() const { return is_full_; }
  /// The next entry that a leader sends to this node comes out of its memory with one bit changed,
  /// which no checksum of a wire or disk sees.
  void flip_bit_of_next_entry() { *flips_next_entry_ = true; }

  // --- what costs the replica for good, or may ---
  /// Stopped nodes only: rots a bit of what it keeps. False if there is none.
  bool rot(sim::Random& random);
  /// This bit, also of one that runs. False if the file does not reach so far.
  bool rot_at(const std::string& path, std::uint64_t offset, unsigned bit);
  bool is_rotten() const { return is_rotten_; }
  /// Comes back with an empty disk and the same id.
  void empty_disk(std::uint64_t seed);
  bool is_emptied() const { return emptied_; }
  /// It is of no use any more; why.
  const std::optional<std::string>& lost() const { return lost_; }
  void lose(std::string why);
  /// No member any more: the machine is switched off.
  void retire();
  bool is_retired() const { return retired_; }
  /// From its next start on it is a version that runs feature levels up to `level`. A stopped node.
  void install(std::uint32_t level) { config_.feature_level = level; }
  std::uint32_t feature_level() const { return config_.feature_level; }
  /// How often it stopped as the cell was at a newer level, and was given the version that it
  /// named.
  std::uint64_t outdated() const { return outdated_; }
  /// What it said as it stopped last at an entry that it cannot apply (Canary::poison_amount).
  const std::string& poisoned() const { return poisoned_; }
  /// How it stands, for people.
  std::string describe() const;

 private:
  Status open_parts();
  Status open_replica();
  Status catch_up(const std::optional<replica::MemberInfo>& peer);
  Status end_catch_up();
  Status repair_or_bury(const Error& why);
  Status bury(const Error& why);
  replica::Replica::Io io();
  replica::ReplicaExecutors executors();
  sim::Executor* executor(Stage stage) {
    return static_cast<sim::Executor*>(stages_[static_cast<std::size_t>(stage)].get());
  }
  void make_keys();
  void stop();
  void take_down(std::unique_ptr<sim::Disk> survived);

  sim::World& world_;
  sim::Net& net_;
  replica::ReplicaConfig config_;
  std::string name_;
  NodeClock clock_;
  std::unique_ptr<sim::Disk> disk_;
  std::optional<metrics::Registry> metrics_;
  std::unique_ptr<storage::KeyStore> keys_;
  std::array<std::unique_ptr<io::Executor>, stage_count> stages_;
  std::unique_ptr<replica::Replica> replica_;
  std::unique_ptr<replica::CatchUp> catch_up_;
  std::optional<replica::MemberInfo> copy_from_;  ///< Of catch_up_.
  std::optional<replica::MemberInfo> behind_;     ///< The peer to copy from.
  std::optional<Status> copied_;
  std::uint64_t copied_bytes_ = 0;
  std::uint64_t copies_ = 0, resupplies_ = 0, repairs_ = 0;
  std::uint64_t outdated_ = 0;
  std::string poisoned_;
  std::uint64_t power_seed_ = 1;
  bool power_fails_after_copy_ = false;
  bool is_full_ = false;
  bool was_full_ = false;  ///< Since it started: what did not fit may still stop it.
  bool is_rotten_ = false;
  bool is_log_rotten_ = false;
  bool was_given_up_ = false;  ///< Of catch_up_: the state that was here.
  bool emptied_ = false;
  bool retired_ = false;
  std::optional<std::string> lost_;
  std::vector<std::string> notices_;
  std::optional<Error> fatal_;
  std::optional<Error> damaged_;
  std::shared_ptr<bool> flips_next_entry_ = std::make_shared<bool>(false);
};

}  // namespace meridian::sim_cluster
