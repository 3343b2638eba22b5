// A directory that is no ledger's and keeps keys under a passphrase: of a witness, a root, a
// certificate authority, an officer.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "io/clock.h"
#include "io/disk.h"
#include "node.h"
#include "storage/sealed_file.h"

namespace meridian::app {

/// Opens it, made if missing, and holds its lock: clock, entropy and disk. Errors:
/// failed_precondition if it is a ledger's, or another process uses it for longer than `patience`.
Result<Node> open_locked(const NodeOptions& options, io::Duration patience = io::seconds(0));
/// Its lock, of `disk`. Errors: failed_precondition, after `patience`.
Result<std::unique_ptr<io::DiskLock>> take_turn(io::Disk& disk, io::Duration patience);
/// Its key store, made if missing. Errors: as open_node for the passphrase.
Status open_keys(const NodeOptions& options, Node& node);
/// Both, of one that is there. Errors: also not_found.
Result<Node> open_sealed_directory(const NodeOptions& options,
                                   io::Duration patience = io::seconds(0));

/// What files of it are sealed under; `node` outlives it.
storage::SealedContext context_of(const Node& node);

}  // namespace meridian::app
