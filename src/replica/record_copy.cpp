#include "replica/record_copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/assert.h"
#include "ledger/payload.h"

namespace meridian::replica {

namespace {

Error wrong(std::uint64_t record, std::string_view what) {
  return fail(Code::invalid_argument, fmt::format("record {}: {}", record, what));
}

Result<ledger::Header> check_header(u128 cell, std::uint64_t record, Bytes bytes) {
  Result<ledger::Header> header = ledger::Header::decode(bytes);
  if (!header) return wrong(record, header.error().message);
  if (header->cell != cell) return wrong(record, "its header is of another cell");
  if (raw(header->record_index) != record)
    return wrong(record, fmt::format("its header is that of record {}", raw(header->record_index)));
  return header;
}

/// What must be stored beside the header of an event.
struct OwedPayload {
  std::uint64_t record;
  std::uint32_t size;
  crypto::Digest commitment;
};

std::optional<OwedPayload> payload_owed(const ledger::Header& header) {
  if (header.outcome != ledger::Outcome::created) return std::nullopt;
  const auto* event = std::get_if<ledger::EventBody>(&header.body);
  if (event == nullptr) return std::nullopt;
  return OwedPayload{raw(header.record_index), event->payload_size, header.payload_commitment};
}

/// As far as can be told without keys. An event without payload has an empty one.
Status check_payload(const OwedPayload& owed, const std::optional<Bytes>& payload_bytes) {
  if (!payload_bytes) return wrong(owed.record, "its payload is missing");
  const Bytes bytes = *payload_bytes;
  if (bytes.size() != owed.size)
    return wrong(owed.record, fmt::format("its payload has {} bytes, its header says {}",
                                          bytes.size(), owed.size));
  if (bytes.empty()) return {};
  const Result<ledger::Payload> payload = ledger::Payload::decode(bytes);
  if (!payload) return wrong(owed.record, payload.error().message);
  std::vector<crypto::Digest> commitments;
  for (const ledger::Compartment& compartment : payload->compartments)
    commitments.push_back(compartment.commitment);
  if (ledger::fold_commitments(commitments) != owed.commitment)
    return wrong(owed.record, "its payload does not match the commitment in its header");
  return {};
}

/// Hands out the payload of each record asked for, in order; none if there is none.
class PayloadsInOrder {
 public:
  explicit PayloadsInOrder(const std::vector<RecordsPiece::PayloadOf>& payloads)
      : payloads_(payloads) {}
  std::optional<Bytes> of(std::uint64_t record) {
    if (next_ == payloads_.size() || payloads_[next_].record != record) return std::nullopt;
    return payloads_[next_++].bytes;
  }
  /// The record of the first payload that nobody asked for.
  std::optional<std::uint64_t> left_over() const {
    return next_ == payloads_.size() ? std::nullopt : std::optional(payloads_[next_].record);
  }

