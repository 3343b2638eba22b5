#include "sim_cluster/faults.h"

#include <algorithm>
#include <array>

namespace meridian::sim_cluster {

namespace {

std::int64_t up_to(Group& group, std::uint64_t ms) {
  return static_cast<std::int64_t>(1 + group.random().below(ms));
}

/// Two different nodes.
std::pair<Node*, Node*> any_two(Group& group) {
  const std::size_t count = group.nodes().size();
  const std::size_t first = group.random().below(count);
  const std::size_t second = (first + 1 + group.random().below(count - 1)) % count;
  return {&group.node(first), &group.node(second)};
}

// --- processes ---

void kill(Group& group) {
  if (Node& node = group.any_node(); node.is_running()) node.kill();
}
/// Unless that could stop the cell for good.
void cut_power(Group& group, Node& node) {
  if (!node.is_running()) return;
  if (group.may_tear_a_log())
    node.crash(group.random().next());
  else
    node.kill();
}
void crash(Group& group) { cut_power(group, group.any_node()); }
/// Everybody at once: what was acknowledged must be on disks.
void blackout(Group& group) {
  for (const auto& node : group.nodes()) cut_power(group, *node);
}
/// A process that the machine does not run for a while.
void pause(Group& group) {
  Node& node = group.any_node();
  node.hold_all(true);
  group.later(up_to(group, 1'000), [&node] { node.hold_all(false); });
}
/// One stage is slower than the others.
void starve(Group& group) {
  Node& node = group.any_node();
  const auto stage = static_cast<Stage>(group.random().below(stage_count));
  for (std::int64_t at = 0; at < 600; at += 2 * up_to(group, 60)) {
    const std::int64_t until = at + up_to(group, 60);
    group.later(at, [&node, stage] { node.hold(stage, true); });
    group.later(until, [&node, stage] { node.hold(stage, false); });
  }
}
void move_leader(Group& group) {
  const Node& to = group.any_node();
  if (Node* leads = group.leader(); leads != nullptr && leads != &to)
    leads->replica().transfer_leadership(to.id());
}

// --- the network ---

void isolate(Group& group) { group.net().isolate(group.any_node().name()); }
void one_way(Group& group) {
  const auto [from, to] = any_two(group);
  group.net().block(from->name(), to->name());
}
/// The data path is stuck while heartbeats flow.
void stuck_entries(Group& group) {
  const auto [from, to] = any_two(group);
  group.net().hold(from->name(), to->name(), io::Channel::entries);
}
void broken_link(Group& group) {
  const auto [from, to] = any_two(group);
  group.net().break_links(from->name(), to->name());
}
void bad_path(Group& group) {
  sim::Random& random = group.random();
  sim::Path path;
  path.latency = io::milliseconds(up_to(group, 20));
  path.jitter = io::milliseconds(up_to(group, 10));
  path.loss = random.chance(0.5) ? 0.1 : 0;
  path.duplicate = random.chance(0.5) ? 0.1 : 0;
  path.reorder = random.chance(0.5) ? 0.1 : 0;
  const auto [from, to] = any_two(group);
  group.net().set_path(from->name(), to->name(), path);
}

// --- disks ---

void hanging_disk(Group& group) {
  Node& node = group.any_node();
  node.hold_disk(true);
  group.later(up_to(group, 3'000), [&node] { node.hold_disk(false); });
}
/// Each write and sync takes long, for seconds.
void slow_disk(Group& group) {
  Node& node = group.any_node();
  for (std::int64_t at = 0; at < 3'000; at += 25) {
    group.later(at, [&node] { node.hold_disk(true); });
    group.later(at + 20, [&node] { node.hold_disk(false); });
  }
}
/// Power fails within a write, or before its sync.
void torn_write(Group& group) {
  Node& node = group.any_node();
  if (!node.is_running() || !group.may_tear_a_log()) return;
  node.fail_power_after(1 + group.random().below(40), group.random().next());
}
/// Falls behind until it must copy a state, and power fails as that has been installed.
void torn_copy(Group& group) {
  Node& node = group.any_node();
  if (!node.is_running() || !group.may_tear_a_log()) return;
  node.fail_power_after_copy(group.random().next());
  group.net().isolate(node.name());
  group.later(up_to(group, 4'000), [&group] { group.net().heal(); });
}
/// Nearly: new writes are refused. Or altogether: the process may die of it.
void full_disk(Group& group) {
  Node& node = group.any_node();
  if (!node.is_running() || !group.may_tear_a_log()) return;
  node.limit_disk(group.random().chance(0.7) ? 900'000 : group.random().below(100'000));
  group.later(up_to(group, 4'000), [&node] { node.limit_disk(std::nullopt); });
}
/// From now on nobody else's log may end in doubt: see Group::may_risk_a_node.
bool may_lose_a_node(Group& group) {
  if (!group.may_risk_a_node() || group.counts_on_retired()) return false;
  for (const auto& node : group.nodes()) node->keep_power();
  return true;
}
void bit_rot(Group& group) {
  Node& node = group.any_node();
  if (!may_lose_a_node(group)) return;
  if (node.is_running()) node.kill();
  if (node.may_start()) node.rot(group.random());
}
/// Under its old id: the others must not let it in.
void emptied_disk(Group& group) {
  Node& node = group.any_node();
  if (may_lose_a_node(group)) node.empty_disk(group.random().next());
}
/// The operator sees that a disk is empty, or rotten, or just wants another machine.
void replace_machine(Group& group) {
  if (group.op().is_busy()) return;
  Node* old = &group.any_node();
  for (const auto& node : group.nodes())
    if (!node->is_retired() && (node->lost() || node->is_rotten())) old = node.get();
  if (!old->lost() && group.random().chance(0.5) && may_lose_a_node(group))
    old->empty_disk(group.random().next());
  group.op().replace(*old);
}

// --- versions ---

/// A machine gets another version, which runs feature level 2 or does not: forth and back. Now and
/// then the operator activates the level, whether or not everybody runs it, and somebody tries what
/// only that level has.
void upgrade(Group& group) {
  Node& node = group.any_node();
  if (node.is_running()) node.kill();
  node.install(group.random().chance(0.7) ? 2 : 1);
  group.start(node);
  Node* leads = group.leader();
  if (leads == nullptr) return;
  if (group.random().chance(0.5)) leads->replica().activate_level(2, [](const Status&) {});
  auto request = std::make_unique<ledger::Request>();
  request->attester = ledger::Attester::replica;
  request->add(ledger::CommandKind::turn_epoch, ledger::TurnEpoch{});  // 0: turns nothing
  leads->replica().submit(std::move(request), [](const Result<replica::Answer>&) {});
}

// --- clocks ---

void clock_jump(Group& group) {
  const auto ms = static_cast<std::int64_t>(group.random().below(300'000));
  group.any_node().clock().jump(io::milliseconds(group.random().chance(0.5) ? ms : -ms));
}
/// Up to five percent, either way.
void clock_drift(Group& group) {
  group.any_node().clock().drift(static_cast<std::int64_t>(group.random().below(100'000)) - 50'000);
}

constexpr std::array all{
    Fault{"kill", kill},
    Fault{"crash", crash},
    Fault{"blackout", blackout},
    Fault{"pause", pause},
    Fault{"starve", starve},
    Fault{"move_leader", move_leader},
    Fault{"isolate", isolate},
    Fault{"one_way", one_way},
    Fault{"stuck_entries", stuck_entries},
    Fault{"broken_link", broken_link},
    Fault{"bad_path", bad_path},
    Fault{"hanging_disk", hanging_disk},
    Fault{"slow_disk", slow_disk},
    Fault{"torn_write", torn_write},
    Fault{"torn_copy", torn_copy},
    Fault{"full_disk", full_disk},
    Fault{"bit_rot", bit_rot},
    Fault{"emptied_disk", emptied_disk},
    Fault{"replace_machine", replace_machine},
    Fault{upgrade_fault, upgrade},
    Fault{"clock_jump", clock_jump},
    Fault{"clock_drift", clock_drift},
};

}  // namespace

std::span<const Fault> faults() { return all; }

std::vector<const Fault*> find_faults(std::string_view names) {
  std::vector<const Fault*> found;
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find(','));
    names.remove_prefix(std::min(name.size() + 1, names.size()));
    const auto one = std::ranges::find(all, name, &Fault::name);
    if (one == all.end()) return {};
    found.push_back(&*one);
  }
  return found;
}

void recover_some(Group& group) {
  if (group.random().chance(0.5)) group.net().heal();
  for (const auto& node : group.nodes())
    if (group.random().chance(0.7)) group.start(*node);
}

}  // namespace meridian::sim_cluster
