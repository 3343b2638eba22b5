#include "replica/checkpointer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"

namespace meridian::replica {

Checkpointer::Checkpointer(const Parts& parts, Next next) : parts_(parts), next_(std::move(next)) {
  const storage::StateManifest* newest = parts_.states.newest();
  if (newest == nullptr) return;
  own_.push_back({newest->record_index, newest->digest});
  parts_.metrics.checkpoint_record.set(static_cast<std::int64_t>(newest->record_index));
}

/// Asked of the state at a cut only, so that replicas which restored it agree on the next one.
std::uint64_t Checkpointer::next_due(const ledger::Ledger& ledger) const {
  if (parts_.interval == 0) return ledger.next_checkpoint_at();
  return (ledger.records() / parts_.interval + 1) * parts_.interval;
}

void Checkpointer::cut(ledger::Ledger& ledger, IdHistory& history, LogPosition last_applied) {
  ASSERT(!busy_);
  busy_ = true;
  put_off_until_ = 0;
  cut_at_ = parts_.clock.monotonic();
  due_at_ = next_due(ledger);
  ledger_ = &ledger;
  record_index_ = ledger.records();
  entry_index_ = last_applied.index;
  term_ = last_applied.term;
  membership_ = parts_.membership ? parts_.membership() : Buffer();
  ledger.begin_checkpoint();
  history.freeze();
  parts_.prover.cut([this](Buffer frontier) {
    parts_.executor.post([this, frontier = std::move(frontier)]() mutable {
      frontier_ = std::move(frontier);
      finish_if_complete();
    });
  });
  take_piece();
}

void Checkpointer::pass(const ledger::Ledger& ledger) {
  ASSERT(busy_);
  ASSERT(may_pass());
  if (put_off_until_ == 0) {
    constexpr std::uint64_t parts = 16;
    put_off_until_ = next_due(ledger);
    put_off_step_ = std::max<std::uint64_t>((put_off_until_ - due_at_) / parts, 1);
  }
  due_at_ += put_off_step_;
  parts_.metrics.checkpoints_passed.increment();
}

void Checkpointer::take_piece() {
  if (stopped_) return;
  std::vector<ledger::StateChunk> chunks;
  const bool last = ledger_->take_chunks(piece_bytes, chunks);
  parts_.executor.post([this, chunks = std::move(chunks), last] { write_piece(chunks, last); });
}

void Checkpointer::write_piece(const std::vector<ledger::StateChunk>& chunks, bool last) {
  if (failed_ || stopped_) return;
  const auto write = [&]() -> Status {
    if (!begun_) TRY(parts_.states.begin(record_index_));
    begun_ = true;
    for (const ledger::StateChunk& chunk : chunks) {
      const storage::ChunkId id{chunk.kind, chunk.number};
      if (chunk.unchanged) {
        TRY(parts_.states.keep(id));
      } else {
        TRY(parts_.states.add(id, ledger::chunk_digest(chunk.kind, chunk.number, chunk.bytes),
                              chunk.bytes));
      }
    }
    return {};
  };
  if (Status written = write(); !written) return fail(written.error());
  if (!last) {
    // Only now the next piece: what waits here is bounded by one piece.
    parts_.apply.post([this] { take_piece(); });
    return;
  }
  chunks_complete_ = true;
  finish_if_complete();
}

void Checkpointer::finish_if_complete() {
  if (failed_ || stopped_ || !chunks_complete_ || !frontier_) return;
  if (Status finished = finish(); !finished) return fail(finished.error());
  begun_ = chunks_complete_ = false;
  frontier_.reset();
  begin_merging();
  parts_.apply.post([this] {
    busy_ = false;
    next_.finished();
  });
}

void Checkpointer::begin_merging() {
  if (merging_.exchange(true)) return;
  parts_.executor.post([this] { merge_piece(); });
}

void Checkpointer::merge_piece() {
  const auto merge = [&]() -> Result<bool> {
    bool more = TRY(parts_.index.streams->merge_some());
    more = TRY(parts_.index.categories->merge_some()) || more;
    for (auto& runs : parts_.ids) more = TRY(runs->merge_some()) || more;
    return more;
  };
  if (failed_ || stopped_) return;
  const Result<bool> more = merge();
  if (!more) return fail(more.error());
  if (*more) {
    parts_.executor.post([this] { merge_piece(); });
  } else {
    merging_ = false;
  }
}

Status Checkpointer::write_indexes(std::vector<Buffer>& parts) {
  for (auto& runs : parts_.ids) parts.push_back(TRY(runs->write_frozen()));
  parts.push_back(TRY(parts_.index.streams->write_frozen()));
  parts.push_back(TRY(parts_.index.categories->write_frozen()));
  return {};
}

Status Checkpointer::finish() {
  std::vector<Buffer> parts;
  parts.push_back(std::move(*frontier_));
  TRY(write_indexes(parts));
  parts.push_back(membership_);
  ASSERT(parts.size() == part_count);
  // Everything below the cut must be durable before the log that could write it again goes.
  TRY(parts_.records.sync());
  TRY(parts_.tiles.sync());
  crypto::Digest digest = parts_.states.digest();
  TRY(parts_.states.commit(entry_index_, term_, std::move(parts)));
  if (parts_.is_wrong) digest[0] ^= Byte{1};
  keep({record_index_, digest});
  parts_.metrics.checkpoint_record.set(static_cast<std::int64_t>(record_index_));
  const auto took = static_cast<std::int64_t>(parts_.clock.monotonic() - cut_at_);
  parts_.metrics.checkpoint_ms.observe(static_cast<std::uint64_t>(took) / 1'000'000);
  for (auto& runs : parts_.ids) TRY(runs->retire());
  TRY(parts_.index.streams->retire());
  TRY(parts_.index.categories->retire());
  parts_.log.release_before(entry_index_ + 1);

  ledger::StateDigest command{};
  command.record_index = record_index_;
  command.digest = digest;
  auto request = std::make_unique<ledger::Request>();
  request->attester = ledger::Attester::replica;
  request->add(ledger::CommandKind::state_digest, command);
  parts_.proposer.submit(std::move(request), [](const Result<Answer>&) {});
  return {};
}

void Checkpointer::keep(const CutDigest& own) {
  {
    const std::lock_guard lock(mutex_);
    own_.push_back(own);
    if (own_.size() > digests_max) own_.pop_front();
  }
  compare(own.record);
}

void Checkpointer::check(const ledger::StateDigest& recorded) {
  {
    const std::lock_guard lock(mutex_);
    recorded_ = CutDigest{recorded.record_index, recorded.digest};
  }
  compare(recorded.record_index);
}

/// Whichever of the two comes later.
void Checkpointer::compare(std::uint64_t record) {
  const std::optional<crypto::Digest> own = digest_of(record);
  std::optional<CutDigest> recorded;
  {
    const std::lock_guard lock(mutex_);
    recorded = recorded_;
  }
  if (!own || !recorded || recorded->record != record || recorded->digest == *own) return;
  next_.differs({record, *own}, recorded->digest);
}

std::uint64_t Checkpointer::newest_record() const {
  const std::lock_guard lock(mutex_);
  return own_.empty() ? 0 : own_.back().record;
}

std::optional<crypto::Digest> Checkpointer::digest_of(std::uint64_t record) const {
  const std::lock_guard lock(mutex_);
  for (const CutDigest& one : own_)
    if (one.record == record) return one.digest;
  return std::nullopt;
}

void Checkpointer::fail(const Error& error) {
  failed_ = true;
  next_.fatal(
      with_context(error, "the state checkpoint cannot be written, or indexes cannot be merged"));
}

}  // namespace meridian::replica
