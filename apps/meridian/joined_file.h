// What a replica that joined a running cell was told at its first start, kept in its directory, so
// that later starts need not be told again: file `joined`, a few lines of text.
//
//   meridian joined 1 / replica 4 / region eu / peer-listen 127.0.0.1:7504 / member 1=us@HOST:PORT
#pragma once

#include <optional>

#include "base/result.h"
#include "group_flags.h"
#include "io/disk.h"

namespace meridian::app {

inline constexpr std::string_view joined_path = "joined";

/// Of `flags`: replica_id, region, peer_listen and joins.
Status write_joined(io::Disk& disk, const GroupFlags& flags);
/// None: no replica that joined has this directory. Errors: data_loss.
Result<std::optional<GroupFlags>> read_joined(io::Disk& disk);

/// `flags` with what the directory remembers of those that are not given. Errors:
/// failed_precondition if they say that it is another replica, or one that begins a cell.
Result<GroupFlags> with_joined(const GroupFlags& flags, io::Disk& disk);

}  // namespace meridian::app
