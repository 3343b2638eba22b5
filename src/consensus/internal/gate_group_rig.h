// The gate's group: members, links that fail, and what must hold after every step. Tests only.
//
// A violation throws Violation, which names it: the seed is in the test's message.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "consensus/internal/gate_member_rig.h"

namespace meridian::consensus::gate {

struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Links {
  double loss = 0;
  double duplication = 0;
  std::int64_t delay_ms_max = 5;
};

struct GroupSetup {
  std::uint64_t seed = 1;
  std::size_t members = 3;
  RaftNode::Config node;
  BrokenDisk broken;
  Links links;
};

class Group final : public Watcher {
 public:
  explicit Group(const GroupSetup& setup)
      : setup_(setup), world_(setup.seed), random_(setup.seed ^ 0x6A09E667F3BCC908U) {
    // Founders begin after an entry that nobody else can have, so that a newcomer, whose
    // configuration is empty, always starts from a state and not from the log's first entry.
    MemberDisk founder;
    founder.state = {1, 1, 0};
    founder.hard_state.term = 1;
    founder.hard_state.commit = 1;
    for (std::uint64_t id = 1; id <= setup.members; ++id) founder.membership.voters.push_back(id);
    for (std::uint64_t id = 1; id <= setup.members; ++id) add(id, founder);
  }

  sim::World& world() { return world_; }
  sim::Random& random() { return random_; }
  std::map<std::uint64_t, std::unique_ptr<Member>>& members() { return members_; }
  Member& member(std::uint64_t id) { return *members_.at(id); }
  Links& links() { return setup_.links; }

  void add(std::uint64_t id, MemberDisk disk = {}) {
    RaftNode::Config config = setup_.node;
    config.seed = mix(setup_.seed, id);
    members_[id] =
        std::make_unique<Member>(world_, *this, id, config, setup_.broken, std::move(disk));
    members_[id]->start();
  }

  /// Messages from `from` to `to` vanish. On one channel only, if named.
  void block(std::uint64_t from, std::uint64_t to) { blocked_.insert({from, to}); }
  void isolate(std::uint64_t id) {
    for (const auto& [other, member] : members_) {
      block(id, other);
      block(other, id);
    }
  }
  void heal() {
    blocked_.clear();
    blocked_channels_.clear();
  }
  void block_channel(io::Channel channel) { blocked_channels_.insert(channel); }

  void run(std::int64_t ms) {
    world_.advance(io::milliseconds(ms));
    if (violation_) throw Violation(*violation_);
  }
  /// Runs until somebody may propose; 0 if nobody does within `ms`.
  std::uint64_t leader_within(std::int64_t ms) {
    for (std::int64_t passed = 0;; passed += 10) {
      for (const auto& [id, member] : members_)
        if (member->is_up() && member->leadership().may_propose) return id;
      if (passed >= ms) return 0;
      run(10);
    }
  }
  std::uint64_t newest_leader() {
    std::uint64_t best = 0, term = 0;
    for (const auto& [id, member] : members_)
      if (member->is_up() && member->leadership().may_propose && member->leadership().term > term)
        best = id, term = member->leadership().term;
    return best;
  }
  bool propose(std::uint64_t id, std::size_t size = 8) {
    return member(id).propose(++last_value_, size);
  }
  std::uint64_t last_value() const { return last_value_; }
  bool is_acknowledged(std::uint64_t value) const { return acknowledged_.count(value) != 0; }
  std::size_t acknowledged_count() const { return acknowledged_.size(); }
  std::uint64_t committed_index() const { return log_.empty() ? 0 : log_.rbegin()->first; }

  /// A read at `id` must see at least all that was acknowledged before it was asked.
  void read(std::uint64_t id) {
    if (!member(id).is_up()) return;
    const std::uint64_t need = newest_acknowledged_index_;
    member(id).node().read_index([this, id, need](Result<std::uint64_t> index) {
      if (!index) return;
      ++reads_;
      if (*index < need) violate("a read at member " + std::to_string(id) + " is stale");
      if (member(id).applied().index < *index)
        violate("a read at member " + std::to_string(id) + " was served before its state");
    });
  }
  std::size_t reads() const { return reads_; }