 private:
  const std::vector<RecordsPiece::PayloadOf>& payloads_;
  std::size_t next_ = 0;
};

}  // namespace

RecordCopy::RecordCopy(const storage::SealedContext& context, const proof::Frontier& covered,
                       const proof::TreeHead& target)
    : context_(context), covered_(covered), target_(target), frontier_(covered) {}

Result<std::unique_ptr<RecordCopy>> RecordCopy::open(const storage::SealedContext& context,
                                                     const proof::Frontier& covered,
                                                     const proof::TreeHead& target) {
  ASSERT(covered.size() <= target.size);
  std::unique_ptr<RecordCopy> copy(new RecordCopy(context, covered, target));
  TRY(copy->find_whole_segments());
  TRY(copy->open_stores());
  return copy;
}

// --- what is here ---

Status RecordCopy::find_whole_segments() {
  // Hashes past what is covered are made again from the headers.
  tiles_ = TRY(storage::TileStore::open(context_.disk, raw(covered_.size())));
  if (TRY(context_.disk.exists("headers"))) {
    auto found = TRY(storage::RecordStore::open_read_only(context_));
    for (;;) {
      const std::uint64_t end = (next() / storage::segment_records + 1) * storage::segment_records;
      if (end > std::min(found->count(), raw(target_.size))) break;
      if (!TRY(read_segment(*found, end))) break;
    }
  }
  proven_ = next() == 0;
  if (covered_.size() < target_.size) return {};
  // All records are here; what is new is their state at a later entry.
  if (covered_.head() != target_) return another_history();
  proven_ = true;
  return {};
}

/// Records up to `end`, the end of a segment, if `found` holds them whole and right.
Result<bool> RecordCopy::read_segment(storage::RecordStore& found, std::uint64_t end) {
  if (!found.segment_root(end / storage::segment_records - 1)) return false;
  const auto leaves = check_stored_records(found, context_.cell, next(), end,
                                           [](const ledger::Header&) { return Status(); });
  if (!leaves && leaves.error().code == Code::data_loss) return false;  // copied again
  if (!leaves) return leaves.error();
  proof::TileHashes completed;
  frontier_.append(*leaves, completed);
  TRY(append_tiles(completed));
  return true;
}

Status RecordCopy::open_stores() {
  records_ = TRY(storage::RecordStore::open(context_, next()));
  tiles_ = TRY(storage::TileStore::open(context_.disk, next()));
  return {};
}

bool RecordCopy::leads_to_target(const proof::TreeHead& head, const proof::ProofPath& path) const {
  if (head.size == target_.size) return head == target_ && path.empty();
  return proof::verify_consistency(head, target_, path);
}

Error RecordCopy::another_history() const {
  return fail(Code::failed_precondition,
              fmt::format("the first {} records here are not those of the tree of {} records that "
                          "is offered: one of both replicas is damaged or of another history; "
                          "nothing was changed",
                          next(), raw(target_.size)));
}

Result<bool> RecordCopy::prove(const RecordsPiece& proof) {
  ASSERT(!proven_);
  proven_ = leads_to_target(frontier_.head(), proof.proof);
  if (proven_) return true;
  if (frontier_.size() == covered_.size()) return another_history();
  frontier_ = covered_;
  TRY(open_stores());
  proven_ = next() == 0;
  return false;
}

Status RecordCopy::visit_kept(const Visit& visit) {
  Status visited;
  const auto visit_one = [&](std::uint64_t record, Bytes bytes) -> Status {
    return visit(TRY(check_header(context_.cell, record, bytes)));
  };
  TRY(records_->scan(raw(covered_.size()), next(), [&](std::uint64_t record, Bytes bytes) {
    visited = visit_one(record, bytes);
    return visited.has_value();
  }));
  return visited;
}

// --- what comes ---

Result<proof::Hashes> check_piece(const RecordsPiece& piece, u128 cell,
                                  const RecordCopy::Visit& visit) {
  proof::Hashes leaves;
  leaves.reserve(piece.sizes.size());
  PayloadsInOrder payloads(piece.payloads);
  std::size_t at = 0;
  std::uint64_t record = piece.first;
  for (const std::uint16_t size : piece.sizes) {
    const Bytes bytes = piece.headers.subspan(at, size);
    const ledger::Header header = TRY(check_header(cell, record, bytes));
    if (const auto owed = payload_owed(header)) TRY(check_payload(*owed, payloads.of(record)));
    leaves.push_back(proof::leaf_hash(bytes));
    TRY(visit(header));
    at += size;
    ++record;
  }
  if (const auto record_of_it = payloads.left_over())
    return wrong(*record_of_it, "it comes with a payload and has none");
  return leaves;
}

Result<proof::TileHashes> RecordCopy::check(const RecordsPiece& piece, const Visit& visit) {
  ASSERT(proven_);
  ASSERT(piece.first == next());
  if (piece.sizes.empty() || piece.last() > raw(target_.size))
    return fail(Code::invalid_argument, fmt::format("it has {} records from record {} on",
                                                    piece.sizes.size(), piece.first));
  const proof::Hashes leaves = TRY(check_piece(piece, context_.cell, visit));
  proof::Frontier grown = frontier_;
  proof::TileHashes completed;
  grown.append(leaves, completed);
  if (!leads_to_target(grown.head(), piece.proof))
    return fail(Code::invalid_argument,
                fmt::format("its headers are not those of the tree of {} records whose root is {}",
                            raw(target_.size), to_hex(target_.root)));
  frontier_ = grown;
  return completed;
}

Status RecordCopy::store(const RecordsPiece& piece, const proof::TileHashes& completed) {
  ASSERT(piece.first == records_->count());
  std::vector<storage::RecordStore::Appended::PayloadOf> payloads;
  for (const RecordsPiece::PayloadOf& payload : piece.payloads)
    payloads.push_back({payload.record, payload.bytes});
  TRY(records_->append({piece.headers, piece.sizes, payloads, completed.levels[segment_level]}));
  return append_tiles(completed);
}

Status RecordCopy::add(const RecordsPiece& piece, const Visit& visit) {
  return store(piece, TRY(check(piece, visit)));
}

Status RecordCopy::append_tiles(const proof::TileHashes& completed) {
  for (std::size_t level = 0; level < completed.levels.size(); ++level)
    if (!completed.levels[level].empty())
      TRY(tiles_->append(static_cast<std::uint8_t>(level), completed.levels[level]));
  return {};
}

Status RecordCopy::sync() {
  TRY(records_->sync());
  return tiles_->sync();
}

Result<proof::Hashes> check_stored_records(storage::RecordStore& store, u128 cell,
                                           std::uint64_t first, std::uint64_t last,
                                           const RecordCopy::Visit& visit) {
  // Headers first: payloads may be large, and are then looked at one by one.
  std::vector<OwedPayload> owed;
  proof::Hashes leaves;
  const auto check_one = [&](std::uint64_t record, Bytes header_bytes) -> Status {
    const ledger::Header header = TRY(check_header(cell, record, header_bytes));
    if (const auto one = payload_owed(header)) owed.push_back(*one);
    leaves.push_back(proof::leaf_hash(header_bytes));
    return visit(header);
  };
  Status right;
  // Damage of a directory too: its file was never synced, or has rotted.
  TRY(store.scan_all(
      first, last,
      [&](std::uint64_t record, Bytes header_bytes) {
        if (right) right = check_one(record, header_bytes);
        return right.has_value();
      },
      [&](std::uint64_t, std::uint64_t, const Error& error) {
        if (right) right = error;
      }));
  auto next = owed.begin();
  if (right) {
    const Status scanned =
        store.scan_payloads(first, last, [&](std::uint64_t record, Bytes payload) {
          if (next == owed.end() || record < next->record)
            right = wrong(record, "a payload is stored with it, and it has none");
          else
            right = check_payload(*next,
                                  record == next->record ? std::optional(payload) : std::nullopt);
          if (right) ++next;
          return right.has_value();
        });
    if (right) right = scanned;
  }
  if (right && next != owed.end()) right = check_payload(*next, std::nullopt);
  if (right) return leaves;
  Error error = right.error();
  if (error.code == Code::invalid_argument) error.code = Code::data_loss;
  return error;
}

}  // namespace meridian::replica
