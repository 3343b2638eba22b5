#include "replica/internal/index_fold.h"

#include <utility>

#include "ledger/outcome.h"

namespace meridian::replica {

IndexFold::IndexFold(IdHistory::Runs ids, StreamIndex index) {
  for (std::size_t i = 0; i < ids.size(); ++i) indexes_[i].runs = std::move(ids[i]);
  indexes_[streams].runs = std::move(index.streams);
  indexes_[categories].runs = std::move(index.categories);
}

void IndexFold::stage_transfer(const ledger::Header& header, const ledger::TransferBody& body) {
  const ledger::Transfer& transfer = body.transfer;
  const ledger::RecordIndex record = header.record_index;
  const bool created = header.outcome == ledger::Outcome::created;
  if (header.kind == ledger::CommandKind::expire_pending) {
    if (created) put(ledger::IdSpace::resolution, transfer.id, record);
    return;
  }
  // An id that failed for a reason that may pass is used up too.
  if (created || ledger::is_transient(static_cast<ledger::TransferOutcome>(header.outcome)))
    put(ledger::IdSpace::transfer, transfer.id, record);
  if (!created) return;
  constexpr std::uint16_t resolves =
      ledger::transfer_flags::post_pending_transfer | ledger::transfer_flags::void_pending_transfer;
  if ((transfer.flags & resolves) != 0)
    put(ledger::IdSpace::resolution, transfer.pending_id, record);
  if ((transfer.flags & ledger::transfer_flags::imported) != 0)
    put(ledger::IdSpace::imported_timestamp, header.imported_time, record);
}

void IndexFold::stage(const ledger::Header& header) {
  if (const auto* transfer = std::get_if<ledger::TransferBody>(&header.body))
    return stage_transfer(header, *transfer);
  if (header.outcome != ledger::Outcome::created) return;
  if (const auto* event = std::get_if<ledger::EventBody>(&header.body)) {
    put(ledger::IdSpace::event, event->event_id, header.record_index);
    put(streams, {event->stream, event->revision}, header.record_index);
    put(categories, {event->category, raw(header.record_index)}, header.record_index);
  } else if (const auto* deletion = std::get_if<ledger::DeletionBody>(&header.body)) {
    put(ledger::IdSpace::event, deletion->event_id, header.record_index);
  }
}

Status IndexFold::accept(const Batch& batch) {
  for (const Staged& one : batch) indexes_[one.index].gathered.push_back({one.key, one.record});
  in_memory_ += batch.size();
  if (in_memory_ < keys_in_memory_max) return {};
  return write_runs();
}

Status IndexFold::write_runs() {
  for (Index& index : indexes_) {
    TRY(index.runs->add_run(index.gathered));
    index.gathered.clear();
    while (TRY(index.runs->merge_some())) {
    }
  }
  in_memory_ = 0;
  return {};
}

Result<std::vector<Buffer>> IndexFold::finish() {
  TRY(write_runs());
  std::vector<Buffer> manifests;
  for (Index& index : indexes_) manifests.push_back(TRY(index.runs->write_frozen()));
  return manifests;
}

Status IndexFold::retire() {
  for (Index& index : indexes_) TRY(index.runs->retire());
  return {};
}

}  // namespace meridian::replica
