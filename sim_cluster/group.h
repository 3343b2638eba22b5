// A cell of several replicas in one thread from one seed: nodes in regions, clients, an operator,
// time.
//
// run() lets time pass and checks all along what must always hold (checker.h).
// require_progress(): faults end, and everybody catches up and answers. A violation throws.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/random.h"
#include "sim_cluster/checker.h"
#include "sim_cluster/clients.h"
#include "sim_cluster/node.h"
#include "sim_cluster/operator.h"

namespace meridian::sim_cluster {

struct GroupSetup {
  std::uint64_t seed = 1;
  std::size_t nodes = 3;
  std::size_t regions = 3;
  /// One way, and by pair of regions if the seed shall choose: then this is the longest.
  io::Duration between_regions = io::milliseconds(5);
  bool distances_differ = false;
  std::uint64_t checkpoint_interval = 100;
  std::uint64_t wal_file_size = 64 << 10;
  replica::Canary canary{};
  std::function<void(replica::ReplicaConfig&)> adjust{};  ///< Of each node, at last.
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
  /// Of the member `id`; null if there is no such machine.
  Node* find(std::uint64_t id);
  /// One that is not retired.
  Node& any_node();
  Clients& clients() { return clients_; }
  Checker& checker() { return checker_; }
  Operator& op() { return operator_; }

  /// A machine more, whose replica has the next id and joins in `region`. Not yet a member.
  Node& add_node(const std::string& region);
  /// Changes members through the leader until it is taken and no configuration is joint any more.
  void change_members(const std::vector<replica::MemberStep>& steps);

  /// Lets time pass and checks all along.
  void run(std::int64_t ms);
  void check();
  /// Does `task` when so much time has passed, or when faults end if that is earlier.
  void later(std::int64_t ms, std::function<void()> task);
  /// The node that may propose in the newest term; null if there is none.
  Node* leader();
  Node& leader_within(std::int64_t ms);
  /// Starts a node that is down. It may go down again at once, if its power fails meanwhile.
  void start(Node& node);
  /// True if one node may be lost for good: everybody is there and sound. More than one, or one
  /// beside a log whose end is in doubt, would rightly stop the cell for good.
  bool may_risk_a_node() const;
  /// Some replica does not know yet that a retired machine votes no more: until it does, the loss
  /// of another machine may leave no quorum of the members that it knows.
  bool counts_on_retired();
  /// Nobody is lost, or may be: then logs may end in doubt.
  bool may_tear_a_log() const;

  /// Creates accounts 1 to `count`, through whoever leads, until it is done; then clients send
  /// requests of `workload`.
  void open_accounts(std::uint64_t count, const Workload& workload);
  /// Heals everything, starts whoever is down. Violation if nothing can be committed, somebody who
  /// is not lost does not catch up, or the operator does not get done, within `ms`.
  void require_progress(std::int64_t ms);
  /// Every machine gets the newest version, then its level is activated. Violation if that does not
  /// come about within `ms`. Nothing if a member is lost, which cannot say what it runs.
  void finish_upgrade(std::int64_t ms);

 private:
  sim::NetOptions net_options();
  void heal();
  std::string describe() const;
  bool everybody_has_all() const;
  void wait_until_not_joint();
  void run_due();
  [[noreturn]] static void violate(const std::string& what) { throw Violation(what); }

  GroupSetup setup_;
  sim::World world_;
  sim::Random random_;
  sim::Net net_;
  std::vector<std::unique_ptr<Node>> nodes_;
  Checker checker_;
  Clients clients_;
  Operator operator_;
  std::multimap<std::uint64_t, std::function<void()>> later_;  // by time
};

}  // namespace meridian::sim_cluster
