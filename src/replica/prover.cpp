#include "replica/prover.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "proof/merkle.h"

namespace meridian::replica {

std::optional<KeyRecord> key_record_of(const ledger::Header& header) {
  const auto* body = std::get_if<ledger::SystemBody>(&header.body);
  if (body == nullptr || !is_of_keys(header.kind) || header.outcome != ledger::Outcome::created)
    return std::nullopt;
  return KeyRecord{raw(header.record_index), header.kind, body->command};
}

Prover::Prover(const Parts& parts, const proof::Frontier& frontier, Next next)
    : parts_(parts),
      next_(std::move(next)),
      frontier_(frontier),
      stored_tiles_(parts.tiles),
      visible_(parts.records.count()) {
  ASSERT(raw(frontier_.size()) == parts.records.count());
}

void Prover::applied(AppliedRef entry) {
  parts_.executor.post([this, entry = std::move(entry)]() mutable {
    if (failed_) return;
    const StageTimer timer(parts_.clock, parts_.metrics.prove_us);
    if (Status stored = store(*entry); !stored) {
      stop_after(with_context(stored.error(), "records cannot be stored"));
      return;
    }
    const std::uint64_t end = entry->end_record();
    entry.reset();
    if (!key_records_.empty()) next_.key_records(std::exchange(key_records_, {}));
    publish(end);
    next_.entry_stored();
    if (parts_.exchange != nullptr) parts_.exchange->grown(end);
    sign_if_due();
  });
}

void Prover::encode_headers(const AppliedEntry& entry) {
  ledger::HeaderEncoder encoder(entry.position, entry.view);
  headers_used_ = 0;
  sizes_.clear();
  leaves_.clear();
  payloads_.clear();
  for_each_command(entry.view, [&](std::uint32_t number, ledger::CommandKind kind,
                                   const ledger::RequestHeader& request) {
    if (headers_.size() < headers_used_ + ledger::header_size_max)
      headers_.resize(std::max(headers_.size() * 2, headers_used_ + 64 * ledger::header_size_max));
    const MutableBytes room(headers_.data() + headers_used_, ledger::header_size_max);
    const std::size_t size = encoder.encode(number, kind, request, entry.applied.effects[number],
                                            entry.applied.expired, room);
    leaves_.push_back(proof::leaf_hash(room.first(size)));
    sizes_.push_back(static_cast<std::uint16_t>(size));
    headers_used_ += size;
    if (kind == ledger::CommandKind::append_event &&
        entry.applied.effects[number].outcome == ledger::Outcome::created)
      index_event(entry, number);
    if (is_of_keys(kind) && next_.key_records &&
        entry.applied.effects[number].outcome == ledger::Outcome::created) {
      KeyRecord record{entry.first_record() + number, kind, {}};
      std::copy_n(entry.view.command(number), ledger::command_size, record.command.begin());
      key_records_.push_back(record);
    }
  });
}

void Prover::index_event(const AppliedEntry& entry, std::uint32_t number) {
  const auto event = ledger::load_command<ledger::AppendEvent>(entry.view.command(number));
  const std::uint64_t record = entry.first_record() + number;
  payloads_.push_back({record, entry.view.payload(event)});
  const std::uint64_t revision = entry.applied.effects[number].revision;
  parts_.index.streams->insert({event.stream, revision}, record);
  parts_.index.categories->insert({event.category, record}, record);
}

Status Prover::store(const AppliedEntry& entry) {
  ASSERT(entry.first_record() == parts_.records.count());
  parts_.index.streams->begin_batch();
  parts_.index.categories->begin_batch();
  encode_headers(entry);
  parts_.index.streams->end_batch();
  parts_.index.categories->end_batch();
  completed_.clear();
  frontier_.append(leaves_, completed_);
  constexpr std::size_t segment_level = 2;  // one hash of it covers a segment
  static_assert(std::size_t{1} << (proof::tile_height * segment_level) == storage::segment_records);
  TRY(parts_.records.append(
      {Bytes(headers_).first(headers_used_), sizes_, payloads_, completed_.levels[segment_level]}));
  for (std::size_t level = 0; level < completed_.levels.size(); ++level)
    if (!completed_.levels[level].empty())
      TRY(parts_.tiles.append(static_cast<std::uint8_t>(level), completed_.levels[level]));
  return {};
}

void Prover::cut(std::function<void(Buffer frontier)> captured) {
  parts_.executor.post([this, captured = std::move(captured)] {
    if (failed_) return;
    parts_.index.streams->freeze();
    parts_.index.categories->freeze();
    captured(frontier_.encode());
  });
}

// --- who waits for records to become readable ---

void Prover::publish(std::uint64_t count) {
  std::vector<std::function<void(std::uint64_t)>> ready;
  {
    const std::lock_guard lock(waits_mutex_);
    visible_.store(count, std::memory_order_release);
    for (auto wait = waits_.begin(); wait != waits_.end();) {
      if (wait->second.count > count) {
        ++wait;
        continue;
      }
      ready.push_back(std::move(wait->second.call));
      wait = waits_.erase(wait);
    }
  }
  for (auto& call : ready) call(count);
}

std::uint64_t Prover::when_visible(std::uint64_t count, std::function<void(std::uint64_t)> call) {
  std::uint64_t now = 0;
  {
    const std::lock_guard lock(waits_mutex_);
    now = visible_.load(std::memory_order_relaxed);
    if (now < count) {
      waits_.emplace(next_token_, Wait{count, std::move(call)});
      return next_token_++;
    }
  }
  call(now);
  return 0;
}

void Prover::cancel_wait(std::uint64_t token) {
  const std::lock_guard lock(waits_mutex_);
  waits_.erase(token);
}

// --- signing ---

void Prover::start_signing() {
  parts_.executor.post([this] {
    if (failed_) return;
    signing_ = true;
    if (parts_.exchange != nullptr) {
      parts_.exchange->grown(raw(frontier_.size()));
      parts_.exchange->start();
    }
    sign_if_due();
  });
}

/// Whoever waits is told; the process is about to stop.
void Prover::stop_after(const Error& error) {
  failed_ = true;
  stopped_by_ = fail(Code::unavailable, "this replica stopped: " + error.message);
  ++gathers_;
  fail_waiting(stopped_by_);
  next_.fatal(error);
}

/// Those who came before the gathering that just ended.
void Prover::fail_waiting(const Error& error) {
  const auto fail_in = [&](auto& waiting) {
    for (auto one = waiting.begin(); one != waiting.end();) {
      if (one->second.since >= gathers_) {
        ++one;
        continue;
      }
      const auto ready = std::move(one->second.ready);
      one = waiting.erase(one);
      ready(error);
    }
  };
  fail_in(checkpoints_);
  fail_in(receipts_);
}

void Prover::sign_if_due() {
  if (failed_ || !signing_) return;
  if (raw(frontier_.size()) == 0) return;  // who asks gets the tree of the first records
  if (parts_.exchange != nullptr) return gather_if_due();
  if (sign_posted_ && !somebody_waits()) return;
  const bool grown = !signed_once_ || raw(frontier_.size()) > signed_size_;
  if (!grown) {
    serve_waiting();
    return;
  }
  if (!signed_once_ || somebody_waits() || parts_.clock.monotonic() - signed_at_ >= sign_period)
    sign();
  else
    sign_later();
}

void Prover::sign_later() {
  if (std::exchange(sign_posted_, true)) return;
  const io::Duration since = parts_.clock.monotonic() - signed_at_;
  const auto left = static_cast<std::int64_t>(sign_period) - static_cast<std::int64_t>(since);
  parts_.executor.post_after(io::Duration{left}, [this, alive = lifetime_.token()] {
    if (!*alive) return;
    sign_posted_ = false;
    sign_if_due();
  });
}

void Prover::gather_if_due() {
  if (signed_once_) serve_waiting();
  if (gathering_ || raw(frontier_.size()) <= signed_size_) return;
  if (!somebody_waits()) {
    if (!leads_) return;
    if (parts_.clock.monotonic() - signed_at_ < sign_period) return sign_later();
  }
  gathering_ = true;
  ++gathers_;
  signed_at_ = parts_.clock.monotonic();
  parts_.exchange->collect(
      raw(frontier_.size()),
      [this](Result<CosignerExchange::Collected> collected) { gathered(std::move(collected)); });
}

void Prover::gathered(Result<CosignerExchange::Collected> collected) {
  gathering_ = false;
  if (failed_) return;
  if (collected) {
    signed_note_ = std::move(collected->note);
    signed_size_ = raw(collected->head.size);
    signed_once_ = true;
    parts_.metrics.tree_heads_signed.increment();
    serve_waiting();
  } else {
    fail_waiting(collected.error());
  }
  sign_if_due();
}

Result<proof::Note> Prover::note_of(const proof::TreeHead& head) {
  proof::Note note = TRY(proof::sign_checkpoint(head, parts_.log_key));
  const auto now = static_cast<std::uint64_t>(parts_.clock.now().time);
  note.signatures.push_back(
      TRY(proof::cosign(note.text, parts_.cosigner, proof::PosixTime{now / 1'000'000'000})));
  return note;
}

void Prover::sign() {
  const proof::TreeHead head = frontier_.head();
  if (Status saved = parts_.cosigned.save(head); !saved) {
    stop_after(with_context(saved.error(), "the signed tree head cannot be kept"));
    return;
  }
  Result<proof::Note> note = note_of(head);
  if (!note) {
    stop_after(with_context(note.error(), "the tree head cannot be signed"));
    return;
  }
  signed_note_ = *std::move(note);
  signed_size_ = raw(head.size);
  signed_once_ = true;
  parts_.metrics.tree_heads_signed.increment();
  signed_at_ = parts_.clock.monotonic();
  serve_waiting();
}

void Prover::serve_waiting() {
  while (!checkpoints_.empty() && checkpoints_.begin()->first < signed_size_) {
    auto waiting = checkpoints_.extract(checkpoints_.begin());
    waiting.mapped().ready(proof::format_note(signed_note_));
  }
  while (!receipts_.empty() && receipts_.begin()->first < signed_size_) {
    auto waiting = receipts_.extract(receipts_.begin());
    waiting.mapped().ready(make_receipt(ledger::RecordIndex{waiting.key()}));
  }
}

Result<proof::Receipt> Prover::make_receipt(ledger::RecordIndex index) {
  proof::Receipt receipt;
  receipt.header = TRY(parts_.records.header(raw(index)));
  receipt.index = proof::LeafIndex{raw(index)};
  receipt.path =
      TRY(proof::prove_inclusion(receipt.index, proof::TreeSize{signed_size_}, stored_tiles_));
  receipt.checkpoint = signed_note_;
  return receipt;
}

void Prover::checkpoint(Replica::CheckpointReady ready) {
  parts_.executor.post([this, ready = std::move(ready)]() mutable {
    if (failed_) return ready(stopped_by_);
    const std::uint64_t size = raw(frontier_.size());
    checkpoints_.emplace(size == 0 ? 0 : size - 1,
                         Waiter<Replica::CheckpointReady>{std::move(ready), gathers_});
    sign_if_due();
  });
}

void Prover::receipt(ledger::RecordIndex index, Replica::ReceiptReady ready) {
  parts_.executor.post([this, index, ready = std::move(ready)]() mutable {
    if (failed_) return ready(stopped_by_);
    receipts_.emplace(raw(index), Waiter<Replica::ReceiptReady>{std::move(ready), gathers_});
    sign_if_due();
  });
}

}  // namespace meridian::replica
