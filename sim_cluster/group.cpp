#include "sim_cluster/group.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "ledger/header.h"
#include "proof/checkpoint.h"
#include "proof/note.h"
#include "replica/cell_policy.h"
#include "sim_cluster/commands.h"

namespace meridian::sim_cluster {

namespace {

sim::NetOptions net_options(const GroupSetup& setup) {
  sim::NetOptions options;
  options.path = [between = setup.between_regions](const std::string&, const std::string&) {
    sim::Path path;
    path.latency = between;
    path.jitter = io::Duration{static_cast<std::int64_t>(between) / 4};
    return path;
  };
  return options;
}

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
  if (setup.adjust) setup.adjust(config);
  return config;
}

}  // namespace

Group::Group(const GroupSetup& setup)
    : setup_(setup),
      world_(setup.seed),
      random_(setup.seed ^ 0xBB67AE8584CAA73BU),
      net_(world_, net_options(setup)),
      seen_(setup.nodes) {
  for (std::size_t i = 0; i < setup.nodes; ++i) {
    nodes_.push_back(
        std::make_unique<Node>(world_, net_, config_of(setup, i), setup.seed * 100 + i));
    const Status started = nodes_.back()->start();
    if (!started) violate("a new node does not start: " + started.error().message);
  }
}

/// Answers that the nodes still give on their way down need the rest.
Group::~Group() { nodes_.clear(); }

void Group::violate(const std::string& what) const { throw Violation(what); }

void Group::run(std::int64_t ms) {
  // In pieces, so that what goes wrong is seen near its cause.
  for (std::int64_t passed = 0; passed < ms; passed += 20) {
    world_.advance(io::milliseconds(std::min<std::int64_t>(20, ms - passed)));
    check();
  }
}

Node& Group::add_node(const std::string& region) {
  replica::ReplicaConfig config = config_of(setup_, 0);
  const std::uint64_t id = nodes_.size() + 1;
  config.group->id = id;
  config.group->region = region;
  config.group->listen = fmt::format("node-{}:7001", id);
  config.group->joins = true;
  nodes_.push_back(std::make_unique<Node>(world_, net_, config, setup_.seed * 100 + id));
  seen_.push_back(0);
  start(*nodes_.back());
  return *nodes_.back();
}

void Group::change_members(const std::vector<replica::MemberStep>& steps) {
  for (int attempt = 0; attempt < 50; ++attempt) {
    std::optional<Status> done;
    leader_within(20'000).replica().change_members(steps, [&](const Status& got) { done = got; });
    run(500);
    if (done && *done) {
      for (int wait = 0; wait < 100; ++wait) {
        bool joint = true;
        leader_within(20'000).replica().group(
            [&](const replica::GroupState& group) { joint = group.membership.is_joint(); });
        run(100);
        if (!joint) return;
      }
      violate("a joint configuration is not left");
    }
    if (done && done->error().code == Code::invalid_argument) {
      if (attempt > 0) return;  // the try before was taken after all
      violate("a change of members is refused: " + done->error().message);
    }
  }
  violate("the members cannot be changed");
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

void Group::start(Node& node) {
  if (node.is_up() || node.is_copying() || node.disk().has_crashed()) return;
  if (const Status started = node.start(); !started && !node.disk().has_crashed())
    violate(fmt::format("{} does not start: {}", node.name(), started.error().message));
}

Node& Group::leader_within(std::int64_t ms) {
  for (std::int64_t passed = 0; passed <= ms; passed += 10) {
    if (Node* found = leader()) return *found;
    run(10);
  }
  violate(fmt::format("no leader within {} ms", ms));
}

// --- clients ---

void Group::create_accounts(std::uint64_t count) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    auto request = std::make_unique<ledger::Request>();
    request->actor = 9;
    for (std::uint64_t id = 1; id <= count; ++id) add_account(*request, id);
    bool done = false;
    leader_within(10'000).replica().submit(
        std::move(request), [&done](const Result<replica::Answer>& answer) { done = !!answer; });
    run(200);
    if (done) {
      accounts_ = count;
      return;
    }
  }
  violate("the accounts cannot be created");
}

