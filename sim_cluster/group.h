// A cell of several replicas in one thread from one seed: nodes in regions, clients, faults, and
// what must always hold.
//
// check() after every step: no acknowledged command lost or changed, one order of records
// everywhere, money conserved, checkpoints of one tree, cosigned by a quorum; state digests and
// roots the replicas compare themselves. require_progress(): faults end, and everybody catches up
// and answers. A violation throws, with the sentence that a failing seed prints.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "crypto/sha256.h"
#include "proof/merkle_tree.h"
#include "proof/policy.h"
#include "sim/random.h"
#include "sim_cluster/node.h"

namespace meridian::sim_cluster {

struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct GroupSetup {
  std::uint64_t seed = 1;
  std::size_t nodes = 3;
  std::size_t regions = 3;
  io::Duration between_regions = io::milliseconds(5);
  std::uint64_t checkpoint_interval = 100;
  std::uint64_t wal_file_size = 64 << 10;
  std::function<void(replica::ReplicaConfig&)> adjust{};
};

class Group {
 public:
  explicit Group(const GroupSetup& setup);
  ~Group();

  sim::World& world() { return world_; }
  sim::Net& net() { return net_; }
  sim::Random& random() { return random_; }
  std::vector<std::unique_ptr<Node>>& nodes() { return nodes_; }
  Node& node(std::size_t number) { return *nodes_.at(number); }

  /// A machine more, whose replica has the next id and joins in `region`. Not yet a member.
  Node& add_node(const std::string& region);
  /// Changes members through the leader until it is taken and no configuration is joint any more.
  void change_members(const std::vector<replica::MemberStep>& steps);

  /// Lets time pass and checks all along.
  void run(std::int64_t ms);
  /// The node that may propose in the newest term; null if there is none.
  Node* leader();
  /// Starts a node that is down. It may go down again at once, if its power fails meanwhile.
  void start(Node& node);
  Node& leader_within(std::int64_t ms);

  // --- clients ---
  /// Creates accounts 1 to `count`, through whoever leads, until it is done.
  void create_accounts(std::uint64_t count);
  /// Sends one random request through node `number`: transfers, two-phase, events, chains; or one
  /// whose outcome is unknown again, with the same ids.
  void send_something(std::size_t number);
  /// A linearizable read at node `number`.
  void read(std::size_t number);

  void check();
  /// Heals everything, starts whoever is down. Violation if nothing can be committed, or somebody
  /// does not catch up, within `ms`.
  void require_progress(std::int64_t ms);

  struct Counts {
    std::uint64_t sent, acknowledged, refused, unknown, reads, records, checkpoints;
  };
  Counts counts() const { return counts_; }

 private:
  struct Sent {
    std::unique_ptr<ledger::Request> request;  // a copy, to send again
    std::vector<u128> ids;
    bool is_open = true;
    bool is_unknown = false;
  };
  struct Acknowledged {
    std::uint64_t first_record;
    std::vector<u128> ids;
    std::vector<ledger::Outcome> outcomes;
  };

  std::unique_ptr<ledger::Request> random_request(std::vector<u128>& ids);
  void submit(Node& node, std::size_t number);
  void take_answer(std::size_t number, const Result<replica::Answer>& answer);
  void check_records(Node& node, std::uint64_t& seen);
  void check_checkpoints();
  void check_cosignatures(const proof::Note& note);
  void check_places(const proof::Evidence& evidence) const;
  void check_acknowledged();
  void check_money(Node& node);
  [[noreturn]] void violate(const std::string& what) const;

  GroupSetup setup_;
  sim::World world_;
  sim::Random random_;
  sim::Net net_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::uint64_t> seen_;      // records checked, by node
  std::vector<crypto::Digest> headers_;  // digest of every record's header
  std::vector<u128> ids_;                // what command each record is of
  std::vector<ledger::Outcome> outcomes_;
  std::vector<crypto::Digest> roots_;  // root after so many records
  proof::Frontier tree_;
  std::vector<Sent> sent_;
  std::vector<Acknowledged> unchecked_;
  std::uint64_t newest_acknowledged_ = 0;
  u128 next_id_ = 1'000'000;
  std::uint64_t accounts_ = 0;
  std::vector<std::pair<std::size_t, std::string>> notes_;  // checkpoints to be checked
  std::optional<proof::Policy> policy_;  ///< Of all nodes, once their keys are known.
  std::string broken_;                   // said by a callback
  Counts counts_{};
};

}  // namespace meridian::sim_cluster
