#include "replica/internal/cell_replica.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "storage/wal.h"

namespace meridian::replica {

namespace {

constexpr std::size_t recovery_group = 16;  // entries handed to apply at once

Result<std::unique_ptr<proof::Signer>> signer(const storage::KeyStore& keys, std::string_view key,
                                              const std::string& name, proof::KeyType type) {
  return std::make_unique<proof::Signer>(name, type, TRY(keys.signer(key)));
}

template <typename Command>
std::unique_ptr<ledger::Request> system_request(ledger::CommandKind kind, const Command& command) {
  auto request = std::make_unique<ledger::Request>();
  request->attester = ledger::Attester::replica;
  request->add(kind, command);
  return request;
}

std::string cell_uuid(u128 cell) {
  Byte bytes[16];
  store_le(bytes, cell);
  const std::string hex = to_hex(bytes);
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

}  // namespace

std::string origin_of(const ReplicaConfig& config) {
  return fmt::format("{}/{}/{}", config.deployment, cell_uuid(config.cell), config.generation);
}

std::string cosigner_name_of(const ReplicaConfig& config) {
  return fmt::format("{}/replica-{}", origin_of(config), config.group ? config.group->id : 1);
}

storage::ReplicaName replica_name_of(const ReplicaConfig& config) {
  ASSERT(config.group.has_value());
  return {config.deployment, config.cell, config.generation, config.group->id,
          config.group->region};
}

void CellReplica::receipt(ledger::RecordIndex index, ReceiptReady ready) {
  read_state([this, index, ready = std::move(ready)](const ledger::Ledger& ledger) {
    if (raw(index) >= ledger.records())
      return ready(fail(Code::out_of_range,
                        fmt::format("there is no record {}: the cell holds {} records, 0 to {}",
                                    raw(index), ledger.records(), ledger.records() - 1)));
    prover_->receipt(index, ready);
  });
}

Status CellReplica::build() {
  log_key_ = TRY(signer(io_.keys, "log", origin_, proof::KeyType::ed25519));
  cosigner_ =
      TRY(signer(io_.keys, "cosign", cosigner_name_of(config_), proof::KeyType::cosignature));
  stores_ = TRY(open_stores(context_));
  cosigned_ = TRY(open_cosigned(io_.disk));
  if (cosigned_->damage()) io_.notice(*cosigned_->damage());

  TRY(open_log());
  if (group_ != nullptr) TRY(make_exchange());

  const auto tell_fatal = [this](const Error& error) { fatal(error); };
  history_ = std::make_unique<IdHistory>(std::move(stores_.ids), *stores_.records,
                                         config_.canary.drop_ids);
  source_ = std::make_unique<StoredRecords>(
      *stores_.records, *history_->runs()[static_cast<std::size_t>(ledger::IdSpace::transfer)]);
  copies_ = std::make_unique<StateSource>(StateSource::Parts{
      *stores_.records, *stores_.tiles, *stores_.states, config_.cell, config_.generation});
  ledger_ = std::make_unique<ledger::Ledger>(config_.cell, *history_, config_.feature_level);
  proposer_ = std::make_unique<Proposer>(io_.clock, io_.entropy,
                                         group_ != nullptr ? *executors_.propose : executors_.log,
                                         *log_, config_.limits, metrics_);
  prover_ = std::make_unique<Prover>(
      Prover::Parts{executors_.prove, io_.clock, *stores_.records, *stores_.tiles, stores_.index,
                    *cosigned_, *log_key_, *cosigner_, metrics_, exchange_.get()},
      stores_.frontier,
      Prover::Next{[this] {
                     proposer_->entry_stored();
                     applier_->entry_stored();
                   },
                   tell_fatal, io_.key_records});
  applier_ = std::make_unique<Applier>(
      Applier::Parts{executors_.apply, io_.clock, *ledger_, *history_, *proposer_, config_.cell,
                     config_.limits, io_.disk, metrics_, TRY(SkipList::read(io_.disk)),
                     config_.canary},
      Applier::Next{[this](AppliedRef entry) { prover_->applied(std::move(entry)); },
                    [this](std::uint64_t index) {
                      applied_index_ = index;
                      log_->applied(index);
                    },
                    tell_fatal, io_.notice});
  checkpointer_ = std::make_unique<Checkpointer>(
      Checkpointer::Parts{executors_.apply, executors_.checkpoint, *stores_.states,
                          *stores_.records, *stores_.tiles, history_->runs(), stores_.index,
                          *prover_, *proposer_, *log_, io_.clock, metrics_,
                          config_.checkpoint_interval, [this] { return applier_->membership(); },
                          config_.group && config_.canary.wrong_state_on == config_.group->id},
      Checkpointer::Next{[this] { applier_->resume(); }, tell_fatal,
                         [this](const CutDigest& own, const crypto::Digest& recorded) {
                           state_differs(own, recorded);
                         }});
  applier_->set_checkpointer(*checkpointer_);
  applier_->set_last_applied(group_ != nullptr ? group_->applied() : stores_.applied);
  applied_index_ = applier_->last_applied().index;
  applier_->set_membership(std::move(stores_.membership));
  make_scrub();
  return {};
}

void CellReplica::make_scrub() {
  const bool is_alone = group_ == nullptr;
  Scrub::Parts parts{
      is_alone || executors_.give == nullptr ? executors_.checkpoint : *executors_.give,
      io_.clock,
      *stores_.records,
      *stores_.tiles,
      *stores_.states,
      {},
      config_.cell,
      config_.scrub_bytes_per_second,
      scrub_metrics_,
      io_.notice,
      [this](const Error& error) { fatal(error); }};
  for (const auto& runs : history_->runs()) parts.indexes.push_back(runs.get());
  for (const auto* runs : {&stores_.index.streams, &stores_.index.categories})
    parts.indexes.push_back(runs->get());
  if (!is_alone) {
    Peers& peers = group_->peers();
    parts.peers = [&peers, self = config_.group->id] {
      std::vector<std::uint64_t> others = peers.known();
      std::erase(others, self);
      return others;
    };
    parts.send = [&peers](std::uint64_t to, io::Parts question) {
      return peers.send(to, io::Channel::control, std::move(question));
    };
    parts.damaged = io_.damaged;
    peers.on(PeerTag::copy_answer, [this](std::uint64_t from, io::Parts answer) {
      scrub_->receive(from, std::move(answer));
    });
  }
  scrub_ = std::make_unique<Scrub>(std::move(parts));
  stores_.records->on_damage([this](std::uint64_t segment) { scrub_->look_at(segment); });
}

/// Alone, the log was written by nobody else: the state, or what made it, cannot be trusted.
void CellReplica::state_differs(const CutDigest& own, const crypto::Digest& recorded) {
  if (exchange_ != nullptr) return exchange_->state_differs(own);
  fatal(meridian::fail(
      Code::data_loss,
      fmt::format("the state after record {} has digest {} here and {} in the log: this replica's "
                  "balances cannot be trusted; restore it from a verified copy",
                  own.record - 1, to_hex(own.digest), to_hex(recorded))));
}

Status CellReplica::recover(const Progress& progress) {
  TRY(build());
  TRY(restore_state(stores_, *ledger_, progress));
  proposer_->set_feature_level(ledger_->feature_level());
  checkpointer_->start(*ledger_);
  if (Status healed = scrub_->heal_edge(); !healed) {
    if (group_ == nullptr || !io_.damaged) return healed;
    has_bad_edge_ = true;  // it opens only to be closed
    io_.damaged(healed.error());
  }
  TRY(group_ != nullptr ? join_group() : start_alone(progress));
  if (!has_bad_edge_) scrub_->start();
  return {};
}

Status CellReplica::start_alone(const Progress& progress) {
  TRY(replay(progress));
  TRY(check_signed_head());
  log_->start(log_handler());
  prover_->start_signing();
  leadership_ = {LocalLog::only_term, true, 1};
  proposer_->lead(LocalLog::only_term, ledger_->last_time(), first_requests());
  drain_all();  // who asks next finds a ledger that is begun, and at its level
  applier_->start_watching();
  return {};
}

OrderedLog::Handler CellReplica::log_handler() {
  OrderedLog::Handler handler;
  handler.committed = [this](std::vector<CommittedEntry> entries) {
    applier_->committed(std::move(entries));
  };
  handler.failed = [this](const Error& error) { fatal(error); };
  handler.leadership = [this](const Leadership& now) { follow(now); };
  handler.dropped = [this](const std::vector<EntryBytes>& entries, const Error& why) {
    proposer_->dropped(entries, why);
  };
  return handler;
}

/// What a leader records before anything else. On the apply executor, or before it runs.
Proposer::Requests CellReplica::first_requests() {
  Proposer::Requests requests;
  if (ledger_->records() == 0) {
    ledger::OpenGeneration genesis{};
    genesis.cell = config_.cell;
    genesis.generation = config_.generation;
    genesis.feature_level = config_.feature_level;
    requests.push_back(system_request(ledger::CommandKind::open_generation, genesis));
  }
  if (dropped_) requests.push_back(system_request(ledger::CommandKind::dropped_tail, *dropped_));
  dropped_.reset();
  return requests;
}

Status CellReplica::replay(const Progress& progress) {
  std::vector<CommittedEntry> group;
  const auto hand_over = [&] {
    if (!group.empty()) applier_->committed(std::move(group));
    group.clear();
    keep_up();
  };
  std::unique_ptr<storage::Wal> wal = TRY(storage::Wal::open(
      context_, {config_.wal_file_size}, stores_.applied.index + 1,
      [&](const storage::WalEntry& entry) -> Status {
        if (entry.kind != storage::wal_kind_commands) {
          return fail(Code::failed_precondition,
                      fmt::format("entry {} of the log was written by a cell of several replicas: "
                                  "start this node as one of them",
                                  entry.index));
        }
        // Restored from a group's log, it has entries of consensus's own.
        const bool is_own = entry.bytes.empty();
        group.push_back({entry.index, entry.term,
                         is_own ? nullptr : std::make_shared<Buffer>(to_buffer(entry.bytes))});
        if (group.size() >= recovery_group) hand_over();
        if (fatal_told_) return fail(Code::data_loss, "the log cannot be replayed");
        return {};
      },
      [&](std::uint64_t done, std::uint64_t total) {
        if (progress) progress({"log", done, total});
      }));
  hand_over();
  drain_all();
  if (fatal_told_) return fail(Code::data_loss, "the log cannot be replayed");

  const std::uint64_t next_index = std::max(wal->last_index(), stores_.applied.index) + 1;
  if (wal->ambiguous_tail()) {
    const storage::Wal::AmbiguousTail tail = *wal->ambiguous_tail();
    TRY(wal->drop_tail());
    ledger::DroppedTail dropped{};
    dropped.wal_index = tail.after_index + 1;
    dropped.bytes = tail.bytes;
    dropped.reason = 1;
    io_.notice(
        fmt::format("the log ended in {} bytes that do not open ({}): entry {} was never "
                    "completed or is damaged; it was dropped and a dropped_tail record says so",
                    tail.bytes, tail.why, dropped.wal_index));
    dropped_ = dropped;
  }
  alone_->attach(std::move(wal), next_index);
  return {};
}

/// Recovery reads faster than the stages work: waits until they have caught up enough.
void CellReplica::keep_up() {
  while (!fatal_told_) {
    executors_.apply.drain();
    executors_.prove.drain();
    bool behind = false;
    executors_.apply.post([&] { behind = !applier_->idle(); });
    executors_.apply.drain();
    if (!behind) return;
    executors_.checkpoint.drain();  // entries wait for the checkpoint before
  }
}

/// The signing rule across restarts: what was cosigned must still be there, byte for byte.
Status CellReplica::check_signed_head() {
  const std::optional<proof::TreeHead>& last = cosigned_->last();
  if (!last) return {};
  const std::uint64_t count = prover_->visible();
  const std::string advice =
      "this replica signed a tree it no longer has: restore a newer backup, or see what is lost "
      "with "
      "`meridian recovery inspect`; keep these files for the auditor; nothing was written";
  if (raw(last->size) > count)
    return fail(Code::data_loss,
                fmt::format("records {} to {} are missing although their tree head was signed; {}",
                            count, raw(last->size) - 1, advice));
  const proof::Frontier then = TRY(proof::frontier_at(last->size, prover_->stored_tiles()));
  if (then.root() != last->root)
    return fail(Code::data_loss, fmt::format("the first {} records have another root than the one "
                                             "that was signed; {}",
                                             raw(last->size), advice));
  return {};
}

void CellReplica::fatal(const Error& error) {
  if (fatal_told_.exchange(true)) return;
  checkpointer_->stop();
  proposer_->fail(error);
  // It stopped over a segment that is damaged, before that could be repaired: so it would again.
  const bool is_of_segment = error.code == Code::data_loss && scrub_ && scrub_->has_met_damage();
  if (is_of_segment && group_ != nullptr && io_.damaged) return io_.damaged(error);
  if (on_fatal_) on_fatal_(error);
}

bool CellReplica::pipeline_idle() {
  bool busy = false;
  executors_.apply.post(
      [&] { busy = checkpointer_->is_busy() || !applier_->idle() || !proposer_->idle(); });
  executors_.apply.drain();
  return !busy;
}

void CellReplica::drain_each() {
  if (group_ != nullptr) {
    executors_.raft->drain();
    executors_.propose->drain();
  }
  executors_.log.drain();
  executors_.apply.drain();
  executors_.prove.drain();
  executors_.checkpoint.drain();
  if (executors_.give != nullptr) executors_.give->drain();
}

void CellReplica::drain_all() {
  do {
    drain_each();
  } while (!fatal_told_ && !pipeline_idle());
}

void CellReplica::report(std::function<void(Report)> ready) {
  read_state([this, ready = std::move(ready)](const ledger::Ledger& ledger) {
    Report report{};
    report.counts = ledger.counts();
    report.last_entry_index = applier_->last_applied().index;
    report.term = applier_->last_applied().term;
    report.checkpoint_record = checkpointer_->newest_record();
    for (auto& runs : history_->runs()) report.debt_bytes += runs->debt_bytes();
    report.wal_files = log_->file_count();
    report.at_capacity = applier_->at_capacity();
    report_heads(std::move(report), ready);
  });
}

/// What other stages own is read where they run, one after the other.
void CellReplica::report_heads(Report report, std::function<void(Report)> ready) {
  executors_.prove.post([this, report = std::move(report), ready = std::move(ready)]() mutable {
    report.signed_head = cosigned_->last();
    if (group_ == nullptr) return ready(std::move(report));
    executors_.raft->post([this, report = std::move(report), ready = std::move(ready)]() mutable {
      report.group = group_report();
      report.group->applied_index = report.last_entry_index;  // of the moment of the counts
      ready(std::move(report));
    });
  });
}

void CellReplica::settle(std::function<void()> done) {
  executors_.apply.post([this, done = std::move(done)]() mutable {
    const bool busy = checkpointer_->is_busy() || checkpointer_->is_merging() ||
                      !applier_->idle() || !proposer_->idle();
    if (!busy || fatal_told_ || lifetime_.ended()) return done();
    executors_.apply.post_after(
        io::milliseconds(5), [this, alive = lifetime_.token(), done = std::move(done)]() mutable {
          *alive ? settle(std::move(done)) : done();
        });
  });
}

Result<std::vector<ledger::RecordIndex>> CellReplica::find_events(storage::SortedRuns& runs,
                                                                  u128 id, std::uint64_t first,
                                                                  std::uint64_t last,
                                                                  std::size_t count,
                                                                  bool reversed) {
  const auto pairs = TRY(runs.find_range({id, first}, {id, last}, count, reversed));
  std::vector<ledger::RecordIndex> records;
  records.reserve(pairs.size());
  for (const storage::SortedRuns::Pair& pair : pairs)
    records.push_back(ledger::RecordIndex{pair.value});
  return records;
}

Result<std::unique_ptr<Replica>> Replica::open(const Io& io, const ReplicaConfig& config,
                                               ReplicaExecutors executors, const Progress& progress,
                                               std::function<void(Error)> on_fatal) {
  auto replica = std::make_unique<CellReplica>(io, config, executors, std::move(on_fatal));
  TRY(replica->recover(progress));
  return std::unique_ptr<Replica>(std::move(replica));
}

}  // namespace meridian::replica