std::unique_ptr<ledger::Request> Group::random_request(std::vector<u128>& ids) {
  auto request = std::make_unique<ledger::Request>();
  request->actor = 9;
  const std::uint64_t commands = 1 + random_.below(6);
  for (std::uint64_t i = 0; i < commands; ++i) {
    const u128 id = ++next_id_;
    ids.push_back(id);
    // Account 1 is hot: half of everything touches it.
    const u128 debit = random_.chance(0.5) ? 1 : 1 + random_.below(accounts_);
    const u128 credit = 1 + random_.below(accounts_);
    switch (random_.below(8)) {
      case 0: add_event(*request, id, 50 + random_.below(3), random_.below(40)); break;
      case 1: add_pending(*request, id, debit, credit, 1 + random_.below(100)); break;
      case 2: add_post(*request, id, next_id_ - random_.below(40)); break;
      default: add_transfer(*request, id, debit, credit, 1 + random_.below(100)); break;
    }
  }
  return request;
}

void Group::send_something(std::size_t number) {
  Node& node = *nodes_.at(number);
  if (!node.is_up() || accounts_ == 0) return;
  // Again, through whatever door, what has no known outcome.
  for (std::size_t i = 0; i < sent_.size(); ++i)
    if (!sent_[i].is_open && sent_[i].is_unknown) return submit(node, i);
  Sent one;
  one.request = random_request(one.ids);
  sent_.push_back(std::move(one));
  ++counts_.sent;
  submit(node, sent_.size() - 1);
}

void Group::submit(Node& node, std::size_t number) {
  sent_[number].is_open = true;
  node.replica().submit(
      std::make_unique<ledger::Request>(*sent_[number].request),
      [this, number](const Result<replica::Answer>& answer) { take_answer(number, answer); });
}

void Group::take_answer(std::size_t number, const Result<replica::Answer>& answer) {
  Sent& sent = sent_[number];
  if (!sent.is_open) broken_ = "a request was answered twice";
  sent.is_open = false;
  if (!answer) {
    // Once unknown it stays so, whatever a later attempt says, until one is answered.
    if (answer.error().code != Code::unavailable && answer.error().code != Code::resource_exhausted)
      sent.is_unknown = true;
    ++(sent.is_unknown ? counts_.unknown : counts_.refused);
    return;
  }
  sent.is_unknown = false;
  ++counts_.acknowledged;
  Acknowledged done{ledger::raw(answer->first_record), sent.ids, {}};
  for (const auto& result : answer->results) done.outcomes.push_back(result.outcome);
  newest_acknowledged_ = std::max(newest_acknowledged_, done.first_record + done.outcomes.size());
  unchecked_.push_back(std::move(done));
}

void Group::read(std::size_t number) {
  Node& node = *nodes_.at(number);
  if (!node.is_up()) return;
  const std::uint64_t needed = newest_acknowledged_;
  node.replica().catch_up([this, &node, needed](const Status& ready) {
    if (!ready || !node.is_up()) return;
    node.replica().read_state([this, needed](const ledger::Ledger& ledger) {
      ++counts_.reads;
      if (ledger.records() < needed)
        broken_ = fmt::format("a linearizable read saw {} records after {} were acknowledged",
                              ledger.records(), needed);
    });
  });
}

// --- what must always hold ---

void Group::check() {
  if (!broken_.empty()) violate(broken_);
  for (const auto& node : nodes_)
    if (const Status going = node->keep_going(); !going && !node->disk().has_crashed())
      violate(fmt::format("{} cannot go on: {}", node->name(), going.error().message));
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i]->is_up()) continue;
    if (nodes_[i]->fatal())
      violate(fmt::format("{} stopped: {}", nodes_[i]->name(), nodes_[i]->fatal()->message));
    check_records(*nodes_[i], seen_[i]);
  }
  check_acknowledged();
  check_checkpoints();
}

void Group::check_records(Node& node, std::uint64_t& seen) {
  const std::uint64_t visible = node.replica().visible_records();
  if (visible < seen) seen = 0;  // restarted: everything is read again
  if (visible == seen) return;
  const Status scanned = node.replica().scan(
      ledger::RecordIndex{seen}, visible - seen, [&](ledger::RecordIndex index, Bytes header) {
        const std::uint64_t record = ledger::raw(index);
        const crypto::Digest digest = crypto::sha256(header);
        if (record == headers_.size()) {
          const Result<ledger::Header> decoded = ledger::Header::decode(header);
          if (!decoded) violate(decoded.error().message);
          headers_.push_back(digest);
          ids_.push_back(ledger::command_id(*decoded));
          outcomes_.push_back(decoded->outcome);
          tree_.append(proof::leaf_hash(header));
          roots_.push_back(tree_.root());
        } else if (record > headers_.size() || headers_[record] != digest) {
          violate(fmt::format("{} has another record {}", node.name(), record));
        }
        return true;
      });
  if (!scanned) violate(scanned.error().message);
  seen = visible;
  counts_.records = headers_.size();
}

