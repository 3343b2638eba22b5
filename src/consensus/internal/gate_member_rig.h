// One member of the gate's group: a RaftNode on a disk in memory, with the smallest state machine.
//
// Tests only. The disk keeps what a sync made durable; crash() drops the rest with the executors.
// The state is a chain of hashes over committed entries, so equal states mean equal histories.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/assert.h"
#include "consensus/raft_node.h"
#include "sim/executor.h"
#include "sim/world.h"

namespace meridian::consensus::gate {

/// What the broken hosts do that RaftNode itself does not (BrokenHost is the rest).
struct BrokenDisk {
  bool lose_synced = false;         ///< S2: what was reported durable is not.
  bool keep_tail = false;           ///< S4
  bool drop_hard_state = false;     ///< S5
  bool membership_ahead = false;    ///< S7
  bool vote_after_emptied = false;  ///< M2, L8
  bool ack_at_proposal = false;     ///< A2
};

struct State {
  std::uint64_t index = 0;
  std::uint64_t term = 0;
  std::uint64_t chain = 0;
};

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  return sim::Random(a * 0x9E3779B97F4A7C15U ^ b).next();
}

/// Survives crashes.
struct MemberDisk {
  HardState hard_state;
  std::vector<LogEntry> log;  ///< After `state`'s or an older checkpoint; dense.
  State state;                ///< The newest checkpoint.
  Membership membership;      ///< As of it.
};

class MemoryStore final : public LogStore {
 public:
  MemoryStore(MemberDisk& disk, const BrokenDisk& broken) : disk_(disk), broken_(broken) {}

  Status append(const HardState* hard_state, std::span<const LogEntry> entries) override {
    if (hard_state != nullptr && !broken_.drop_hard_state) {
      HardState& mine = disk_.hard_state;
      ASSERT(hard_state->term >= mine.term);
      ASSERT(hard_state->term > mine.term || mine.vote == 0 || hard_state->vote == mine.vote);
      // S12: of what is in the log now, and stays. A disk that lost something has less.
      const std::uint64_t last = disk_.log.empty() ? disk_.state.index : disk_.log.back().index;
      const std::uint64_t stays =
          entries.empty() ? last : std::min(last, entries.front().index - 1);
      ASSERT(hard_state->commit <= std::max(stays, mine.commit) || broken_.lose_synced);
      mine = *hard_state;
    }
    if (entries.empty()) return {};
    std::vector<LogEntry>& log = disk_.log;
    std::vector<LogEntry> tail;
    if (!log.empty() && entries.front().index <= log.back().index) {
      ASSERT(entries.front().index >= log.front().index);
      const auto cut =
          log.begin() + static_cast<std::ptrdiff_t>(entries.front().index - log.front().index);
      if (broken_.keep_tail && log.end() - cut > static_cast<std::ptrdiff_t>(entries.size()))
        tail.assign(cut + static_cast<std::ptrdiff_t>(entries.size()), log.end());
      log.erase(cut, log.end());
    }
    ASSERT(log.empty() || entries.front().index == log.back().index + 1);
    log.insert(log.end(), entries.begin(), entries.end());
    log.insert(log.end(), tail.begin(), tail.end());
    return {};
  }

  Result<std::vector<LogEntry>> read(std::uint64_t first, std::uint64_t last,
                                     std::uint64_t bytes_max) override {
    std::vector<LogEntry> out;
    std::uint64_t bytes = 0;
    for (const LogEntry& entry : disk_.log) {
      if (entry.index < first || entry.index > last) continue;
      bytes += entry.size;
      if (!out.empty() && bytes > bytes_max) break;
      out.push_back(entry);
    }
    if (out.empty() || out.front().index != first)
      return fail(Code::out_of_range, "the entry was released");
    return out;
  }

  Status release_before(std::uint64_t index) override {
    while (!disk_.log.empty() && disk_.log.front().index < index)
      disk_.log.erase(disk_.log.begin());
    return {};
  }

 private:
  MemberDisk& disk_;
  const BrokenDisk& broken_;
};

