#include "audit/internal/sealed_files.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "replica/recovery.h"

namespace meridian::audit::internal {

namespace {

constexpr std::size_t purpose_at = 10, number_at = 32;  // docs/formats/frame.md

void check_file(const storage::SealedContext& context, const std::string& path,
                std::string_view what, Findings& findings) {
  Buffer header(storage::sealed_file_header_size);
  const auto file = context.disk.open(path, io::OpenMode::read);
  const Result<std::size_t> size = file ? (*file)->read_at(0, header) : Result<std::size_t>(0);
  if (!size || *size != header.size() || !as_text(header).starts_with("MRDNFILE")) {
    if (path.ends_with(".run")) findings.add(fmt::format("{}: {} is damaged", what, path));
    return;
  }
  const auto purpose = static_cast<storage::Purpose>(load_le<std::uint16_t>(&header[purpose_at]));
  const auto number = load_le<std::uint64_t>(&header[number_at]);
  auto reader = storage::SealedReader::open(context, path, purpose, number);
  if (!reader) return findings.add(fmt::format("{}: {}: {}", what, path, reader.error().message));
  for (std::uint64_t position = storage::sealed_file_header_size;;) {
    const auto frame = reader->read(position);
    if (!frame && frame.error().code == Code::out_of_range) return;
    if (!frame) return findings.add(fmt::format("{}: {}", what, frame.error().message));
    position += frame->size;
  }
}

using Named = std::optional<std::vector<std::uint64_t>>;

void check_runs(const storage::SealedContext& context, std::string_view name, const Named& runs,
                Findings& findings) {
  const std::string directory = fmt::format("index/{}", name);
  const std::string what = fmt::format("the index of {}", name);
  std::vector<std::string> files;
  if (runs) {
    for (const std::uint64_t number : *runs) files.push_back(fmt::format("{:016x}.run", number));
  } else {
    const Result<bool> there = context.disk.exists(directory);
    if (!there || !*there) return;
    auto names = context.disk.list(directory);
    if (!names) return findings.add(fmt::format("{}: {}", what, names.error().message));
    files = *std::move(names);
  }
  for (const std::string& file : files)
    check_file(context, fmt::format("{}/{}", directory, file), what, findings);
}

}  // namespace

void check_indexes(const storage::SealedContext& context, const storage::StateStore* states,
                   Findings& findings) {
  const storage::StateManifest* manifest = states != nullptr ? states->newest() : nullptr;
  const auto ids = replica::open_id_runs(context, manifest);
  const auto streams = replica::open_stream_index(context, manifest);
  constexpr std::array names{"transfers", "resolutions", "events", "imported"};
  const bool knows_ids = states != nullptr && ids, knows_streams = states != nullptr && streams;
  for (std::size_t i = 0; i < names.size(); ++i)
    check_runs(context, names[i], knows_ids ? Named((*ids)[i]->live_runs()) : Named(), findings);
  check_runs(context, "streams", knows_streams ? Named(streams->streams->live_runs()) : Named(),
             findings);
  check_runs(context, "categories",
             knows_streams ? Named(streams->categories->live_runs()) : Named(), findings);
}

}  // namespace meridian::audit::internal
