#include "replica/recovery.h"

#include <fmt/format.h>

namespace meridian::replica {

namespace {

using Part = Checkpointer::Part;

Bytes part_of(const storage::StateManifest* manifest, Part part) {
  if (manifest == nullptr) return {};
  return manifest->parts[static_cast<std::size_t>(part)];
}

}  // namespace

Result<Recovered> open_stores(const storage::SealedContext& context) {
  Recovered recovered;
  recovered.states = TRY(storage::StateStore::open(context));
  const storage::StateManifest* manifest = recovered.states->newest();
  const std::uint64_t count = manifest != nullptr ? manifest->record_index : 0;
  if (manifest != nullptr) {
    if (manifest->parts.size() != Checkpointer::part_count)
      return fail(Code::data_loss, fmt::format("the state manifest has {} parts, not {}",
                                               manifest->parts.size(), Checkpointer::part_count));
    recovered.applied = {manifest->entry_index, manifest->term};
    recovered.frontier = TRY(proof::Frontier::decode(part_of(manifest, Part::frontier)));
    if (raw(recovered.frontier.size()) != count)
      return fail(Code::data_loss, "the state manifest's Merkle frontier is of another size");
  }
  recovered.records = TRY(storage::RecordStore::open(context, count));
  recovered.tiles = TRY(storage::TileStore::open(context.disk, count));

  const auto open_runs = [&](std::string_view name, std::size_t key_size, Part part) {
    return storage::SortedRuns::open(context, {std::string(name), key_size},
                                     part_of(manifest, part));
  };
  static_assert(ledger::id_space_count == 4);
  recovered.ids[0] = TRY(open_runs("transfers", 16, Part::transfers));
  recovered.ids[1] = TRY(open_runs("resolutions", 16, Part::resolutions));
  recovered.ids[2] = TRY(open_runs("events", 16, Part::events));
  recovered.ids[3] = TRY(open_runs("imported", 16, Part::imported_timestamps));
  recovered.index.streams = TRY(open_runs("streams", 24, Part::streams));
  recovered.index.categories = TRY(open_runs("categories", 24, Part::categories));
  return recovered;
}

Status restore_state(Recovered& recovered, ledger::Ledger& ledger,
                     const Replica::Progress& progress) {
  if (recovered.states->newest() == nullptr) return {};
  const std::uint64_t total = recovered.states->newest()->record_index;
  std::vector<ledger::StateChunk> chunks;
  TRY(recovered.states->load([&](storage::ChunkId id, Bytes bytes) -> Status {
    chunks.push_back({id.kind, id.number, false, to_buffer(bytes)});
    if (progress && chunks.size() % 64 == 0) progress({"state", chunks.size(), 0});
    return {};
  }));
  TRY(ledger.restore(chunks));
  if (ledger.records() != total)
    return fail(Code::data_loss, fmt::format("the state checkpoint says {} records and holds {}",
                                             total, ledger.records()));
  if (progress) progress({"state", total, total});
  return {};
}

}  // namespace meridian::replica
