// The other replicas of a cell: who may talk to this one, and where their messages go.
//
// Every link begins with a hello that names cell, generation, Raft id and storage; a known id with
// another storage is refused for good (M2, L8): its disk was emptied or exchanged, and it would
// vote away what was acknowledged. Which storage the id of a member has says the record that gave
// it a vote; of a founder, and until then, it is remembered durably at first contact. That of an id
// that is no member's is not, as whoever has it may yet be given up.
// A founder whose disk is new cannot know whether it is the first one: it takes no part until every
// other founder has let it in, which one that met another disk does not.
// The hello also says where clients reach the replica: whom they are sent to if it leads.
// Handlers run on the executor given to start().
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "io/disk.h"
#include "io/executor.h"
#include "io/network.h"
#include "replica/group_config.h"
#include "replica/peer_message.h"
#include "storage/replica_identity.h"
#include "storage/slot_file.h"

namespace meridian::replica {

struct Hello {
  u128 cell;
  std::uint64_t generation;
  std::uint64_t id;
  u128 storage;
  std::string region;
  std::string client_address;  ///< Where clients reach it; may be empty.
  bool operator==(const Hello&) const = default;
};
Buffer encode_hello(const Hello& hello);
/// Errors: invalid_argument naming what is wrong.
Result<Hello> decode_hello(Bytes bytes);

class Peers {
 public:
  using Receive = std::function<void(std::uint64_t from, io::Parts parts)>;
  using LinkDown = std::function<void(std::uint64_t peer)>;

  /// Reads what is known of others from `disk`. Errors: data_loss.
  static Result<std::unique_ptr<Peers>> open(io::Disk& disk, std::unique_ptr<io::Network> network,
                                             const storage::ReplicaIdentity& self,
                                             std::function<void(const std::string&)> notice);

  /// Who gets messages of a kind; null: nobody any more. Before start(), or on its executor.
  void on(PeerTag tag, Receive receive) { receivers_[tag] = std::move(receive); }
  void on_link_down(LinkDown call) { link_down_ = std::move(call); }
  /// It let this replica in. Before start().
  void on_link_up(std::function<void(std::uint64_t peer)> call) { link_up_ = std::move(call); }
  /// Canary::admit_any_disk. Before start().
  void admit_any_disk() { admits_any_disk_ = true; }
  /// A founder with a new disk: until each of `founders` has let it in, it is deaf and mute but for
  /// who takes part in the cell. Before start().
  void wait_for(const std::set<std::uint64_t>& founders);
  /// Those that have not let it in yet.
  std::set<std::uint64_t> waits_for() const;
  /// Those are asked to let it in; links do not make themselves.
  void ask_to_be_let_in();
  /// Somebody speaks who is no member any more, or whose storage is not the one that its id belongs
  /// to: nothing it says counts, and it should be told.
  void on_stranger(std::function<void(std::uint64_t id)> call) { stranger_ = std::move(call); }
  /// `client_address`: of this replica, told to the others.
  Status start(const std::string& listen, const std::string& client_address,
               io::Executor& executor);
  /// No handler is called any more, nothing is sent.
  void stop();

  /// A storage that it names counts more than that of the first contact: who was let in with
  /// another one is cut off.
  void set(const MemberInfo& member);
  /// One that is no member asks: it is answered at `address`. Nothing if it is a member, or if
  /// there are guests_max already.
  void set_guest(std::uint64_t id, const std::string& address);
  static constexpr std::size_t guests_max = 16;
  /// It has left: nothing of it counts any more (M2), but it is told so. What is known of it goes
  /// first when room is needed.
  void retire(std::uint64_t id);
  /// Those that were set, guests left out.
  std::vector<std::uint64_t> known() const;
  /// The storage that an id belongs to; none: not known yet.
  std::optional<u128> storage_of(std::uint64_t id) const;
  /// The same, or of an id that is no member's the one that introduced itself last.
  std::optional<u128> storage_met(std::uint64_t id) const;
  std::optional<MemberInfo> find(std::uint64_t id) const;
  /// False if it was not queued: no link, no room, or not started yet (another thread was quicker).
  bool send(std::uint64_t to, io::Channel channel, io::Parts parts);
  std::string region_of(std::uint64_t id) const;
  /// As the replica said when it linked to us last; empty if it did not.
  std::string client_address_of(std::uint64_t id) const;

 private:
  Peers(std::unique_ptr<io::Network> network, const storage::ReplicaIdentity& self,
        storage::SlotFile pins, std::function<void(const std::string&)> notice);
  Result<io::PeerId> admit(Bytes bytes, const io::LinkPeer* shown);
  Status pin(std::uint64_t id, u128 storage);
  Status save_pin(std::uint64_t id, u128 storage);  // mutex_ held
  void bind(std::uint64_t id, u128 storage);        // mutex_ held
  bool is_cut_off(std::uint64_t id) const;
  bool is_heard(std::uint64_t id) const;
  std::optional<u128> met_locked(std::uint64_t id) const;  // mutex_ held
  void introduce_ourselves(io::PeerId to);
  void let_in_by(std::uint64_t peer);

  std::shared_ptr<io::Network> network() const;  ///< Null once stopped.

  const storage::ReplicaIdentity self_;
  std::function<void(const std::string&)> notice_;
  std::map<PeerTag, Receive> receivers_;
  LinkDown link_down_;
  std::function<void(std::uint64_t peer)> link_up_;
  std::function<void(std::uint64_t id)> stranger_;
  std::atomic<bool> is_started_{false};
  std::atomic<bool> takes_part_{true};  ///< Nobody is waited for.
  bool admits_any_disk_ = false;

  mutable std::mutex mutex_;
  std::shared_ptr<io::Network> network_;  ///< Null once stopped.
  storage::SlotFile pins_file_;
  std::map<std::uint64_t, u128> pins_;
  std::map<std::uint64_t, MemberInfo> members_;
  std::map<std::uint64_t, u128> met_;  ///< Storage of who said hello and is no member.
  std::set<std::uint64_t> cut_off_;    ///< Let in with another storage than theirs.
  std::set<std::uint64_t> guests_;
  std::set<std::uint64_t> retired_;
  std::set<std::uint64_t> waits_for_;
  std::map<std::uint64_t, std::string> client_addresses_;
};

}  // namespace meridian::replica