  /// Faults are over: everybody comes back and something new must commit, and reach everybody.
  void require_progress(std::int64_t ms) {
    heal();
    setup_.links = {};
    for (const auto& [id, member] : members_) {
      if (!member->is_up()) member->start();
      member->hold_disk(false);
    }
    bool proposed = false;
    std::uint64_t value = 0;
    for (std::int64_t passed = 0; passed < ms; passed += 20) {
      run(20);
      if (const std::uint64_t id = newest_leader(); id != 0 && (!proposed || passed % 500 == 0)) {
        proposed = propose(id);
        value = last_value_;
      }
      if (proposed && is_acknowledged(value) && all_equal()) return;
    }
    throw Violation(proposed && is_acknowledged(value) ? "a member does not catch up"
                                                       : "no progress after the faults ended");
  }
  /// What was acknowledged is in the log.
  void check_acknowledged() {
    std::set<std::uint64_t> values;
    for (const auto& [index, entry] : log_) values.insert(entry.value);
    for (const std::uint64_t value : acknowledged_)
      if (values.count(value) == 0)
        throw Violation("acknowledged command " + std::to_string(value) + " is lost");
  }
  bool all_equal() {
    const Membership* now = nullptr;
    std::uint64_t newest = committed_index();
    const std::uint64_t leader = newest_leader();
    if (leader == 0) return false;
    const Membership members = member(leader).node().report().membership;
    now = &members;
    for (const auto& [id, one] : members_)
      if (now->has(id) && one->applied().index != newest) return false;
    return true;
  }

  // Watcher
  void send(std::uint64_t from, std::uint64_t to, io::Channel channel, io::Parts parts) override {
    check_size(from, parts);
    const auto found = members_.find(to);
    if (found == members_.end() || blocked_.count({from, to}) != 0 ||
        blocked_channels_.count(channel) != 0 || random_.chance(setup_.links.loss))
      return;
    const auto delay = [this] {
      return io::Duration{static_cast<std::int64_t>(
          random_.below(static_cast<std::uint64_t>(setup_.links.delay_ms_max) * 1'000'000 + 1))};
    };
    if (random_.chance(setup_.links.duplication)) found->second->receive(from, parts, delay());
    found->second->receive(from, std::move(parts), delay());
  }
  /// B4: the entries of a message fit its bound, or there is one.
  void check_size(std::uint64_t from, const io::Parts& parts) {
    std::uint64_t bytes = 0;
    for (std::size_t i = 1; i < parts.size(); ++i) bytes += parts[i]->size();
    if (parts.size() > 2 && bytes > setup_.node.limits.message_bytes_max)
      violate("member " + std::to_string(from) + " sent entries of " + std::to_string(bytes) +
              " bytes in one message");
  }
  void committed(std::uint64_t by, const LogEntry& entry) override {
    std::uint64_t value = 0;
    if (entry.kind == EntryKind::commands) value = load_le<std::uint64_t>(entry.bytes->data());
    const auto [at, is_new] = log_.emplace(entry.index, Known{entry.term, value});
    if (!is_new && (at->second.term != entry.term || at->second.value != value))
      violate("member " + std::to_string(by) + " committed another entry " +
              std::to_string(entry.index));
  }
  void state(std::uint64_t by, const State& state) override {
    const auto [at, is_new] = chains_.emplace(state.index, state.chain);
    if (!is_new && at->second != state.chain)
      violate("member " + std::to_string(by) + " has another state at " +
              std::to_string(state.index));
  }
  void leads(std::uint64_t id, std::uint64_t term) override {
    const auto [at, is_new] = leaders_.emplace(term, id);
    if (!is_new && at->second != id) violate("term " + std::to_string(term) + " has two leaders");
  }
  void acknowledged(std::uint64_t value, std::uint64_t index) override {
    acknowledged_.insert(value);
    newest_acknowledged_index_ = std::max(newest_acknowledged_index_, index);
  }
  std::optional<MemberDisk> copy_state(std::uint64_t from, std::uint64_t index) override {
    const auto found = members_.find(from);
    if (found == members_.end() || blocked_.count({from, 0}) != 0) return std::nullopt;
    const MemberDisk& disk = found->second->disk();
    const bool arrived =
        found->second->is_up() && disk.state.index >= index && !random_.chance(setup_.links.loss);
    if (found->second->is_up())
      for (const auto& [id, member] : members_)
        if (member->is_up() && id != from) found->second->node().snapshot_sent(id, arrived);
    if (!arrived) return std::nullopt;
    return MemberDisk{{}, {}, disk.state, disk.membership};
  }
  void fatal(std::uint64_t id, const Error& error) override {
    violate("member " + std::to_string(id) + " stopped: " + error.message);
  }

 private:
  struct Known {
    std::uint64_t term, value;
  };
  void violate(std::string what) {
    if (!violation_) violation_ = std::move(what);
  }

  GroupSetup setup_;
  sim::World world_;
  sim::Random random_;
  std::map<std::uint64_t, Known> log_;
  std::map<std::uint64_t, std::uint64_t> chains_;   // state by index
  std::map<std::uint64_t, std::uint64_t> leaders_;  // by term
  std::set<std::uint64_t> acknowledged_;
  std::uint64_t newest_acknowledged_index_ = 0;
  std::uint64_t last_value_ = 0;
  std::size_t reads_ = 0;
  std::set<std::pair<std::uint64_t, std::uint64_t>> blocked_;
  std::set<io::Channel> blocked_channels_;
  std::optional<std::string> violation_;
  std::map<std::uint64_t, std::unique_ptr<Member>> members_;
};

}  // namespace meridian::consensus::gate
