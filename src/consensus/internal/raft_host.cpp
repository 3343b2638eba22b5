#include "consensus/internal/raft_host.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"

namespace meridian::consensus {

namespace {

std::size_t in_ticks(io::Duration duration, io::Duration tick) {
  const auto count = (static_cast<std::int64_t>(duration) + static_cast<std::int64_t>(tick) - 1) /
                     static_cast<std::int64_t>(tick);
  return static_cast<std::size_t>(std::max<std::int64_t>(count, 1));
}

RaftCore::Options core_options(const RaftNode::Config& config, std::uint64_t applied) {
  RaftCore::Options options = config.core;
  options.id = config.id;
  options.applied = applied;
  options.heartbeat_ticks = in_ticks(config.timing.heartbeat, config.timing.tick);
  options.election_ticks =
      std::max(in_ticks(config.timing.election, config.timing.tick), options.heartbeat_ticks + 1);
  options.inflight_messages_max = config.limits.inflight_messages_max;
  return options;
}

std::uint64_t last_index_of(const RaftNode::Start& start) {
  return start.log.empty() ? start.applied.index : start.log.back().index;
}

/// S6: a commit index past what the disk holds would stop the core.
HardState sound(HardState state, const RaftNode::Start& start) {
  state.commit = std::clamp(state.commit, start.applied.index, last_index_of(start));
  state.term = std::max(state.term, start.log.empty() ? start.applied.term : start.log.back().term);
  return state;
}

VisibleLog fill(VisibleLog log, std::vector<LogEntry> entries) {
  for (LogEntry& entry : entries) {
    const std::uint64_t index = entry.index;
    log.append(std::move(entry));
    log.durable(index);
    log.evict(index);
  }
  return log;
}

bool may_come_from_a_peer(MessageKind kind) {
  switch (kind) {
    case MessageKind::append:
    case MessageKind::append_response:
    case MessageKind::request_vote:
    case MessageKind::request_vote_response:
    case MessageKind::snapshot:
    case MessageKind::heartbeat:
    case MessageKind::heartbeat_response:
    case MessageKind::timeout_now:
    case MessageKind::read_index:
    case MessageKind::read_index_response:
    case MessageKind::request_pre_vote:
    case MessageKind::request_pre_vote_response: return true;
    case MessageKind::hup:
    case MessageKind::beat:
    case MessageKind::propose:  // a follower does not pass proposals on: clients find the leader
    case MessageKind::unreachable:
    case MessageKind::snap_status:
    case MessageKind::check_quorum:
    case MessageKind::transfer_leader: return false;
  }
  return false;
}

}  // namespace

RaftHost::RaftHost(const RaftNode::Config& config, const RaftNode::Parts& parts,
                   const RaftNode::Start& start, RaftNode::Handler handler)
    : config_(config),
      parts_(parts),
      handler_(std::move(handler)),
      visible_(fill(VisibleLog(start.applied,
                               {config.limits.message_bytes_max, config.limits.cached_bytes_max},
                               [this](std::uint64_t to) { return make_offer(to); }),
                    start.log)),
      membership_(std::make_shared<const Membership>(start.membership)),
      core_(core_options(config, start.applied.index), visible_, sound(start.hard_state, start),
            start.membership, handler_.log),
      persister_(parts.log, parts.clock, parts.store,
                 {sound(start.hard_state, start), last_index_of(start)},
                 {[this](std::uint64_t ready) { post([this, ready] { durable(ready); }); },
                  [this](const Error& error) { post([this, error] { fatal(error); }); },
                  [this](const Status& room) { post([this, room] { tell_room(room); }); }}),
      outbox_({parts.raft, parts.log, parts.store, visible_, parts.clock},
              {[this](std::uint64_t to, io::Channel channel, io::Parts message) {
                 return handler_.send(to, channel, std::move(message));
               },
               [this](const Error& error) { fatal(error); }}),
      random_(config.seed * 0x9E3779B97F4A7C15U + config.id),
      timing_(config.timing),
      hard_state_(sound(start.hard_state, start)),
      saved_commit_(hard_state_.commit),
      committed_(start.applied.index),
      handed_out_(start.applied.index),
      applied_(start.applied.index),
      election_ticks_min_(core_options(config, 0).election_ticks),
      next_read_(config.broken.reuse_contexts ? 1 : next_random(random_)) {
  for (const LogEntry& entry : start.log)
    if (entry.kind == EntryKind::membership && entry.index > saved_commit_)
      known_changes_.insert(entry.index);
}

void RaftHost::start() {
  post([this] { pump(); });
  post([this] {
    tick_due_ = parts_.clock.monotonic() + timing_.tick;
    schedule_tick();
    schedule_beat();
  });
}

void RaftHost::stop() {
  stopped_ = true;
  persister_.stop();
}

/// By the clock: on a busy machine each one comes late, and timeouts must not grow by that.
void RaftHost::schedule_tick() {
  const io::Duration wait = tick_due_ - parts_.clock.monotonic();
  parts_.raft.post_after(std::max(wait, io::Duration{}), [this] {
    if (stopped_) return;
    const io::MonotonicTime now = parts_.clock.monotonic();
    const io::Duration delay = std::max(now - tick_due_, io::Duration{});
    longest_delay_.add(delay, now);
    usual_delay_.add(delay, now);
    const auto step = static_cast<std::int64_t>(timing_.tick);
    const std::int64_t due = 1 + static_cast<std::int64_t>(delay) / step;
    for (std::int64_t i = 0; i < std::min(due, late_ticks_max) && !stopped_; ++i) tick();
    tick_due_ = tick_due_ + io::Duration{due * step};
    schedule_tick();
  });
}

/// While ticks are stretched, the core's own heartbeats are too: these come as always.
void RaftHost::schedule_beat() {
  parts_.raft.post_after(config_.timing.heartbeat, [this] {
    if (stopped_) return;
    if (timing_.tick != config_.timing.tick && core_.status().role == Role::leader) {
      core_.ping();
      pump();
    }
    schedule_beat();
  });
}

/// Without room, a member that does not lead can neither vote nor acknowledge, and its answers to
/// heartbeats would pile up behind what it cannot make durable. One that leads hands over (L3).
bool RaftHost::is_frozen() const {
  return persister_.lacks_room() && core_.status().role != Role::leader;
}

void RaftHost::tick() {
  ++ticks_;
  if (!is_frozen()) core_.tick();
  const CoreStatus status = core_.status();
  ask_again();
  give_up_snapshots();
  look_after_kept(status);
  keep_read_back_pace();
  leave_joint(status);
  hand_over_if_stuck(status);
  pump();
}

Handle RaftHost::stage(EntryBytes bytes) {
  ASSERT(bytes != nullptr && !bytes->empty());
  const Handle handle{next_handle_++, bytes->size()};
  staged_.emplace(handle.id, Staged{nullptr, std::move(bytes)});
  return handle;
}

/// Whatever is wrong with a message costs that message only: the sender is a member, but its bytes
/// are still from outside.
void RaftHost::receive(std::uint64_t from, io::Parts parts) {
  if (parts.empty() || parts[0]->empty() || parts[0]->front() != raft_message_tag) return;
  Result<IncomingMessage> decoded = IncomingMessage::decode(Bytes(*parts[0]).subspan(1));
  if (!decoded || decoded->from() != from || decoded->to() != config_.id ||
      !may_come_from_a_peer(decoded->kind())) {
    handler_.log(2, fmt::format("a message from member {} was dropped: it is none for us", from));
    return;
  }
  heard_[from] = ticks_;
  kept_.heard(from, parts_.clock.monotonic());
  // Who copied runs again, though the word that it has the state was lost: the answer to what it is
  // sent next tells what it has.
  if (const auto found = snapshots_.find(from);
      found != snapshots_.end() && found->second.has_asked)
    snapshot_sent(from, true);
  if (is_frozen()) return;
  std::vector<Handle> handles(decoded->entry_count());
  std::size_t next = 1;
  for (std::size_t i = 0; i < handles.size(); ++i) {
    if (!decoded->carries(i)) continue;
    if (next >= parts.size() || parts[next]->empty()) {
      handler_.log(2, fmt::format("a message from member {} lacks the bytes of an entry", from));
      return;
    }
    handles[i] = stage(parts[next++]);
  }
  if (decoded->kind() == MessageKind::snapshot && !config_.broken.step_snapshot_first) {
    const CoreStatus status = core_.status();
    SnapshotOffer offer = decoded->snapshot();
    const bool is_new = decoded->term() >= status.term && offer.index > status.commit &&
                        visible_.term(offer.index) != offer.term;
    if (is_new) return handler_.offered(std::move(offer), from, std::move(parts));
  }
  core_.step(std::move(*decoded), handles);
  pump();
}

void RaftHost::propose(std::uint64_t term, std::vector<EntryBytes> entries) {
  if (entries.empty()) return;
  const CoreStatus status = core_.status();
  std::vector<Handle> handles;
  if (status.role == Role::leader && status.term == term) {
    handles.reserve(entries.size());
    for (const EntryBytes& entry : entries) {
      proposed_bytes_ += entry->size();
      handles.push_back(stage(entry));
    }
    if (core_.propose(handles)) return pump();
    for (const Handle& handle : handles) staged_.erase(handle.id);
  }
  handler_.dropped(std::move(entries));
}

/// What was checked when it was asked for may have changed while it waited its turn.
Status RaftHost::propose_change(std::uint64_t term, const CheckedChange& change,
                                EntryBytes record) {
  const CoreStatus status = core_.status();
  if (status.role != Role::leader || status.term != term)
    return fail(Code::unavailable, "this replica does not lead any more");
  if (membership_->is_joint() || status.pending_conf_index > applied_)
    return fail(Code::failed_precondition,
                "another change of members is under way: wait until it is complete");
  if (change.before && *change.before != *membership_)
    return fail(Code::failed_precondition,
                "the members changed while this was under way: look at them, then ask again");
  Handle handle;
  if (record) handle = stage(std::move(record));
  if (!core_.propose_change(change.changes, handle)) {
    staged_.erase(handle.id);
    return fail(Code::unavailable, "leadership is being handed over: ask the next leader");
  }
  pump();
  return {};
}

void RaftHost::applied(std::uint64_t index) {
  ASSERT(index <= handed_out_);
  if (index <= applied_) return;
  applied_ = index;
  applied_at_ = parts_.clock.monotonic();
  while (!unapplied_.empty() && unapplied_.front().index <= index) {
    unapplied_bytes_ -= unapplied_.front().bytes;
    unapplied_.pop_front();
  }
  core_.applied(index);
  serve_reads();
  pump();
}

void RaftHost::read_index(std::function<void(Result<std::uint64_t>)> done) {
  const std::uint64_t context = next_read_++;
  asked_.emplace(context, Read{std::move(done), 1, ticks_});
  core_.read_index(context);
  pump();
}

/// Requests are dropped silently without a leader and before the term's first commit (A3).
void RaftHost::ask_again() {
  const std::uint64_t patience = in_ticks(config_.timing.election, config_.timing.tick);
  std::vector<std::function<void(Result<std::uint64_t>)>> given_up;
  std::vector<Read> again;
  for (auto at = asked_.begin(); at != asked_.end();) {
    if (ticks_ - at->second.asked_at_tick < patience) {
      ++at;
      continue;
    }
    if (at->second.attempts >= config_.limits.read_attempts_max)
      given_up.push_back(std::move(at->second.done));
    else
      again.push_back(std::move(at->second));
    at = asked_.erase(at);
  }
  for (Read& read : again) {
    ++read.attempts;
    read.asked_at_tick = ticks_;
    const std::uint64_t context = next_read_++;
    asked_.emplace(context, std::move(read));
    core_.read_index(context);
  }
  for (auto& done : given_up)
    done(fail(Code::unavailable, "no leader confirmed the read: try again, or another replica"));
}

void RaftHost::take_reads(const std::vector<ReadState>& reads) {
  for (const ReadState& read : reads) {
    const auto found = asked_.find(read.context);
    if (found == asked_.end()) continue;  // asked again since
    readable_.emplace(read.index, std::move(found->second.done));
    asked_.erase(found);
  }
  serve_reads();
}

void RaftHost::serve_reads() {
  while (!readable_.empty() &&
         (readable_.begin()->first <= applied_ || config_.broken.serve_before_applied)) {
    auto next = readable_.extract(readable_.begin());
    next.mapped()(next.key());
  }
}

/// L4: by a proposal of our own, repeated by each new leader until it is applied. One that is to be
/// removed leaves that to its successor (L9).
void RaftHost::leave_joint(const CoreStatus& status) {
  if (status.role != Role::leader || !membership_->is_joint()) return;
  if (status.pending_conf_index > applied_ || status.transferee != 0) return;
  const std::vector<std::uint64_t>& stay = membership_->voters;
  if (std::binary_search(stay.begin(), stay.end(), config_.id))
    core_.propose_change({}, {});
  else
    hand_over("this leader is being removed");
}

/// L3: a leader whose disk or state machine hangs while its heartbeats go on. Slow is no reason:
/// what moves counts as alive, and where all are as slow a next leader would be no better. For the
/// same reason one that handed over and leads again bears more the next time, until all has been
/// well for long.
void RaftHost::hand_over_if_stuck(const CoreStatus& status) {
  if (config_.broken.never_hand_over || status.role != Role::leader || status.transferee != 0)
    return;
  const io::MonotonicTime now = parts_.clock.monotonic();
  const auto elections = [&](std::int64_t count) {
    return io::Duration{count * static_cast<std::int64_t>(timing_.election)};
  };
  if (hang_factor_ > 1 && now - hung_at_ > elections(hang_calm * hang_factor_)) hang_factor_ = 1;
  const auto is_stuck = [&](std::optional<io::MonotonicTime> since, std::int64_t patience) {
    return since && now - *since > elections(patience * hang_factor_);
  };
  std::optional<io::MonotonicTime> unapplied;
  if (!unapplied_.empty()) unapplied = std::max(unapplied_.front().since, applied_at_);
  const bool disk = is_stuck(persister_.waiting_since(), hang_disk);
  if (!disk && !is_stuck(unapplied, hang_apply)) return;
  hung_at_ = now;
  hang_factor_ = std::min<std::int64_t>(2 * hang_factor_, hang_factor_max);
  hand_over(disk ? "the disk hangs" : "the state machine hangs");
}

/// To the voter that has most of the log.
void RaftHost::hand_over(std::string_view why) {
  const std::vector<std::uint64_t>& voters = membership_->voters;
  const PeerProgress* best = nullptr;
  const std::vector<PeerProgress> peers = core_.progress();
  for (const PeerProgress& peer : peers)
    if (peer.id != config_.id && peer.recent_active &&
        std::binary_search(voters.begin(), voters.end(), peer.id) &&
        (best == nullptr || peer.matched > best->matched))
      best = &peer;
  if (best == nullptr) return;
  handler_.log(2, fmt::format("{}: handing over to member {}", why, best->id));
  core_.transfer_leader(best->id);
}

void RaftHost::transfer_leadership(std::uint64_t to) {
  core_.transfer_leader(to);
  pump();
}

void RaftHost::link_down(std::uint64_t peer) {
  core_.report_unreachable(peer);
  pump();
}

void RaftHost::snapshot_sent(std::uint64_t to, bool succeeded) {
  if (config_.broken.forget_snapshot_outcome) return;
  snapshots_.erase(to);
  core_.report_snapshot(to, succeeded);
  pump();
}

void RaftHost::snapshot_active(std::uint64_t to) {
  if (const auto found = snapshots_.find(to); found != snapshots_.end())
    found->second = {ticks_, true};
  kept_.heard(to, parts_.clock.monotonic());
}

/// M4: the offer may have been lost, or who copies may have died; or it is still at work, and says
/// nothing while it installs what it has. So it is asked for the entries behind the state, which
/// are kept for it (kept_log.h): who has it takes them, and whose answer shows that it has not is
/// offered the newest.
void RaftHost::give_up_snapshots() {
  if (config_.broken.forget_snapshot_outcome) return;
  const std::uint64_t patience = snapshot_elections * election_ticks_min_;
  for (auto at = snapshots_.begin(); at != snapshots_.end();) {
    if (ticks_ - at->second.sign_at < patience) {
      ++at;
      continue;
    }
    core_.report_snapshot(at->first, true);
    at = snapshots_.erase(at);
  }
}

void RaftHost::tell_room(const Status& room) {
  handler_.log(2, room ? std::string("there is room again for the log: entries are taken")
                       : fmt::format("{}: no entry is taken until there is room, which is looked "
                                     "for all the time",
                                     room.error().message));
}

void RaftHost::fatal(const Error& error) {
  if (std::exchange(fatal_told_, true)) return;
  handler_.fatal(error);
}

RaftNode::Report RaftHost::report() const {
  RaftNode::Report report;
  report.core = core_.status();
  report.membership = *membership_;
  report.peers = core_.progress();
  // The core forgets who answered once in an election timeout, so that its own flag is false now
  // and then for a member that is well.
  for (PeerProgress& peer : report.peers) {
    const auto heard = heard_.find(peer.id);
    peer.recent_active = heard != heard_.end() && ticks_ - heard->second < 2 * election_ticks_min_;
  }
  report.first_index = visible_.first_index();
  report.kept_for = kept_.members();
  report.handed_out = handed_out_;
  report.cached_bytes = visible_.cached_bytes();
  report.elections = elections_;
  const io::MonotonicTime now = parts_.clock.monotonic();
  report.timing = timing_;
  report.longest_write = persister_.longest_write();
  report.usual_write = persister_.usual_write();
  report.longest_delay = longest_delay_.get(now);
  report.usual_delay = usual_delay_.get(now);
  report.lacks_room = persister_.lacks_room();
  return report;
}

}  // namespace meridian::consensus