/// What the group must never do, told to the gate.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void send(std::uint64_t from, std::uint64_t to, io::Channel channel, io::Parts parts) = 0;
  virtual void committed(std::uint64_t by, const LogEntry& entry) = 0;
  virtual void state(std::uint64_t by, const State& state) = 0;
  virtual void leads(std::uint64_t id, std::uint64_t term) = 0;
  virtual void acknowledged(std::uint64_t value, std::uint64_t index) = 0;
  /// The state that `from` offered, if its checkpoint is still there.
  virtual std::optional<MemberDisk> copy_state(std::uint64_t from, std::uint64_t index) = 0;
  virtual void fatal(std::uint64_t id, const Error& error) = 0;
};

class Member {
 public:
  Member(sim::World& world, Watcher& watcher, std::uint64_t id, const RaftNode::Config& config,
         const BrokenDisk& broken, MemberDisk disk)
      : world_(world),
        watcher_(watcher),
        id_(id),
        config_(config),
        broken_(broken),
        disk_(std::move(disk)),
        store_(disk_, broken_) {
    config_.id = id;
  }
  ~Member() { crash(); }

  bool is_up() const { return node_ != nullptr; }
  RaftNode& node() { return *node_; }
  const State& applied() const { return state_; }
  const Leadership& leadership() const { return leadership_; }
  MemberDisk& disk() { return disk_; }
  void set_install_time(io::Duration time) { install_time_ = time; }
  std::size_t installs() const { return installs_; }
  void hold_thread(bool held) { static_cast<sim::Executor&>(*raft_executor_).hold(held); }
  void hold_disk(bool held) { static_cast<sim::Executor&>(*log_executor_).hold(held); }

  void start() {
    ASSERT(!is_up());
    raft_executor_ = world_.make_executor("raft-" + std::to_string(id_));
    log_executor_ = world_.make_executor("log-" + std::to_string(id_));
    apply_executor_ = world_.make_executor("apply-" + std::to_string(id_));
    state_ = disk_.state;
    membership_ = std::make_shared<const Membership>(disk_.membership);
    leadership_ = {};
    waiting_.clear();
    RaftNode::Start from{
        disk_.hard_state, {disk_.state.index, disk_.state.term}, disk_.membership, {}};
    for (const LogEntry& entry : disk_.log)
      if (entry.index > disk_.state.index) from.log.push_back(entry);
    if (broken_.membership_ahead && newest_membership_) from.membership = *newest_membership_;
    config_.seed = mix(config_.seed, ++starts_);
    node_ = std::make_unique<RaftNode>(
        config_, RaftNode::Parts{*raft_executor_, *log_executor_, world_.clock(), store_},
        std::move(from), handler());
    node_->start();
  }

  /// Power fails: what was not synced is gone.
  void crash() {
    if (!is_up()) return;
    node_->stop();
    apply_executor_.reset();
    log_executor_.reset();
    raft_executor_.reset();
    node_.reset();
    if (broken_.lose_synced && disk_.log.size() > 1 &&
        disk_.log.back().index > disk_.state.index + 1)
      disk_.log.pop_back();
  }

  void receive(std::uint64_t from, io::Parts parts, io::Duration delay) {
    if (!is_up()) return;
    raft_executor_->post_after(delay, [this, from, parts = std::move(parts)]() mutable {
      node_->receive(io::PeerId{from}, std::move(parts));
    });
  }

  /// One command of eight bytes that no other has; false if this member does not lead.
  bool propose(std::uint64_t value, std::size_t size) {
    if (!is_up() || !leadership_.may_propose) return false;
    auto bytes = std::make_shared<Buffer>(std::max<std::size_t>(size, 8));
    store_le(bytes->data(), value);
    waiting_.insert(value);
    node_->propose(leadership_.term, {std::move(bytes)});
    if (broken_.ack_at_proposal) watcher_.acknowledged(value, 0);
    return true;
  }

  /// Cuts a checkpoint of what is applied and releases the log up to `keep` entries before it.
  void checkpoint(std::uint64_t keep) {
    if (!is_up() || state_.index == 0) return;
    disk_.state = state_;
    disk_.membership = *membership_;
    if (state_.index > keep) node_->release_before(state_.index + 1 - keep);
  }

