// A directory that is no ledger's and keeps keys under a passphrase: of a witness, a root, a
// certificate authority, an officer.
#pragma once

#include <cstdint>
#include <string_view>

#include "node.h"
#include "storage/sealed_file.h"

namespace meridian::app {

/// Opens it, made if missing, and holds its lock: clock, entropy and disk. Errors:
/// failed_precondition if it is a ledger's, or another process uses it.
Result<Node> open_locked(const NodeOptions& options);
/// Its key store, made if missing. Errors: as open_node for the passphrase.
Status open_keys(const NodeOptions& options, Node& node);
/// Both, of one that is there. Errors: also not_found.
Result<Node> open_sealed_directory(const NodeOptions& options);

/// What files of it are sealed under; `node` outlives it.
storage::SealedContext context_of(const Node& node);

}  // namespace meridian::app