void Group::check_acknowledged() {
  std::erase_if(unchecked_, [&](const Acknowledged& done) {
    if (done.first_record + done.outcomes.size() > headers_.size()) return false;  // not stored yet
    for (std::size_t i = 0; i < done.ids.size(); ++i) {
      const std::uint64_t record = done.first_record + i;
      if (ids_[record] != done.ids[i] || outcomes_[record] != done.outcomes[i])
        violate(fmt::format("record {} is not what was acknowledged", record));
    }
    return true;
  });
}

void Group::check_checkpoints() {
  for (const auto& [node, text] : notes_) {
    const Result<proof::Note> note = proof::parse_note(text);
    if (!note) violate("a checkpoint note is none: " + note.error().message);
    const Result<proof::Checkpoint> checkpoint = proof::parse_checkpoint(note->text);
    if (!checkpoint) violate("a checkpoint is none: " + checkpoint.error().message);
    const std::uint64_t size = proof::raw(checkpoint->head.size);
    if (size == 0 || size > roots_.size() || roots_[size - 1] != checkpoint->head.root)
      violate(fmt::format("node {} signed another tree of {} records", node + 1, size));
    check_cosignatures(*note);
    ++counts_.checkpoints;
  }
  notes_.clear();
  if (random_.chance(0.1)) {
    const std::size_t number = random_.below(nodes_.size());
    if (nodes_[number]->is_up())
      nodes_[number]->replica().checkpoint([this, number](Result<std::string> note) {
        if (note) notes_.emplace_back(number, std::move(*note));
      });
  }
}

/// Every note is cosigned by a quorum of two regions, and verifies under the keys of the voters: of
/// now, or of before the members changed.
void Group::check_cosignatures(const proof::Note& note) {
  const auto evidence_by = [&](const proof::Policy& policy) {
    return proof::evaluate(note, policy);
  };
  if (policy_ && evidence_by(*policy_)) return check_places(*evidence_by(*policy_));
  for (const auto& node : nodes_) {
    if (!node->is_up()) continue;
    const auto keys = node->replica().voter_keys();
    if (!keys) continue;  // not all have told theirs yet
    const auto policy = replica::make_policy(*keys);
    if (!policy) violate(policy.error().message);
    const auto evidence = evidence_by(*policy);
    if (!evidence) continue;
    policy_ = *policy;
    return check_places(*evidence);
  }
  if (policy_) violate("a checkpoint verifies under no voters' keys");
}

void Group::check_places(const proof::Evidence& evidence) const {
  if (!evidence.global) violate("a checkpoint is not cosigned in two regions");
}

void Group::check_money(Node& node) {
  node.replica().read_state([this](const ledger::Ledger& ledger) {
    u128 debits = 0, credits = 0, pending_debits = 0, pending_credits = 0;
    for (const ledger::AccountState& state : ledger.list_accounts(0, accounts_)) {
      debits += state.account.debits_posted;
      credits += state.account.credits_posted;
      pending_debits += state.account.debits_pending;
      pending_credits += state.account.credits_pending;
    }
    if (debits != credits || pending_debits != pending_credits) broken_ = "money is not conserved";
  });
}

void Group::require_progress(std::int64_t ms) {
  net_.heal();
  for (const auto& node : nodes_) {
    node->hold_disk(false);
    node->keep_power();
  }
  const std::uint64_t before = counts_.acknowledged;
  std::uint64_t passed = 0;
  const auto everybody_has_all = [&] {
    for (const auto& node : nodes_)
      if (!node->is_up() || node->replica().visible_records() != headers_.size()) return false;
    return true;
  };
  for (; passed < static_cast<std::uint64_t>(ms); passed += 50) {
    run(50);
    for (const auto& node : nodes_) start(*node);
    if (counts_.acknowledged < before + 3) {
      for (std::size_t i = 0; i < nodes_.size(); ++i)
        if (leader() == nodes_[i].get()) send_something(i);
    } else if (unchecked_.empty() && everybody_has_all()) {
      for (const auto& node : nodes_) check_money(*node);
      run(50);
      return;
    }
  }
  violate(counts_.acknowledged < before + 3 ? "nothing commits after the faults ended"
                                            : "a node does not catch up");
}

}  // namespace meridian::sim_cluster
