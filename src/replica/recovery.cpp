#include "replica/recovery.h"

#include <fmt/format.h>

#include <array>

#include "storage/run_manifest.h"

namespace meridian::replica {

namespace {

using Part = Checkpointer::Part;

Bytes part_of(const storage::StateManifest* manifest, Part part) {
  if (manifest == nullptr) return {};
  return manifest->parts[static_cast<std::size_t>(part)];
}

struct Index {
  std::string_view name;
  std::size_t key_size;
  Part part;
};
/// Of ids, in the order of ledger::IdSpace; then of streams, and of categories.
constexpr std::array<Index, ledger::id_space_count + 2> indexes{
    {{"transfers", 16, Part::transfers},
     {"resolutions", 16, Part::resolutions},
     {"events", 16, Part::events},
     {"imported", 16, Part::imported_timestamps},
     {"streams", 24, Part::streams},
     {"categories", 24, Part::categories}}};

Result<std::unique_ptr<storage::SortedRuns>> open_runs(const storage::SealedContext& context,
                                                       const storage::StateManifest* manifest,
                                                       const Index& index) {
  return storage::SortedRuns::open(context, {std::string(index.name), index.key_size},
                                   part_of(manifest, index.part));
}

Result<std::vector<std::string>> runs_of(const Index& index,
                                         const storage::StateManifest* manifest) {
  if (manifest != nullptr && !Checkpointer::is_part_count(manifest->parts.size()))
    return fail(Code::data_loss, "the state manifest has another number of parts");
  std::vector<std::string> paths;
  const Bytes part = part_of(manifest, index.part);
  if (part.empty()) return paths;
  for (const auto& run : TRY(storage::decode_run_manifest(index.name, part)).runs)
    paths.push_back(storage::run_path(index.name, run.number));
  return paths;
}

}  // namespace

std::vector<NamedRuns> named_runs(const storage::StateManifest* manifest) {
  std::vector<NamedRuns> named;
  for (const Index& index : indexes) named.push_back({index.name, runs_of(index, manifest)});
  return named;
}

Result<IdHistory::Runs> open_id_runs(const storage::SealedContext& context,
                                     const storage::StateManifest* manifest) {
  IdHistory::Runs runs;
  for (std::size_t space = 0; space < runs.size(); ++space)
    runs[space] = TRY(open_runs(context, manifest, indexes[space]));
  return runs;
}

Result<StreamIndex> open_stream_index(const storage::SealedContext& context,
                                      const storage::StateManifest* manifest) {
  StreamIndex index;
  index.streams = TRY(open_runs(context, manifest, indexes[ledger::id_space_count]));
  index.categories = TRY(open_runs(context, manifest, indexes[ledger::id_space_count + 1]));
  return index;
}

Result<Recovered> open_stores(const storage::SealedContext& context) {
  Recovered recovered;
  recovered.states = TRY(storage::StateStore::open(context));
  const storage::StateManifest* manifest = recovered.states->newest();
  const std::uint64_t count = manifest != nullptr ? manifest->record_index : 0;
  if (manifest != nullptr) {
    if (!Checkpointer::is_part_count(manifest->parts.size()))
      return fail(Code::data_loss, fmt::format("the state manifest has {} parts, not {}",
                                               manifest->parts.size(), Checkpointer::part_count));
    if (manifest->parts.size() == Checkpointer::part_count)
      recovered.membership = to_buffer(part_of(manifest, Part::membership));
    recovered.applied = {manifest->entry_index, manifest->term};
    recovered.frontier = TRY(proof::Frontier::decode(part_of(manifest, Part::frontier)));
    if (raw(recovered.frontier.size()) != count)
      return fail(Code::data_loss, "the state manifest's Merkle frontier is of another size");
  }
  recovered.records = TRY(storage::RecordStore::open(context, count));
  recovered.tiles = TRY(storage::TileStore::open(context.disk, count));

  recovered.ids = TRY(open_id_runs(context, manifest));
  recovered.index = TRY(open_stream_index(context, manifest));
  return recovered;
}

namespace {

/// All frames: a start reads filters and directories only.
Status check_runs(const storage::SortedRuns& runs) {
  constexpr std::uint64_t all = ~std::uint64_t{0} >> 1;
  for (const std::uint64_t number : runs.live_runs()) TRY(runs.check_run(number, 0, all));
  return {};
}

}  // namespace

Result<std::optional<Error>> find_damage(const storage::SealedContext& context) {
  const auto read_all = [&]() -> Status {
    const Recovered stores = TRY(open_stores(context));
    if (stores.states->newest() == nullptr) return {};
    for (const auto& runs : stores.ids) TRY(check_runs(*runs));
    TRY(check_runs(*stores.index.streams));
    TRY(check_runs(*stores.index.categories));
    return stores.states->load([](storage::ChunkId, Bytes) { return Status(); });
  };
  const Status read = read_all();
  if (read) return std::optional<Error>();
  if (read.error().code == Code::data_loss) return std::optional<Error>(read.error());
  return read.error();
}

Result<CosignedHead> open_cosigned(io::Disk& disk) {
  // Made before the log at the first start, so a log without it has lost it.
  if (TRY(disk.exists("wal")) && !TRY(disk.exists(CosignedHead::path)))
    return fail(Code::data_loss,
                disk.display(CosignedHead::path) +
                    " is missing: without it this replica cannot know what it signed; restore it "
                    "from a backup");
  return CosignedHead::open(disk);
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
