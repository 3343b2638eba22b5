#include "replica/raft_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "ledger/entry.h"
#include "replica/log_exchange.h"

namespace meridian::replica {

Result<std::unique_ptr<RaftLog>> RaftLog::open(
    const Parts& parts, const storage::SealedContext& context, const storage::WalOptions& wal,
    const storage::ReplicaName& name, const GroupConfig& config,
    std::unique_ptr<io::Network> network, const Start& start) {
  std::unique_ptr<RaftLog> log(new RaftLog(parts, config));
  io::Disk& disk = context.disk;
  Directory directory = TRY(open_directory(disk, context.entropy, name));
  log->storage_ = directory.identity.storage;
  log->peers_ = TRY(Peers::open(disk, std::move(network), directory.identity, parts.notice));
  for (const MemberInfo& founder : config.founders) log->peers_->set(founder);
  if (parts.canary.admit_any_disk) log->peers_->admit_any_disk();

  Begin begin = TRY(begin_at(config, start));
  if (start.group.empty() && !config.joins && !begin.group.membership.votes(config.id))
    return fail(Code::invalid_argument,
                fmt::format("replica {} is not among the founders of the cell", config.id));
  log->applied_ = begin.applied;
  log->group_ = std::move(begin.group);
  consensus::RaftNode::Start& from = log->node_start_;
  log->set_peers();
  from.membership = log->group_.membership;
  from.applied = log->applied_;
  log->store_ =
      TRY(RaftStore::open(context, wal, from.applied, config.limits.cached_bytes_max,
                          std::move(directory.hard_state), parts.clock, parts.metrics, from.log));
  log->store_->keep_free(parts.bytes_reserve);
  from.hard_state = log->store_->hard_state();
  TRY(drop_doubtful_tail(log->store_->wal(), directory.in_doubt, parts.notice));
  if (directory.in_doubt.after_index())
    return fail(Code::unavailable,
                "this replica may have acknowledged what its log has lost: it neither votes nor "
                "acknowledges until a leader has supplied its log again");
  return log;
}

RaftLog::~RaftLog() { lifetime_.end(); }

Result<RaftLog::Begin> RaftLog::begin_at(const GroupConfig& config, const Start& start) {
  if (!start.group.empty()) return Begin{start.applied, TRY(decode_group_state(start.group))};
  if (config.joins) return Begin{start.applied, {}};
  return Begin{founding, TRY(founding_state(config))};
}

Result<RaftLog::Directory> RaftLog::open_directory(io::Disk& disk, io::Entropy& entropy,
                                                   const storage::ReplicaName& name) {
  // The identity is made last: with it, whatever else is missing was lost.
  const bool is_new = !TRY(disk.exists(storage::ReplicaIdentity::path));
  const auto if_missing = is_new ? storage::IfMissing::create : storage::IfMissing::refuse;
  storage::HardStateFile hard_state = TRY(storage::HardStateFile::open(disk, if_missing));
  storage::InDoubtMark doubt = TRY(storage::InDoubtMark::open(disk, if_missing));
  storage::ReplicaIdentity identity =
      TRY(storage::ReplicaIdentity::open_or_create(disk, entropy, name));
  return Directory{std::move(identity), std::move(hard_state), std::move(doubt)};
}

Status drop_doubtful_tail(storage::Wal& log, storage::InDoubtMark& mark,
                          const std::function<void(const std::string&)>& notice) {
  if (!log.ambiguous_tail()) return {};
  const storage::Wal::AmbiguousTail tail = *log.ambiguous_tail();
  notice(
      fmt::format("the log ends after entry {} in {} bytes that do not open ({}): never "
                  "completed, or damaged though acknowledged",
                  tail.after_index, tail.bytes, tail.why));
  TRY(mark.set(tail.after_index));  // first, or a crash between the two forgets it
  return log.drop_tail();
}

void RaftLog::on_snapshots(MakeOffer make_offer, Behind behind) {
  make_offer_ = std::move(make_offer);
  behind_ = std::move(behind);
}

consensus::RaftNode::Handler RaftLog::node_handler() {
  consensus::RaftNode::Handler out;
  out.send = [this](std::uint64_t to, io::Channel channel, io::Parts message) {
    return peers_->send(to, channel, std::move(message));
  };
  out.committed = [this](std::vector<consensus::CommittedEntry> entries) {
    hand_out(std::move(entries));
  };
  out.leadership = [this](const consensus::Leadership& now) {
    const bool leads =
        now.may_propose || (parts_.canary.skip_term_check && now.role == consensus::Role::leader);
    handler_.leadership({now.term, leads, now.leader});
  };
  out.dropped = [this](std::vector<EntryBytes> entries) {
    handler_.dropped(std::move(entries),
                     {Code::unavailable, "this replica does not lead any more"});
  };
  out.make_offer = [this](std::uint64_t to) -> std::optional<consensus::SnapshotOffer> {
    if (!make_offer_) return std::nullopt;
    return make_offer_(to);
  };
  // The message is not kept: once the state is installed, this member answers appends behind it.
  out.offered = [this](const consensus::SnapshotOffer&, std::uint64_t from, const io::Parts&) {
    if (behind_) behind_(peers_->find(from).value_or(MemberInfo{from, {}, {}}));
  };
  out.fatal = [this](const Error& error) { handler_.failed(error); };
  out.log = [this](int level, std::string_view text) {
    if (level <= 2) parts_.notice(fmt::format("consensus: {}", text));
  };
  return out;
}

void RaftLog::hand_out(std::vector<consensus::CommittedEntry> entries) {
  std::vector<CommittedEntry> out;
  out.reserve(entries.size());
  for (consensus::CommittedEntry& one : entries) {
    const bool changes = one.entry.kind == consensus::EntryKind::membership;
    if (!encoded_ || changes) {
      take_members(one);
      encoded_ = std::make_shared<const Buffer>(encode_group_state(group_));
    }
    if (changes) {
      set_peers();
      news_->look();
    }
    out.push_back({one.entry.index, one.entry.term, std::move(one.entry.bytes), encoded_});
  }
  handler_.committed(std::move(out));
}

/// Where new members are stands in the records of the entry that makes them members, and which disk
/// is theirs at the latest in the one that lets them vote.
void RaftLog::take_members(const consensus::CommittedEntry& entry) {
  group_.membership = *entry.membership;
  if (entry.entry.kind != consensus::EntryKind::membership || !entry.entry.bytes) return;
  const Result<ledger::EntryView> view = ledger::EntryView::decode(*entry.entry.bytes);
  if (!view) return;  // apply stops the replica over it
  const auto text = [](const auto& padded) {
    return std::string(padded.data(), strnlen(padded.data(), padded.size()));
  };
  std::uint32_t number = 0;
  for (std::uint32_t i = 0; i < view->run_count(); ++i) {
    const ledger::Run run = view->run(i);
    for (std::uint32_t j = 0; j < run.count; ++j, ++number) {
      if (run.kind != ledger::CommandKind::member_change) continue;
      const auto command = ledger::load_command<ledger::MemberChange>(view->command(number));
      if (command.change == static_cast<std::uint32_t>(consensus::MemberChange::Kind::learner))
        group_.set({command.member, text(command.region), text(command.address), command.storage});
      else
        group_.bind(command.member, command.storage);
    }
  }
}

/// Also of those that left: they may not know it yet.
void RaftLog::set_peers() {
  for (const MemberInfo& member : group_.members) {
    if (group_.has_left(member.id)) peers_->retire(member.id);
    peers_->set(member);
  }
}

void RaftLog::propose_change(std::uint64_t term, consensus::CheckedChange change,
                             EntryBytes entry) {
  node_->propose_change(term, std::move(change), entry, [this, entry](const Status& taken) {
    if (!taken) handler_.dropped({entry}, taken.error());
  });
}

void RaftLog::start(Handler handler) {
  handler_ = std::move(handler);
  consensus::RaftNode::Config config;
  config.id = config_.id;
  Byte seed[8];
  parts_.entropy.fill(seed);
  config.seed = load_le<std::uint64_t>(seed);
  config.timing = config_.timing;
  config.limits = config_.limits;
  config.broken.send_before_sync = parts_.canary.acknowledge_before_sync;
  config.broken.apply_unpersisted = parts_.canary.sign_before_commit;
  node_ = std::make_unique<consensus::RaftNode>(
      config, consensus::RaftNode::Parts{parts_.raft, parts_.log, parts_.clock, *store_},
      node_start_, node_handler());
  peers_->on(PeerTag::raft, [this](std::uint64_t from, io::Parts message) {
    node_->receive(io::PeerId{from}, std::move(message));
  });
  answer_log_requests();
  peers_->on_link_down([this](std::uint64_t peer) {
    if (link_down_) link_down_(peer);
    node_->link_down(peer);
  });
  make_news();
  wait_for_founders();
  if (Status listening = peers_->start(config_.listen, config_.client_address, parts_.raft);
      !listening)
    return handler_.failed(listening.error());
  node_->start();
  news_->start();
}

void RaftLog::answer_log_requests() {
  peers_->on(PeerTag::log_request, [this](std::uint64_t from, const io::Parts& question) {
    const Result<LogRequest> request = decode_log_request(question);
    if (!request) return;
    node_->read_log(
        request->first, log_answer_bytes_max,
        [this, from, nonce = request->nonce](Result<consensus::RaftNode::LogPiece> piece) {
          if (!piece) return;  // it asks again
          peers_->send(from, io::Channel::bulk,
                       encode_log_answer({nonce, false, std::move(*piece)}));
        });
  });
}

void RaftLog::make_news() {
  const MemberInfo self{config_.id, config_.region, config_.listen};
  news_ = std::make_unique<MemberNews>(
      MemberNews::Parts{parts_.raft, *peers_, self, storage_,
                        [this]() -> const GroupState& { return group_; },
                        [this] { return node_->report().core.leader; }, parts_.notice},
      [this](Standing standing) {
        if (standing_) standing_(standing);
      });
}

/// A founder that has done nothing yet may have done much on a disk that was there before: then
/// those that met that one do not let it in. A vote, or an entry, came after all had let it in.
void RaftLog::wait_for_founders() {
  const bool is_new = node_start_.hard_state.term <= founding.term && node_start_.log.empty();
  if (config_.joins || applied_ != founding || !is_new) return;
  std::set<std::uint64_t> others;
  for (const MemberInfo& founder : config_.founders)
    if (founder.id != config_.id) others.insert(founder.id);
  peers_->wait_for(others);
  parts_.raft.post_after(MemberNews::ask_period, [this, alive = lifetime_.token()] {
    if (*alive) ask_founders(false);
  });
}

void RaftLog::ask_founders(bool is_told) {
  const std::set<std::uint64_t> missing = peers_->waits_for();
  if (missing.empty()) return;
  if (!is_told)
    parts_.notice(
        fmt::format("this replica's disk is new: it takes no part until every founder of "
                    "the cell has let it in. missing: {}",
                    fmt::join(missing, ", ")));
  peers_->ask_to_be_let_in();
  parts_.raft.post_after(MemberNews::ask_period, [this, alive = lifetime_.token()] {
    if (*alive) ask_founders(true);
  });
}

void RaftLog::stop() {
  if (node_) node_->stop();
  peers_->stop();
}

void RaftLog::propose(std::uint64_t term, std::vector<EntryBytes> entries) {
  node_->propose(term, std::move(entries));
}

}  // namespace meridian::replica
