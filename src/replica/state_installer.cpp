//   prove ──> records ──> list ──> chunks ──> complete ──commit──> the directory's state
//     ^  \_ what is here is no part: dropped, once
//
// A phase plans requests into the window; answers are taken from its front, so everything is
// checked and stored in order.
#include "replica/state_installer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "replica/checkpointer.h"
#include "replica/cosigned_head.h"
#include "replica/internal/chunk_copy.h"
#include "replica/internal/index_fold.h"
#include "replica/internal/piece_window.h"
#include "replica/internal/side_work.h"
#include "replica/prover.h"
#include "replica/record_copy.h"
#include "replica/recovery.h"

namespace meridian::replica {

namespace {

/// Pieces whose ids wait to be folded: a merge takes seconds.
constexpr std::size_t foldings_max = 64;

std::size_t window_max_of(const StateInstaller::Options& options) {
  return std::max<std::size_t>(options.window, 1);
}

class Installer final : public StateInstaller {
 public:
  Installer(const storage::SealedContext& context, StateOffer offer, const Options& options)
      : context_(context),
        offer_(std::move(offer)),
        options_(options),
        window_(window_max_of(options)),
        folding_(options.beside.fold, foldings_max),
        storing_(options.beside.store, 4 * window_max_of(options)) {
    ASSERT(options.records_per_request > 0);
    ASSERT(options.records_per_request <= piece_records_max);
  }

  Status start();

  std::optional<PieceRequest> next() override;
  void give_up(const PieceRequest& request) override;
  Status add(const PieceRequest& request, Bytes piece, std::string_view peer) override;
  bool is_complete() const override { return records_->is_complete() && chunks_->is_complete(); }
  Status commit() override;
  Progress progress() const override {
    return {kept_,
            records_->next(),
            offer_.record_index,
            chunks_->done_bytes(),
            offer_.chunk_bytes,
            received_bytes_};
  }

 private:
  Status check_signed(const proof::TreeHead& covered);
  void plan();
  void plan_records();
  Status process();
  Status take(PieceWindow::Place& place);
  Status take_proof(const RecordsPiece& piece);
  Status take_records(PieceWindow::Place& place, RecordsPiece piece);
  Status store(const RecordsPiece& piece, const proof::TileHashes& completed);
  Status begin_records();
  Status fold();