 private:
  RaftNode::Handler handler() {
    RaftNode::Handler out;
    out.send = [this](std::uint64_t to, io::Channel channel, io::Parts parts) {
      watcher_.send(id_, to, channel, std::move(parts));
      return true;
    };
    out.committed = [this](std::vector<CommittedEntry> entries) {
      for (const CommittedEntry& one : entries) {
        watcher_.committed(id_, one.entry);
        if (one.entry.kind == EntryKind::membership &&
            disk_.hard_state.commit < one.entry.index)  // S11
          watcher_.fatal(id_, fail(Code::internal, "it uses members that it would forget"));
        newest_membership_ = *one.membership;
      }
      apply_executor_->post([this, entries = std::move(entries)] { apply(entries); });
    };
    out.leadership = [this](const Leadership& now) {
      leadership_ = now;
      if (now.role == Role::leader) watcher_.leads(id_, now.term);
      if (now.role != Role::leader) waiting_.clear();
    };
    out.dropped = [this](const std::vector<EntryBytes>& entries) {
      for (const EntryBytes& bytes : entries) waiting_.erase(load_le<std::uint64_t>(bytes->data()));
    };
    out.make_offer = [this](std::uint64_t) -> std::optional<SnapshotOffer> {
      if (disk_.state.index == 0) return std::nullopt;
      return SnapshotOffer{disk_.state.index, disk_.state.term, disk_.membership, {}};
    };
    out.offered = [this](const SnapshotOffer& offer, std::uint64_t from, const io::Parts& message) {
      install(offer, from, message);
    };
    out.fatal = [this](const Error& error) { watcher_.fatal(id_, error); };
    out.log = [](int, std::string_view) {};
    return out;
  }

  void apply(const std::vector<CommittedEntry>& entries) {
    for (const CommittedEntry& one : entries) {
      const LogEntry& entry = one.entry;
      ASSERT(entry.index == state_.index + 1);
      std::uint64_t value = 0;
      if (entry.kind == EntryKind::commands) value = load_le<std::uint64_t>(entry.bytes->data());
      state_ = {entry.index, entry.term, mix(mix(state_.chain, entry.term), value)};
      membership_ = one.membership;
      watcher_.state(id_, state_);
      if (value != 0 && waiting_.erase(value) != 0 && !broken_.ack_at_proposal)
        watcher_.acknowledged(value, entry.index);
    }
    node_->applied(state_.index);
  }

  /// M6: copy, cut the own log where it conflicts, commit the state, start again, then step.
  void install(const SnapshotOffer& offer, std::uint64_t from, const io::Parts& message) {
    if (installing_) return;
    installing_ = true;
    world_timer_->post_after(install_time_, [this, offer, from, message] {
      installing_ = false;
      if (!is_up()) return;
      std::optional<MemberDisk> copy = watcher_.copy_state(from, offer.index);
      if (!copy || copy->state.index <= state_.index) return;
      ++installs_;
      crash();
      // Looked at only now that the core is stopped: it may have stored and acknowledged the entry
      // at the state's index, and more, while the state was under way (spec/snapshot_install.tla).
      const bool fits = std::any_of(disk_.log.begin(), disk_.log.end(), [&](const LogEntry& e) {
        return e.index == copy->state.index && e.term == copy->state.term;
      });
      if (!fits) disk_.log.clear();
      disk_.state = copy->state;
      disk_.membership = copy->membership;
      start();
      receive(from, message, {});
    });
  }

  sim::World& world_;
  Watcher& watcher_;
  const std::uint64_t id_;
  RaftNode::Config config_;
  const BrokenDisk& broken_;
  MemberDisk disk_;
  MemoryStore store_;
  std::unique_ptr<io::Executor> world_timer_ = world_.make_executor("install");
  std::unique_ptr<io::Executor> raft_executor_, log_executor_, apply_executor_;
  std::unique_ptr<RaftNode> node_;
  State state_;
  std::shared_ptr<const Membership> membership_ = std::make_shared<const Membership>();
  std::optional<Membership> newest_membership_;
  Leadership leadership_;
  std::set<std::uint64_t> waiting_;
  bool installing_ = false;
  io::Duration install_time_ = io::milliseconds(30);  ///< From an offer to its state being here.
  std::size_t installs_ = 0;
  std::uint64_t starts_ = 0;
};

}  // namespace meridian::consensus::gate
