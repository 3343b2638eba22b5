// Which feature levels the replicas of a cell run (ledger/feature_level.h): each tells all others
// all the time, and a level is activated only once every member said that it runs it.
//
//   levels = 12 oldest(4) newest(4)        (docs/formats/membership.md)
//
// What a replica said counts as long as its link is up and it goes on saying so: one that was
// stopped may come back as an earlier version. A version that says nothing runs level 1 only.
// On the raft executor.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/clock.h"
#include "io/network.h"
#include "ledger/feature_level.h"
#include "replica/peer_message.h"

namespace meridian::replica {

Buffer encode_levels(const ledger::FeatureLevels& levels);
/// Errors: invalid_argument.
Result<ledger::FeatureLevels> decode_levels(Bytes bytes);

class LevelNews {
 public:
  /// For how long what a replica said counts; it says so twice a second.
  static constexpr io::Duration fresh = io::seconds(5);

  using Send = std::function<void(std::uint64_t to, io::Parts)>;
  LevelNews(io::Clock& clock, ledger::FeatureLevels own, Send send);

  void tell(std::uint64_t peer) { send_(peer, message_); }
  void receive(std::uint64_t from, const io::Parts& message);
  /// The link to it broke: it may come back as another version.
  void forget(std::uint64_t peer) { heard_.erase(peer); }
  /// None: nothing that counts.
  std::optional<ledger::FeatureLevels> of(std::uint64_t peer) const;

 private:
  struct Heard {
    ledger::FeatureLevels levels;
    io::MonotonicTime at;
  };
  io::Clock& clock_;
  Send send_;
  io::Parts message_;
  std::map<std::uint64_t, Heard> heard_;
};

/// How far an upgrade is, as one replica sees it.
struct LevelReport {
  std::uint64_t id = 0;
  std::uint64_t leader = 0;     ///< 0: not known.
  std::string leader_address;   ///< For clients; empty: not known.
  bool leads = false;           ///< And may propose.
  std::uint32_t active = 0;     ///< Level of the cell, as of what is applied here.
  ledger::FeatureLevels own{};  ///< Of this replica.
  struct Member {
    std::uint64_t id = 0;
    std::string region;
    std::optional<ledger::FeatureLevels> levels{};  ///< None: it said nothing of late.
  };
  std::vector<Member> members{};  ///< This one among them; by id.
};

/// The newest level above the active one that all members run; 0: none.
std::uint32_t activatable_level(const LevelReport& report);
/// Errors: failed_precondition, naming every member that does not run `level` or did not say so, or
/// why there is nothing to activate.
Status check_activation(const LevelReport& report, std::uint32_t level);

}  // namespace meridian::replica