  storage::SealedContext context_;
  const StateOffer offer_;
  const Options options_;
  PieceWindow window_;
  std::unique_ptr<storage::StateStore> states_;
  std::unique_ptr<RecordCopy> records_;
  std::optional<IndexFold> indexes_;
  std::optional<ChunkCopy> chunks_;
  std::optional<proof::TreeHead> signed_;  ///< By this replica, of records that come with the copy.
  std::uint64_t kept_ = 0;
  std::uint64_t planned_record_ = 0;
  std::uint64_t received_bytes_ = 0;
  // Last: what they work on goes after them.
  SideWork folding_;
  SideWork storing_;  ///< Gives to folding_ too.
};

Status Installer::start() {
  if (context_.cell != offer_.cell)
    return fail(Code::invalid_argument, "the offer is of another cell than this directory's");
  states_ = TRY(storage::StateStore::open(context_));
  const storage::StateManifest* manifest = states_->newest();
  proof::Frontier covered;
  if (manifest != nullptr) {
    // Entries without a record (a leader's first, a change of members) may be all that is new.
    if (manifest->record_index > offer_.record_index ||
        (manifest->record_index == offer_.record_index &&
         manifest->entry_index >= offer_.entry_index))
      return fail(Code::failed_precondition,
                  fmt::format("this directory holds the state of {} records up to entry {}, and "
                              "that of {} up to {} is offered: there is nothing to copy",
                              manifest->record_index, manifest->entry_index, offer_.record_index,
                              offer_.entry_index));
    constexpr auto part = static_cast<std::size_t>(Checkpointer::Part::frontier);
    if (manifest->parts.size() <= part)
      return fail(Code::data_loss, "the state manifest has no Merkle frontier");
    covered = TRY(proof::Frontier::decode(manifest->parts[part]));
    if (raw(covered.size()) != manifest->record_index)
      return fail(Code::data_loss, "the state manifest's Merkle frontier is of another size");
  }
  TRY(check_signed(covered.head()));
  records_ = TRY(RecordCopy::open(context_, covered, offer_.head()));
  chunks_.emplace(*states_, offer_);
  if (options_.with_indexes)
    indexes_.emplace(TRY(open_id_runs(context_, manifest)),
                     TRY(open_stream_index(context_, manifest)));
  if (records_->is_proven()) return begin_records();
  return {};
}

/// A tree that was signed must be a part of what this directory will hold: compared before commit.
/// If more was signed than is offered, the log has the rest, and nothing is signed before the tree
/// is that large again and has that root.
Status Installer::check_signed(const proof::TreeHead& covered) {
  if (!TRY(context_.disk.exists(CosignedHead::path))) return {};
  const CosignedHead cosigned = TRY(CosignedHead::open(context_.disk));
  const std::optional<proof::TreeHead>& last = cosigned.last();
  if (last && last->size > covered.size && raw(last->size) <= offer_.record_index) signed_ = last;
  return {};
}

/// What is here is a part of what is offered: the rest can be asked for.
Status Installer::begin_records() {
  kept_ = planned_record_ = records_->next();
  if (!indexes_) return {};
  TRY(records_->visit_kept([this](const ledger::Header& header) -> Status {
    indexes_->stage(header);
    return indexes_->staged() < options_.records_per_request ? Status() : fold();
  }));
  return fold();
}

/// What is staged is right.
Status Installer::fold() {
  return folding_.give(
      [this, batch = indexes_->take()]() -> Status { return indexes_->accept(batch); });
}

// --- asking ---

void Installer::plan_records() {
  if (!records_->is_proven()) {
    const std::uint64_t here = records_->next();
    if (window_.empty()) window_.plan({PieceKind::records, offer_.record_index, here, here, {}});
    return;
  }
  while (!window_.is_full() && planned_record_ < offer_.record_index) {
    const std::uint64_t end =
        std::min(offer_.record_index, planned_record_ + options_.records_per_request);
    window_.plan({PieceKind::records, offer_.record_index, planned_record_, end, {}});
    planned_record_ = end;
  }
}

void Installer::plan() {
  if (!records_->is_complete()) return plan_records();
  while (!window_.is_full()) {
    const std::optional<PieceRequest> request = chunks_->plan();
    if (!request) return;
    window_.plan(*request);
  }
}

std::optional<PieceRequest> Installer::next() {
  plan();
  return window_.ask();
}

void Installer::give_up(const PieceRequest& request) {
  if (PieceWindow::Place* place = window_.find(request)) place->reset();
}

// --- taking ---

Status Installer::add(const PieceRequest& request, Bytes piece, std::string_view peer) {
  PieceWindow::Place* place = window_.find(request);
  if (place == nullptr)
    return fail(Code::invalid_argument,
                fmt::format("{} from {}: it was not asked for", request.describe(), peer));
  received_bytes_ += piece.size();
  place->arrived = true;
  place->piece = to_buffer(piece);
  place->peer = peer;
  return process();
}

/// Everything whose turn it is.
Status Installer::process() {
  while (PieceWindow::Place* place = window_.next_arrived()) {
    const std::string asked = place->request.describe();
    Status taken = take(*place);
    if (taken) continue;
    if (indexes_) indexes_->drop();
    const Code code = taken.error().code;
    if (code != Code::invalid_argument && code != Code::failed_precondition) return taken;
    const Error named = with_context(taken.error(), fmt::format("{} from {}", asked, place->peer));
    place->reset();
    return named;
  }
  return {};
}

/// Takes the front of the window away, unless it is wrong or only a part of what was asked for.
Status Installer::take(PieceWindow::Place& place) {
  if (place.request.kind == PieceKind::records) {
    RecordsPiece piece = TRY(RecordsPiece::decode(place.piece));
    if (piece.first != place.request.first || piece.last() > place.request.last)
      return fail(Code::invalid_argument, "it holds other records than were asked for");
    return records_->is_proven() ? take_records(place, std::move(piece)) : take_proof(piece);
  }
  if (TRY(chunks_->take(place.request, place.piece))) {
    window_.pop();
  } else {
    place.reset();
  }
  return {};
}

Status Installer::take_proof(const RecordsPiece& piece) {
  const bool stays = TRY(records_->prove(piece));
  window_.pop();
  if (!stays && !records_->is_proven()) return {};  // asked again for what is covered
  return begin_records();
}

Status Installer::take_records(PieceWindow::Place& place, RecordsPiece piece) {
  proof::TileHashes completed =
      TRY(records_->check(piece, [this](const ledger::Header& header) -> Status {
        if (indexes_) indexes_->stage(header);
        return {};
      }));
  if (indexes_) TRY(fold());
  const std::uint64_t last = piece.last();
  // The piece is a view of the bytes, which go with it.
  Status stored =
      storing_.give([this, bytes = std::move(place.piece), piece = std::move(piece),
                     completed = std::move(completed)] { return store(piece, completed); });
  if (!stored) return stored;
  if (last == place.request.last) {
    window_.pop();
  } else {
    place.reset();  // the rest of what was asked for
    place.request.first = records_->next();
  }
  return {};
}

Status Installer::store(const RecordsPiece& piece, const proof::TileHashes& completed) {
  TRY(records_->store(piece, completed));
  if (!RecordCopy::has_ended_segment(completed)) return {};
  return folding_.give([this]() -> Status { return records_->records().sync(); });
}

Status Installer::commit() {
  ASSERT(is_complete());
  TRY(storing_.finish());
  TRY(folding_.finish());
  if (signed_) {
    StoredTiles tiles(records_->tiles());
    const proof::Frontier then = TRY(proof::frontier_at(signed_->size, tiles));
    if (then.root() != signed_->root)
      return fail(
          Code::failed_precondition,
          fmt::format("the first {} records that are offered have another root than the one "
                      "this replica signed; nothing was changed: keep both for the auditor",
                      raw(signed_->size)));
  }
  std::vector<Buffer> parts;
  parts.push_back(records_->frontier().encode());
  std::vector<Buffer> manifests(Checkpointer::part_count - 2);
  if (indexes_) manifests = TRY(indexes_->finish());
  for (Buffer& manifest : manifests) parts.push_back(std::move(manifest));
  parts.push_back(offer_.membership);
  ASSERT(parts.size() == Checkpointer::part_count);
  if (!options_.skips_sync) TRY(records_->sync());
  ASSERT(states_->digest() == offer_.state_digest);
  TRY(states_->commit(offer_.entry_index, offer_.term, std::move(parts)));
  return indexes_ ? indexes_->retire() : Status();
}

}  // namespace

Result<std::unique_ptr<StateInstaller>> StateInstaller::begin(const storage::SealedContext& context,
                                                              const StateOffer& offer,
                                                              const Options& options) {
  auto installer = std::make_unique<Installer>(context, offer, options);
  TRY(installer->start());
  return std::unique_ptr<StateInstaller>(std::move(installer));
}

}  // namespace meridian::replica
