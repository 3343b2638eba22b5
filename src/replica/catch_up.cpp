#include "replica/catch_up.h"

#include <fmt/format.h>

#include "replica/origin.h"
#include "replica/raft_log.h"
#include "replica/recovery.h"
#include "storage/wal.h"

namespace meridian::replica {

CatchUp::CatchUp(const Replica::Io& io, const ReplicaConfig& config, ReplicaExecutors executors,
                 Progress progress, std::function<void(Status)> done)
    : io_(io),
      config_(config),
      executors_(executors),
      progress_(std::move(progress)),
      done_(std::move(done)),
      context_{io.disk, io.entropy, io.keys, config.cell},
      metrics_(io.metrics) {}

CatchUp::~CatchUp() {
  lifetime_.end();
  if (peers_) peers_->stop();  // before those that it calls
}

Result<bool> CatchUp::is_needed(io::Disk& disk) {
  if (TRY(storage::is_state_given_up(disk))) return true;
  if (!TRY(disk.exists(storage::ReplicaIdentity::path))) return false;
  const storage::InDoubtMark mark =
      TRY(storage::InDoubtMark::open(disk, storage::IfMissing::refuse));
  return mark.after_index().has_value();
}

Result<bool> CatchUp::give_up_if_damaged(const Replica::Io& io, const ReplicaConfig& config,
                                         const Error& why) {
  if (why.code != Code::data_loss) return false;
  const std::optional<Error> damage = TRY(find_damage({io.disk, io.entropy, io.keys, config.cell}));
  if (!damage) return false;
  TRY(give_up(io, *damage));
  return true;
}

Status CatchUp::give_up(const Replica::Io& io, const Error& what) {
  io.notice(
      fmt::format("what this replica keeps is damaged: {}. it takes no part until it has "
                  "copied the state of another; its log stays",
                  what.message));
  return storage::give_up_state(io.disk);
}

Result<std::unique_ptr<CatchUp>> CatchUp::start(const Replica::Io& io, const ReplicaConfig& config,
                                                ReplicaExecutors executors,
                                                std::optional<MemberInfo> peer, Progress progress,
                                                std::function<void(Status)> done) {
  std::unique_ptr<CatchUp> self(
      new CatchUp(io, config, executors, std::move(progress), std::move(done)));
  TRY(self->listen());
  // One that joined after this replica was started is none of its founders.
  if (peer && !peer->address.empty()) self->peers_->set(*peer);
  const bool is_given_up = TRY(storage::is_state_given_up(io.disk));
  executors.log.post([raw = self.get(), alive = self->lifetime_.token(), peer, is_given_up] {
    if (!*alive) return;
    if (peer || is_given_up)
      raw->copy(peer ? std::optional(peer->id) : std::nullopt);
    else
      raw->resupply();
  });
  return self;
}

Status CatchUp::listen() {
  const GroupConfig& group = *config_.group;
  const RaftLog::Directory directory =
      TRY(RaftLog::open_directory(io_.disk, io_.entropy, replica_name_of(config_)));
  peers_ = TRY(Peers::open(io_.disk, io_.make_network(), directory.identity, io_.notice));
  if (config_.canary.admit_any_disk) peers_->admit_any_disk();
  peers_->on(PeerTag::members_answer, [this](std::uint64_t, const io::Parts& message) {
    if (const Result<MembersAnswer> answer = decode_members_answer(*message[0])) take_news(*answer);
  });
  TRY(peers_->start(group.listen, group.client_address, executors_.log));
  for (const MemberInfo& founder : group.founders) peers_->set(founder);
  return {};
}

void CatchUp::take_news(const MembersAnswer& answer) {
  const GroupConfig& group = *config_.group;
  if (!answer.group.has_left(group.id)) return meet(answer.group, *peers_);
  if (io_.standing) io_.standing(Standing::removed);
  end(fail(Code::failed_precondition,
           describe(Standing::removed, {group.id, group.region, group.listen})));
}

/// From `first` if it is set, or else from whoever gives its state.
void CatchUp::copy(std::optional<std::uint64_t> first) {
  first_giver_ = first;
  asked_.clear();
  copy_from_next(fail(Code::unavailable, "no other replica is known to copy a state from"));
}

std::optional<std::uint64_t> CatchUp::next_giver() {
  std::vector<std::uint64_t> all = peers_->known();
  if (first_giver_) all.insert(all.begin(), *first_giver_);
  for (const std::uint64_t id : all)
    if (id != config_.group->id && asked_.insert(id).second) return id;
  return std::nullopt;
}

/// Where the log begins that is here. Opening the stores clears away what is not committed, such as
/// a copy under way; of a state that was given up nothing is.
Result<LogPosition> CatchUp::open_before_copy() {
  if (TRY(storage::is_state_given_up(io_.disk))) return LogPosition{};
  return TRY(open_stores(context_)).applied;
}

/// Who cannot give its state is passed over for the next.
void CatchUp::copy_from_next(const Error& last_error) {
  const std::optional<std::uint64_t> peer = next_giver();
  if (!peer) return end(last_error);
  const Result<LogPosition> before = open_before_copy();
  if (!before) return end(before.error());
  StateInstaller::Options::Beside beside;  // the replica is closed: nothing is applied
  if (executors_.give != nullptr) beside = {&executors_.apply, executors_.give};
  const StateTaker::Parts parts{
      executors_.log,
      io_.clock,
      *peers_,
      context_,
      config_.group->copy_bytes_per_second,
      [this, applied = *before](const StateOffer& offer) {
        return cut_log(applied.index != 0 ? applied.index + 1 : offer.entry_index, offer);
      },
      progress_,
      config_.canary.step_before_data,
      beside};
  taker_ = std::make_unique<StateTaker>(parts, *peer, [this](const Result<StateOffer>& result) {
    executors_.log.post([this, alive = lifetime_.token(), result] {
      if (!*alive) return;
      taker_.reset();
      if (result) return resupply();
      // What is wrong here is no better with another.
      const Code code = result.error().code;
      const bool is_theirs = code == Code::unavailable || code == Code::invalid_argument ||
                             code == Code::failed_precondition;
      if (!is_theirs) return end(result.error());
      io_.notice(fmt::format("no state from this replica: {}", result.error().message));
      copy_from_next(result.error());
    });
  });
  taker_->start();
}

/// An entry of ours at the offered index and of another term is not the committed one, so nothing
/// from there on can ever be committed: it must be gone before the state is installed, or this
/// member would vote from it. What lies below stays until then, as it may have been acknowledged.
/// Looked at only now: while its core ran it may have stored that entry, and more
/// (spec/snapshot_install.tla). `from`: where the log begins at the latest, if it is to count.
Status CatchUp::cut_log(std::uint64_t from, const StateOffer& offer) {
  std::uint64_t term_there = 0;
  const auto visit = [&](const storage::WalEntry& entry) -> Status {
    if (entry.index == offer.entry_index) term_there = entry.term;
    return {};
  };
  const auto truncated = [&](std::uint64_t index) -> Status {
    if (index <= offer.entry_index) term_there = 0;
    return {};
  };
  from = std::max(from, RaftLog::founding.index + 1);
  const storage::WalOptions options{config_.wal_file_size, true};
  std::unique_ptr<storage::Wal> wal =
      TRY(storage::Wal::open(context_, options, from, visit, {}, truncated));
  if (wal->ambiguous_tail()) {
    storage::InDoubtMark mark =
        TRY(storage::InDoubtMark::open(io_.disk, storage::IfMissing::refuse));
    TRY(drop_doubtful_tail(*wal, mark, io_.notice));
  }
  if (term_there == offer.term || wal->last_index() < offer.entry_index) return {};
  return wal->truncate_from(offer.entry_index);
}

void CatchUp::resupply() {
  if (Status begun = begin_resupply(); !begun) end(begun);
}

Status CatchUp::begin_resupply() {
  if (!TRY(is_needed(io_.disk))) {
    end({});
    return {};
  }
  const GroupConfig& group = *config_.group;
  const Recovered stores = TRY(open_stores(context_));
  const RaftLog::Begin begin = TRY(RaftLog::begin_at(group, {stores.applied, stores.membership}));
  for (const MemberInfo& member : begin.group.members) peers_->set(member);
  RaftLog::Directory directory =
      TRY(RaftLog::open_directory(io_.disk, io_.entropy, replica_name_of(config_)));
  std::vector<consensus::LogEntry> log;
  std::unique_ptr<RaftStore> store =
      TRY(RaftStore::open(context_, {config_.wal_file_size}, begin.applied, 0,
                          std::move(directory.hard_state), io_.clock, metrics_, log));
  TRY(drop_doubtful_tail(store->wal(), directory.in_doubt, io_.notice));
  Byte nonce[8];
  io_.entropy.fill(nonce);
  resupply_ = std::make_unique<Resupply>(
      Resupply::Parts{executors_.log, io_.clock, *peers_, io_.notice}, group.id,
      begin.group.membership, std::move(store), std::move(directory.in_doubt), begin.applied, log,
      load_le<std::uint64_t>(nonce), [this](const Result<Resupply::Outcome>& outcome) {
        if (!outcome) return end(outcome.error());
        executors_.log.post([this, alive = lifetime_.token(), copy_from = outcome->copy_from] {
          if (!*alive) return;
          resupply_.reset();
          if (copy_from)
            copy(*copy_from);
          else
            end({});
        });
      });
  resupply_->start();
  return {};
}

void CatchUp::end(const Status& status) {
  if (auto done = std::exchange(done_, nullptr)) done(status);
}

}  // namespace meridian::replica
