#include "audit/internal/sealed_files.h"

#include <fmt/format.h>

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

/// Whatever stands there.
std::vector<std::string> all_in(const storage::SealedContext& context, const std::string& directory,
                                std::string_view what, Findings& findings) {
  const Result<bool> there = context.disk.exists(directory);
  if (!there || !*there) return {};
  auto names = context.disk.list(directory);
  if (!names) {
    findings.add(fmt::format("{}: {}", what, names.error().message));
    return {};
  }
  for (std::string& name : *names) name = fmt::format("{}/{}", directory, name);
  return *std::move(names);
}

}  // namespace

void check_indexes(const storage::SealedContext& context, const storage::StateStore* states,
                   Findings& findings) {
  for (const replica::NamedRuns& one :
       replica::named_runs(states != nullptr ? states->newest() : nullptr)) {
    const std::string what = fmt::format("the index of {}", one.index);
    const bool is_known = states != nullptr && one.paths;
    for (const std::string& path :
         is_known ? *one.paths
                  : all_in(context, fmt::format("index/{}", one.index), what, findings))
      check_file(context, path, what, findings);
  }
}

}  // namespace meridian::audit::internal
