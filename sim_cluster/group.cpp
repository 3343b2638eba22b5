#include "sim_cluster/group.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim_cluster/commands.h"

namespace meridian::sim_cluster {

namespace {

replica::ReplicaConfig config_of(const GroupSetup& setup, std::size_t number) {
  replica::ReplicaConfig config;
  config.cell = make_u128(0xCE11, 1);
  config.checkpoint_interval = setup.checkpoint_interval;
  config.wal_file_size = setup.wal_file_size;
  config.limits.bytes_reserve = 1 << 20;
  replica::GroupConfig group;
  const auto member = [&](std::size_t which) {
    return replica::MemberInfo{which + 1, fmt::format("region-{}", which % setup.regions + 1),
                               fmt::format("node-{}:7001", which + 1)};
  };
  for (std::size_t i = 0; i < setup.nodes; ++i) group.founders.push_back(member(i));
  group.id = member(number).id;
  group.region = member(number).region;
  group.listen = member(number).address;
  const io::Duration round_trip{2 * static_cast<std::int64_t>(setup.between_regions)};
  group.timing = consensus::Timing::measured(round_trip, io::milliseconds(1));
  config.group = group;
  config.canary = setup.canary;
  if (setup.adjust) setup.adjust(config);
  return config;
}

/// Of two regions, the same both ways: from a fifth of the longest on.
io::Duration distance(const GroupSetup& setup, std::string_view from, std::string_view to) {
  const auto longest = static_cast<std::int64_t>(setup.between_regions);
  if (!setup.distances_differ) return io::Duration{longest};
  const auto [first, second] = std::minmax(from, to);
  sim::Random random(setup.seed * 31 + static_cast<std::uint64_t>(first.back()) * 7 +
                     static_cast<std::uint64_t>(second.back()));
  return io::Duration{longest / 5 + static_cast<std::int64_t>(random.below(
                                        static_cast<std::uint64_t>(longest - longest / 5 + 1)))};
}

}  // namespace

Group::Group(const GroupSetup& setup)
    : setup_(setup),
      world_(setup.seed),
      random_(setup.seed ^ 0xBB67AE8584CAA73BU),
      net_(world_, net_options()),
      clients_(checker_, random_.fork()),
      operator_(*this) {
  for (std::size_t i = 0; i < setup.nodes; ++i) {
    nodes_.push_back(
        std::make_unique<Node>(world_, net_, config_of(setup, i), setup.seed * 100 + i));
    start(*nodes_.back());
  }
}

sim::NetOptions Group::net_options() {
  const auto region_of = [this](const std::string& name) -> std::string {
    for (const auto& node : nodes_)
      if (node->name() == name) return node->region();
    return "a region of its own";
  };
  sim::NetOptions options;
  options.path = [this, region_of](const std::string& from, const std::string& to) {
    sim::Path path;
    path.latency = distance(setup_, region_of(from), region_of(to));
    path.jitter = io::Duration{static_cast<std::int64_t>(path.latency) / 4};
    return path;
  };
  return options;
}

/// Answers that the nodes still give on their way down need the rest. One by one: a node that goes
/// tells the others over the network, which looks at who is left.
Group::~Group() {
  while (!nodes_.empty()) nodes_.pop_back();
}

Node* Group::find(std::uint64_t id) {
  const auto found = std::ranges::find(nodes_, id, [](const auto& node) { return node->id(); });
  return found == nodes_.end() ? nullptr : found->get();
}

Node& Group::any_node() {
  std::vector<Node*> there;
  for (const auto& node : nodes_)
    if (!node->is_retired()) there.push_back(node.get());
  return *there.at(random_.below(there.size()));
}

Node& Group::add_node(const std::string& region) {
  replica::ReplicaConfig config = config_of(setup_, 0);
  const std::uint64_t id = nodes_.size() + 1;
  config.group->id = id;
  config.group->region = region;
  config.group->listen = fmt::format("node-{}:7001", id);
  config.group->joins = true;
  config.group->founders.clear();  // members that it may ask
  for (const auto& node : nodes_)
    if (!node->is_retired())
      config.group->founders.push_back({node->id(), node->region(), node->address()});
  nodes_.push_back(std::make_unique<Node>(world_, net_, config, setup_.seed * 100 + id));
  start(*nodes_.back());
  return *nodes_.back();
}

void Group::change_members(const std::vector<replica::MemberStep>& steps) {
  for (int attempt = 0; attempt < 50; ++attempt) {
    const auto got = std::make_shared<std::optional<Status>>();
    leader_within(20'000).replica().change_members(steps,
                                                   [got](const Status& status) { *got = status; });
    run(500);
    if (!*got) continue;
    const Status done = **got;
    if (done) return wait_until_not_joint();
    if (done.error().code != Code::invalid_argument) continue;
    if (attempt > 0) return;  // the try before was taken after all
    violate("a change of members is refused: " + done.error().message);
  }
  violate("the members cannot be changed");
}

void Group::wait_until_not_joint() {
  for (int wait = 0; wait < 100; ++wait) {
    const auto joint = std::make_shared<bool>(true);
    leader_within(20'000).replica().group(
        [joint](const replica::GroupState& group) { *joint = group.membership.is_joint(); });
    run(100);
    if (!*joint) return;
  }
  violate("a joint configuration is not left");
}

void Group::start(Node& node) {
  if (!node.may_start()) return;
  if (const Status started = node.start(); !started)
    violate(fmt::format("{} does not start: {}", node.name(), started.error().message));
}

void Group::run(std::int64_t ms) {
  // In pieces, so that what goes wrong is seen near its cause.
  constexpr std::int64_t piece = 20;
  for (std::int64_t passed = 0; passed < ms; passed += piece) {
    world_.advance(io::milliseconds(std::min(piece, ms - passed)));
    run_due();
    operator_.step();
    check();
  }
}

void Group::run_due() {
  const auto now = static_cast<std::uint64_t>(world_.clock().monotonic());
  while (!later_.empty() && later_.begin()->first <= now) {
    const auto due = later_.extract(later_.begin());
    due.mapped()();
  }
}

void Group::later(std::int64_t ms, std::function<void()> task) {
  const io::MonotonicTime at = world_.clock().monotonic() + io::milliseconds(ms);
  later_.emplace(static_cast<std::uint64_t>(at), std::move(task));
}

void Group::check() {
  for (const auto& node : nodes_)
    if (const Status going = node->keep_going(); !going)
      violate(fmt::format("{} stopped: {}", node->name(), going.error().message));
  checker_.check(nodes_, random_);
}

Node* Group::leader() {
  Node* best = nullptr;
  std::uint64_t term = 0;
  for (const auto& node : nodes_) {
    if (!node->is_up()) continue;
    const replica::Leadership now = node->replica().leadership();
    if (now.is_ours && now.term > term) {
      best = node.get();
      term = now.term;
    }
  }
  return best;
}

Node& Group::leader_within(std::int64_t ms) {
  for (std::int64_t passed = 0; passed <= ms; passed += 10) {
    if (Node* found = leader()) return *found;
    run(10);
  }
  violate(fmt::format("no leader within {} ms", ms));
}

bool Group::may_risk_a_node() const {
  return !operator_.is_busy() && std::ranges::all_of(nodes_, [](const auto& node) {
    return node->is_retired() ||
           (node->is_up() && !node->is_rotten() && !node->lost() && !node->is_full());
  });
}

bool Group::counts_on_retired() {
  auto unsure = std::make_shared<std::size_t>(0);
  for (const auto& node : nodes_) {
    if (!node->is_up()) continue;
    ++*unsure;
    node->replica().group([this, unsure](const replica::GroupState& group) {
      const bool counts = std::ranges::any_of(nodes_, [&](const auto& other) {
        return other->is_retired() && group.membership.votes(other->id());
      });
      if (!counts) --*unsure;
    });
  }
  world_.run_until_idle();
  return *unsure != 0;  // one that is paused does not say
}

bool Group::may_tear_a_log() const {
  return std::ranges::all_of(nodes_, [](const auto& node) {
    return node->is_retired() || (!node->is_rotten() && !node->lost());
  });
}

void Group::open_accounts(std::uint64_t count, const Workload& workload) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    auto request = std::make_unique<ledger::Request>();
    request->actor = 9;
    for (std::uint64_t id = 1; id <= count; ++id) add_account(*request, id);
    auto done = std::make_shared<bool>(false);
    leader_within(10'000).replica().submit(
        std::move(request), [done](const Result<replica::Answer>& answer) { *done = !!answer; });
    run(200);
    if (*done) return clients_.use(count, workload);
  }
  violate("the accounts cannot be created");
}

