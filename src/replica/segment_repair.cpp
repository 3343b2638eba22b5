#include "replica/segment_repair.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "replica/record_copy.h"
#include "replica/state_exchange.h"

namespace meridian::replica {

namespace {

/// What a peer gave is wrong; the own disk is not.
bool is_of_peer(const Error& error) { return error.code == Code::invalid_argument; }

}  // namespace

SegmentRepair::SegmentRepair(const Parts& parts, Wanted wanted,
                             std::function<void(Result<std::uint64_t>)> done)
    : parts_(parts), wanted_(std::move(wanted)), done_(std::move(done)) {}

/// From the first record on: which of the pieces before was wrong is not known.
void SegmentRepair::ask_next_peer() {
  replacement_.reset();
  if (peer_ == wanted_.peers.size())
    return finished(fail(Code::unavailable, lacks_.empty() ? "there is no other replica" : lacks_));
  auto replacement = parts_.records.replace_segment(wanted_.segment);
  if (!replacement) return finished(replacement.error());
  replacement_ = std::move(*replacement);
  ask();
}

void SegmentRepair::ask() {
  ++number_;
  silent_ = 0;
  asked_ = {};
  asked_.kind = PieceKind::records;
  asked_.record_index = end();
  asked_.first = replacement_->next();
  asked_.last = std::min(end(), asked_.first + piece_records_max);
  send();
}

void SegmentRepair::send() {
  // One that was not queued is sent again.
  parts_.send(peer(), {encode_copy_question(CopyQuestion::piece, number_, asked_.encode())});
  watch();
}

void SegmentRepair::watch() {
  parts_.executor.post_after(patience, [this, alive = lifetime_.token(), number = number_] {
    if (!*alive || ended_ || number != number_) return;
    if (++silent_ == silent_max) return give_up_peer("it does not answer");
    send();
  });
}

void SegmentRepair::give_up_peer(const std::string& why) {
  lacks_ += fmt::format("{}replica {}: {}", lacks_.empty() ? "" : "; ", peer(), why);
  ++number_;  // what it still sends is not waited for
  ++peer_;
  ask_next_peer();
}

void SegmentRepair::receive(std::uint64_t from, const io::Parts& answer) {
  const std::optional<CopyAnswer> decoded = decode_copy_answer(answer);
  if (ended_ || peer_ == wanted_.peers.size() || from != peer() || !decoded) return;
  if (decoded->number != number_) return;
  if (decoded->is_refusal) return give_up_peer(std::string(as_text(decoded->bytes)));
  if (Status taken = take(decoded->bytes); !taken) {
    if (is_of_peer(taken.error())) return give_up_peer(taken.error().message);
    return finished(taken.error());
  }
  replacement_->next() == end() ? finish() : ask();
}

Status SegmentRepair::take(Bytes bytes) {
  const RecordsPiece piece = TRY(RecordsPiece::decode(bytes));
  if (piece.first != asked_.first || piece.sizes.empty() || piece.last() > asked_.last)
    return fail(Code::invalid_argument, "it gives other records than were asked for");
  TRY(check_piece(piece, parts_.cell, [](const ledger::Header&) { return Status(); }));
  std::vector<storage::RecordStore::Appended::PayloadOf> payloads;
  payloads.reserve(piece.payloads.size());
  for (const RecordsPiece::PayloadOf& payload : piece.payloads)
    payloads.push_back({payload.record, payload.bytes});
  storage::RecordStore::Appended records;
  records.headers = piece.headers;
  records.sizes = piece.sizes;
  records.payloads = payloads;
  return replacement_->append(records);
}

void SegmentRepair::finish() {
  Status put = replacement_->finish(wanted_.root);
  if (put) return finished(peer());
  if (is_of_peer(put.error())) return give_up_peer(put.error().message);
  finished(put.error());
}

void SegmentRepair::finished(Result<std::uint64_t> result) {
  ASSERT(!ended_);
  ended_ = true;
  replacement_.reset();
  done_(std::move(result));
}

}  // namespace meridian::replica
