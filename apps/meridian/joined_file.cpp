#include "joined_file.h"

#include <fmt/format.h>

#include <charconv>

#include "storage/replica_identity.h"

namespace meridian::app {

namespace {

constexpr std::string_view first_line = "meridian joined 1";
constexpr std::uint64_t size_max = 1 << 16;

Error damaged(io::Disk& disk, std::string_view line) {
  return {
      Code::data_loss,
      fmt::format("{}: the line '{}' says nothing that is known. delete the file and start this "
                  "replica with --replica-id, --region, --peer-listen and --join again",
                  disk.display(joined_path), line)};
}

/// Whether `line` was understood.
bool take_line(std::string_view line, GroupFlags& flags) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return false;
  const std::string_view name = line.substr(0, space);
  const std::string_view value = line.substr(space + 1);
  if (name == "replica") {
    const auto [end, error] =
        std::from_chars(value.data(), value.data() + value.size(), flags.replica_id);
    return error == std::errc() && end == value.data() + value.size() && flags.replica_id != 0;
  }
  if (name == "region")
    flags.region = value;
  else if (name == "peer-listen")
    flags.peer_listen = value;
  else if (name == "member")
    flags.joins.emplace_back(value);
  else
    return false;
  return true;
}

}  // namespace

Status write_joined(io::Disk& disk, const GroupFlags& flags) {
  std::string text = fmt::format("{}\nreplica {}\nregion {}\npeer-listen {}\n", first_line,
                                 flags.replica_id, flags.region, flags.peer_listen);
  for (const std::string& member : flags.joins) text += fmt::format("member {}\n", member);
  return io::replace_file(disk, joined_path, as_bytes(text));
}

Result<std::optional<GroupFlags>> read_joined(io::Disk& disk) {
  if (!TRY(disk.exists(joined_path))) return std::optional<GroupFlags>();
  const Buffer bytes = TRY(io::read_file(disk, joined_path, size_max));
  std::string_view rest = as_text(bytes);
  GroupFlags flags;
  for (bool is_first = true; !rest.empty(); is_first = false) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (is_first ? line != first_line : !take_line(line, flags)) return damaged(disk, line);
  }
  if (flags.replica_id == 0 || flags.region.empty() || flags.peer_listen.empty() ||
      flags.joins.empty())
    return damaged(disk, "(end)");
  return std::optional(std::move(flags));
}

Result<GroupFlags> with_joined(const GroupFlags& flags, io::Disk& disk) {
  const std::optional<GroupFlags> kept = TRY(read_joined(disk));
  if (!kept) {
    if (!flags.joins.empty() && TRY(disk.exists(storage::ReplicaIdentity::path)))
      return fail(Code::failed_precondition,
                  fmt::format("{} is of a replica that began its cell: start it with its --founder "
                              "list; one that joins needs an empty directory",
                              disk.display("")));
    return flags;
  }
  if (flags.replica_id != 0 && flags.replica_id != kept->replica_id)
    return fail(Code::failed_precondition,
                fmt::format("{} is of replica {}, and --replica-id says {}: a directory belongs to "
                            "one replica for ever",
                            disk.display(""), kept->replica_id, flags.replica_id));
  if (!flags.founders.empty())
    return fail(Code::failed_precondition,
                fmt::format("{} is of replica {}, which joined its cell: leave --founder away",
                            disk.display(""), kept->replica_id));
  GroupFlags all = flags;
  all.replica_id = kept->replica_id;
  if (all.region.empty()) all.region = kept->region;
  if (all.peer_listen.empty()) all.peer_listen = kept->peer_listen;
  if (all.joins.empty()) all.joins = kept->joins;
  return all;
}

}  // namespace meridian::app
