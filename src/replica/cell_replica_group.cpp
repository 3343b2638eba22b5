// A replica as one of a group: what consensus hands out, who leads, who falls behind.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/assert.h"
#include "replica/internal/cell_replica.h"
#include "replica/member_checks.h"
#include "storage/cell_key.h"

namespace meridian::replica {

namespace {

constexpr io::Duration metrics_period = io::milliseconds(500);
/// Between an answer and the next question of how new the state is.
constexpr io::Duration current_period = io::milliseconds(200);
/// From this feature level on a member_change names the member's disk: a version that does not run
/// it takes the record for malformed.
constexpr std::uint32_t level_of_member_storage = 2;

/// Clients are refused below the whole of it; what goes on by itself, and what a leader with more
/// room orders, has half of it, so that what is in the log can always be applied.
std::uint64_t log_reserve(const ReplicaLimits& limits) { return limits.bytes_reserve / 2; }

/// What this replica tells the others of its own pace.
TimingWord timing_of(const consensus::RaftNode::Report& raft) {
  return {raft.timing.election, raft.longest_write, raft.longest_delay};
}

/// A change has no id to ask for: its outcome shows in who takes part.
Error change_error(const Error& error) {
  const bool is_open = error.code == Code::deadline_exceeded ||
                       (error.code == Code::unavailable &&
                        error.message.find("nothing was done") == error.message.npos);
  if (!is_open) return error;
  return {
      Code::deadline_exceeded,
      "leadership moved, or this replica stopped, while the change was under way: its outcome is "
      "unknown. see with `meridian node list` whether it was made"};
}

}  // namespace

Status CellReplica::open_log() {
  if (!config_.group) {
    auto alone = std::make_unique<LocalLog>(executors_.log, io_.clock, metrics_);
    alone_ = alone.get();
    log_ = std::move(alone);
    return {};
  }
  ASSERT(io_.make_network != nullptr && executors_.raft != nullptr &&
         executors_.propose != nullptr);
  std::unique_ptr<RaftLog> group =
      TRY(RaftLog::open({*executors_.raft, executors_.log, io_.clock, io_.entropy, metrics_,
                         io_.notice, config_.canary, log_reserve(config_.limits)},
                        context_, {config_.wal_file_size}, replica_name_of(config_), *config_.group,
                        io_.make_network(), {stores_.applied, stores_.membership}));
  group_ = group.get();
  log_ = std::move(group);
  return {};
}

Status CellReplica::make_exchange() {
  if (!io_.keys.newest(storage::exchange_key_name)) TRY(io_.keys.add(storage::exchange_key_name));
  exchange_key_.emplace(TRY(io_.keys.newest(storage::exchange_key_name)).secret);
  compared_tiles_.emplace(*stores_.tiles);
  tree_signer_.emplace(
      Cosigner::Parts{io_.clock, *cosigned_, *log_key_, *cosigner_, *compared_tiles_});
  Peers& peers = group_->peers();
  CosignerExchange::Parts parts{executors_.prove,
                                io_.clock,
                                *tree_signer_,
                                *compared_tiles_,
                                config_.group->id,
                                exchange_key_->public_key(),
                                {},
                                {},
                                {},
                                io_.notice,
                                [this](std::uint64_t record) {
                                  return checkpointer_ != nullptr ? checkpointer_->digest_of(record)
                                                                  : std::nullopt;
                                }};
  parts.region_of = [&peers](std::uint64_t id) { return peers.region_of(id); };
  parts.send = [&peers](std::uint64_t to, Buffer message) {
    return peers.send(to, io::Channel::control,
                      {std::make_shared<const Buffer>(std::move(message))});
  };
  parts.membership = [this](std::function<void(consensus::Membership)> ready) {
    executors_.apply.post([this, ready = std::move(ready)] {
      ready(decode_group_state(applier_->membership()).value_or(GroupState{}).membership);
    });
  };
  exchange_ = std::make_unique<CosignerExchange>(
      parts, CosignerExchange::Next{[this](const std::string& why) { proposer_->doubt(why); },
                                    [this](const Error& error) { prover_->stop_after(error); }});
  for (const PeerTag tag : {PeerTag::cosign_request, PeerTag::cosign_answer})
    peers.on(tag, [this](std::uint64_t from, io::Parts message) {
      exchange_->receive(from, std::move(message));
    });
  return {};
}

void CellReplica::make_cell_keys() {
  if (!io_.cell_key) return;
  CellKeys::Parts parts{executors_.apply,
                        io_.entropy,
                        io_.keys,
                        *ledger_,
                        *exchange_key_,
                        config_.cell,
                        config_.group->id,
                        {},
                        {},
                        {},
                        {},
                        {},
                        {}};
  parts.region_of = [this](std::uint64_t id) { return group_->peers().region_of(id); };
  parts.membership = [this] {
    return decode_group_state(applier_->membership()).value_or(GroupState{}).membership;
  };
  parts.keys_known = [this] { return exchange_->keys_known(); };
  parts.header = [this](ledger::RecordIndex record) -> Result<Buffer> {
    if (raw(record) >= prover_->visible())
      return fail(Code::out_of_range, "the record is not stored yet");
    return stores_.records->header(raw(record));
  };
  parts.leads = [this] { return leadership().is_ours; };
  parts.submit = [this](std::unique_ptr<ledger::Request> request, Answered answered) {
    proposer_->submit(std::move(request), std::move(answered));
  };
  cell_keys_ = std::make_unique<CellKeys>(
      std::move(parts), CellKeys::Next{io_.cell_key, [this](const Error& error) { fatal(error); }});
  executors_.apply.post([this] { cell_keys_->start(); });
}

void CellReplica::send_to_keeper(std::uint64_t to, Buffer message) {
  if (group_ == nullptr) return;
  const auto tag = std::make_shared<const Buffer>(1, static_cast<Byte>(PeerTag::keeper));
  group_->peers().send(to, io::Channel::control,
                       {tag, std::make_shared<const Buffer>(std::move(message))});
}

std::map<std::uint64_t, crypto::ExchangePublicKey> CellReplica::exchange_keys() const {
  std::map<std::uint64_t, crypto::ExchangePublicKey> all;
  if (exchange_ == nullptr) return all;
  for (const auto& [id, keys] : exchange_->keys_known()) all[id] = keys.exchange;
  return all;
}

Result<std::vector<Replica::VoterKeys>> CellReplica::voter_keys() const {
  if (exchange_ == nullptr) return std::vector<VoterKeys>{{1, {}, log_vkey(), cosigner_vkey()}};
  std::vector<VoterKeys> all;
  for (const KnownReplica& one : TRY(exchange_->voters_known()))
    all.push_back({one.id, one.region,
                   proof::format_vkey({origin_, proof::KeyType::ed25519, one.keys.log}),
                   proof::format_vkey({cosigner_name(origin_, one.id), proof::KeyType::cosignature,
                                       one.keys.cosigner})});
  return all;
}

/// What the log holds after the checkpoint comes from consensus, once it knows it to be committed.
Status CellReplica::join_group() {
  proposer_->follow(0, "the cell has no leader yet");
  give_states();
  group_->on_standing([this](Standing standing) {
    if (io_.standing) io_.standing(standing);
  });
  const std::optional<proof::TreeHead>& last = cosigned_->last();
  const std::uint64_t signed_size = last ? raw(last->size) : 0;
  prover_->when_visible(signed_size, [this](std::uint64_t) {
    executors_.prove.post([this] {
      if (has_bad_edge_) return;
      if (Status same = check_signed_head(); !same) return fatal(same.error());
      prover_->start_signing();
    });
  });
  Peers& peers = group_->peers();
  round_trips_.emplace(io_.clock, [&peers](std::uint64_t to, io::Parts message) {
    peers.send(to, io::Channel::control, std::move(message));
  });
  for (const PeerTag tag : {PeerTag::ping, PeerTag::pong})
    peers.on(tag, [this](std::uint64_t from, const io::Parts& message) {
      round_trips_->receive(from, message);
    });
  clock_watch_.emplace(io_.clock, [&peers](std::uint64_t to, io::Parts message) {
    peers.send(to, io::Channel::control, std::move(message));
  });
  for (const PeerTag tag : {PeerTag::clock_request, PeerTag::clock_answer})
    peers.on(tag, [this](std::uint64_t from, const io::Parts& message) {
      clock_watch_->receive(from, message);
    });
  if (io_.keeper_message)
    peers.on(PeerTag::keeper, [this](std::uint64_t from, const io::Parts& message) {
      if (message.size() == 2) io_.keeper_message(from, to_buffer(*message[1]));
    });
  make_level_news();
  timing_.emplace(config_.group->timing);
  peers.on(PeerTag::timing, [this](std::uint64_t from, const io::Parts& message) {
    if (const Result<TimingWord> word = decode_timing_word(*message[0]))
      timing_->heard(from, *word);
  });
  log_->start(log_handler());
  applier_->start_watching();
  make_cell_keys();
  group_metrics_.emplace(io_.metrics);
  home_.emplace(config_.group->home);
  executors_.raft->post([this] { keep_metrics(); });
  executors_.raft->post([this] { keep_current(); });
  return {};
}

/// On the raft executor.
void CellReplica::keep_metrics() {
  const GroupReport report = group_report();
  group_metrics_->show(report);
  for (const std::uint64_t id : group_->peers().known()) level_news_->tell(id);
  keep_timing(report);
  const ClockWatch::Verdict clock = keep_clock(report);
  keep_for_copies();
  const auto next = home_->next(report, io_.clock.monotonic());
  if (next && clock_watch_->may_lead(*next, clock)) {
    io_.notice(
        fmt::format("leadership moves home to replica {} in {}", *next, config_.group->home));
    group_->node().transfer_leadership(*next);
  }
  executors_.raft->post_after(metrics_period, [this, alive = lifetime_.token()] {
    if (*alive) keep_metrics();
  });
}

/// A leader whose clock is wrong hands over to a voter whose clock is not.
ClockWatch::Verdict CellReplica::keep_clock(const GroupReport& report) {
  std::set<std::uint64_t> voters;
  if (report.part == GroupReport::Part::voter || report.part == GroupReport::Part::leaving)
    voters.insert(report.id);
  for (const GroupReport::Peer& peer : report.peers) {
    clock_watch_->ask(peer.member.id);
    if (peer.votes) voters.insert(peer.member.id);
  }
  const ClockWatch::Verdict verdict = clock_watch_->judge(voters, report.id);
  group_metrics_->show_clock_ahead(verdict.ahead);
  const auto ms = static_cast<std::int64_t>(verdict.ahead) / 1'000'000;
  const std::string why =
      !verdict.is_wrong ? std::string()
                        : fmt::format("the clock of replica {} is {} ms {} those of most voters",
                                      report.id, std::abs(ms), ms > 0 ? "ahead of" : "behind");
  proposer_->clock_guard().judge(why, verdict.is_known);
  proposer_->clock_judged();
  if (verdict.is_wrong && !clock_told_wrong_)
    io_.notice(why + ": it orders nothing until its clock is right. set it (NTP)");
  clock_told_wrong_ = verdict.is_wrong;
  if (!verdict.is_wrong || report.role != consensus::Role::leader) return verdict;
  for (const GroupReport::Peer& peer : report.peers)
    if (peer.votes && peer.is_active && clock_watch_->may_lead(peer.member.id, verdict)) {
      group_->node().transfer_leadership(peer.member.id);
      break;
    }
  return verdict;
}

/// Measures how far the others are, tells them of our own pace, and lets elections wait for as long
/// as the slowest voter usually needs.
void CellReplica::keep_timing(const GroupReport& report) {
  const auto ms = [](io::Duration time) { return static_cast<std::int64_t>(time) / 1'000'000; };
  const consensus::RaftNode::Report raft = group_->node().report();
  const auto word = std::make_shared<const Buffer>(encode_timing_word(timing_of(raft)));
  io::Duration round_trip{};
  for (const GroupReport::Peer& peer : report.peers) {
    round_trips_->ask(peer.member.id);
    group_->peers().send(peer.member.id, io::Channel::control, {word});
    if (peer.votes) round_trip = std::max(round_trip, round_trips_->usual(peer.member.id));
  }
  const io::Duration election = timing_->next({round_trip, raft.usual_write, raft.usual_delay});
  if (election != raft.timing.election) group_->node().set_election_timeout(election);
  if (timing_->wanted_too_much() <= too_slow_told_) return;
  too_slow_told_ = timing_->wanted_too_much();
  io_.notice(fmt::format(
      "round trips of {} ms, writes to the log of {} ms and threads that wait {} ms ask for an "
      "election timeout of {} ms, and it may be {} ms: if that lasts, start all replicas with "
      "--round-trip {}",
      ms(round_trip), ms(raft.usual_write), ms(raft.usual_delay), ms(too_slow_told_), ms(election),
      ms(too_slow_told_) / 5 + 1));
}

/// The worst of late, whichever voters make the next leader.
std::uint64_t CellReplica::failover_bound_ms(const consensus::RaftNode::Report& raft) const {
  const GroupConfig& config = *config_.group;
  io::Duration round_trip = config.round_trip;
  for (const std::uint64_t id : raft.membership.voting_ids())
    round_trip = std::max(round_trip, round_trips_->longest(id));
  const TimingWord worst = timing_->worst(timing_of(raft), raft.membership);
  const io::Duration bound =
      config.timing.stretched(worst.election)
          .failover_bound(round_trip, std::max(config.sync, worst.write), worst.delay);
  return static_cast<std::uint64_t>(bound) / 1'000'000;
}

/// On the raft executor.
GroupReport CellReplica::group_report() const {
  const consensus::RaftNode::Report raft = group_->node().report();
  const Peers& peers = group_->peers();
  const GroupConfig& config = *config_.group;
  const GroupState& group = group_->group();
  GroupReport out;
  out.id = config.id;
  out.region = config.region;
  out.address = config.listen;
  out.client_address = config.client_address;
  if (const MemberInfo* self = group.find(config.id)) out.address = self->address;
  out.storage = group_->storage();
  out.part = part_of(raft.membership, config.id);
  out.is_changing = raft.membership.is_joint() || raft.core.pending_conf_index > raft.handed_out;
  for (const MemberInfo& one : group.members)
    if (group.has_left(one.id)) out.ids_left.push_back(one.id);
  out.role = raft.core.role;
  out.may_propose = leadership().is_ours;
  out.term = raft.core.term;
  out.leader = raft.core.leader;
  out.leader_address =
      out.leader == out.id ? config.client_address : peers.client_address_of(out.leader);
  out.commit_index = raft.core.commit;
  out.applied_index = applied_index_;
  out.last_index = raft.core.last_index;
  out.elections = raft.elections;
  out.lacks_room = raft.lacks_room;
  out.failover_bound_ms = failover_bound_ms(raft);
  out.election_timeout_ms = static_cast<std::uint64_t>(raft.timing.election) / 1'000'000;
  const bool leads = out.role == consensus::Role::leader;
  std::map<std::uint64_t, std::uint64_t> matched;
  for (const consensus::PeerProgress& one : raft.peers) matched[one.id] = one.matched;
  const consensus::RegionOf region_of = [&](std::uint64_t id) { return peers.region_of(id); };
  if (leads)
    out.global_index = consensus::global_index(raft.membership, region_of,
                                               [&](std::uint64_t id) { return matched[id]; });
  std::set<std::uint64_t> ids = raft.membership.ids();
  ids.erase(out.id);
  for (const std::uint64_t id : ids) {
    GroupReport::Peer peer;
    peer.member = peers.find(id).value_or(MemberInfo{id, {}, {}});
    peer.client_address = peers.client_address_of(id);
    peer.storage = peers.storage_of(id).value_or(0);
    peer.votes = raft.membership.votes(id);
    peer.part = part_of(raft.membership, id);
    for (const consensus::PeerProgress& one : raft.peers) {
      if (!leads || one.id != id) continue;
      peer.matched = one.matched;
      peer.lag = out.last_index - std::min(out.last_index, one.matched);
      peer.state = one.state;
      peer.is_active = one.recent_active;
    }
    out.peers.push_back(std::move(peer));
  }
  return out;
}

std::string CellReplica::leader_address() const {
  if (group_ == nullptr) return {};
  const Leadership now = leadership();
  if (now.leader == 0 || now.leader == config_.group->id) return {};
  return group_->peers().client_address_of(now.leader);
}

std::string CellReplica::not_leading(const Leadership& now) const {
  if (now.leader == 0 || now.leader == config_.group->id)
    return "the cell has no leader that may propose now";
  return fmt::format("replica {} leads the cell", now.leader);
}

/// On the raft executor.
void CellReplica::follow(const Leadership& now) {
  {
    const std::lock_guard lock(leadership_mutex_);
    leadership_ = now;
  }
  prover_->lead(now.is_ours);
  if (!now.is_ours) {
    proposer_->follow(now.term, not_leading(now));
    return;
  }
  // Where the state is: all that earlier leaders ordered has been applied there.
  executors_.apply.post([this, now] {
    if (leadership() == now) proposer_->lead(now.term, ledger_->last_time(), first_requests());
  });
}

/// What is answered after it was asked for is in the state that answers, so of two questions that
/// were answered the later one counts.
void CellReplica::catch_up(std::function<void(meridian::Status)> ready) {
  if (group_ == nullptr) return ready({});
  const io::MonotonicTime asked = io_.clock.monotonic();
  group_->node().read_index([this, asked, ready = std::move(ready)](Result<std::uint64_t> index) {
    if (!index) return ready(index.error());
    // On the raft executor alone.
    current_as_of_ = std::max(current_as_of_.load(), asked);
    ready({});
  });
}

std::optional<io::MonotonicTime> CellReplica::current_as_of() const {
  if (group_ == nullptr) return io_.clock.monotonic();
  const io::MonotonicTime as_of = current_as_of_;
  if (as_of == io::MonotonicTime{}) return std::nullopt;
  return as_of;
}

/// One question at a time: while no leader answers, they must not pile up.
void CellReplica::keep_current() {
  catch_up([this, alive = lifetime_.token()](const meridian::Status&) {
    if (!*alive) return;
    executors_.raft->post_after(current_period, [this, alive] {
      if (*alive) keep_current();
    });
  });
}

void CellReplica::group(std::function<void(const GroupState&)> ready) {
  if (group_ == nullptr) return ready({});
  executors_.raft->post([this, ready = std::move(ready)] { ready(group_->group()); });
}

void CellReplica::change_members(std::vector<MemberStep> steps,
                                 std::function<void(meridian::Status)> done) {
  if (group_ == nullptr)
    return done(fail(Code::failed_precondition,
                     "this cell has one replica and no group: start it as one of several"));
  executors_.raft->post([this, steps = std::move(steps), done = std::move(done)]() mutable {
    if (Status fits = check_change(steps); !fits) return done(fits);
    propose_change(steps, std::move(done));
  });
}

/// On the raft executor. Who does not lead knows neither the members of now nor how far they are.
meridian::Status CellReplica::check_change(const std::vector<MemberStep>& steps) const {
  if (const Leadership now = leadership(); !now.is_ours)
    return fail(Code::unavailable, not_leading(now) + ": nothing was done");
  if (group_->group().membership.is_joint())
    return fail(
        Code::failed_precondition,
        "another change of members is under way: wait until `meridian node list` shows none");
  const GroupState next = TRY(after_steps(group_->group(), steps));
  return check_going_on(next.membership, steps, group_report());
}

/// On the raft executor.
void CellReplica::propose_change(const std::vector<MemberStep>& steps,
                                 std::function<void(meridian::Status)> done) {
  auto request = std::make_unique<ledger::Request>();
  request->attester = ledger::Attester::replica;
  consensus::CheckedChange change{{}, group_->group().membership};
  for (const MemberStep& step : steps) {
    ledger::MemberChange command{};
    command.member = step.member.id;
    command.change = static_cast<std::uint32_t>(step.change);
    std::copy(step.member.region.begin(), step.member.region.end(), command.region.begin());
    std::copy(step.member.address.begin(), step.member.address.end(), command.address.begin());
    if (proposer_->feature_level() >= level_of_member_storage)
      command.storage = group_->peers().storage_met(step.member.id).value_or(0);
    request->add(ledger::CommandKind::member_change, command);
    change.changes.push_back({step.member.id, step.change});
  }
  proposer_->submit_change(std::move(request), std::move(change),
                           [done = std::move(done)](const Result<Answer>& answer) {
                             if (!answer) return done(change_error(answer.error()));
                             done({});
                           });
}

}  // namespace meridian::replica