// --- the end of faults ---

void Group::heal() {
  net_.heal();
  for (auto& [due, task] : std::exchange(later_, {})) task();
  for (const auto& node : nodes_) {
    node->hold_all(false);
    node->limit_disk(std::nullopt);
    node->clock().drift(0);
    node->keep_power();
    start(*node);
  }
}

bool Group::everybody_has_all() const {
  return std::ranges::all_of(nodes_, [&](const auto& node) {
    return node->lost() || node->is_retired() ||
           (node->is_up() && node->replica().visible_records() == checker_.records());
  });
}

std::string Group::describe() const {
  std::vector<std::string> all;
  for (const auto& node : nodes_)
    all.push_back(fmt::format("{} {}", node->name(), node->describe()));
  return fmt::format("{} records; {}", checker_.records(), fmt::join(all, ", "));
}

void Group::require_progress(std::int64_t ms) {
  heal();
  const std::uint64_t before = clients_.counts().acknowledged;
  const auto commits = [&] { return clients_.counts().acknowledged >= before + 3; };
  for (std::int64_t passed = 0; passed < ms; passed += 50) {
    run(50);
    for (const auto& node : nodes_) start(*node);  // who died as it was healed
    if (!commits()) {
      if (Node* leads = leader()) clients_.send(*leads);
    } else if (checker_.everything_is_checked() && everybody_has_all() && !operator_.is_busy()) {
      return run(50);
    }
  }
  const std::string unchecked = checker_.what_is_unchecked();
  violate(fmt::format("{}; {}",
                      !commits()            ? std::string("nothing commits after the faults ended")
                      : !unchecked.empty()  ? unchecked
                      : operator_.is_busy() ? "a machine cannot be replaced: " + operator_.said()
                                            : std::string("a node does not catch up"),
                      describe()));
}

void Group::finish_upgrade(std::int64_t ms) {
  constexpr std::uint32_t newest = ledger::feature_level_newest;
  if (std::ranges::any_of(nodes_, [](const auto& node) { return node->lost().has_value(); }))
    return;
  for (const auto& node : nodes_) {
    if (node->is_retired() || node->feature_level() == newest) continue;
    if (node->is_running()) node->kill();
    node->install(newest);
    start(*node);
  }
  std::string why;
  for (std::int64_t passed = 0; passed < ms; passed += 500) {
    if (checker_.feature_level() == newest) return;
    const auto said = std::make_shared<std::string>("no answer");
    leader_within(20'000).replica().activate_level(
        newest, [said](const Status& done) { *said = done ? "done" : done.error().message; });
    run(500);
    why = *said;
  }
  violate(fmt::format("the newest level is not activated: {}; {}", why, describe()));
}

}  // namespace meridian::sim_cluster
