// The directory of a witness: its key, sealed like a ledger's, and what it cosigned.
//
// `vkey` is the public key as text, made last by init: a directory without it is not a witness yet.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "node.h"
#include "proof/note.h"

namespace meridian::app {

/// Members in the order in which they depend on each other.
struct WitnessDirectory {
  Node node;  ///< Clock, entropy, disk, lock, keys; the rest is a ledger's.
  std::optional<proof::Signer> cosigner;
};

/// Makes the directory and its key, and returns the public one. Errors: already_exists;
/// invalid_argument if `name` cannot name a key; as open_node for the passphrase.
Result<proof::VerifierKey> init_witness(const NodeOptions& options, const std::string& name);
/// Errors: not_found if there is no witness.
Result<proof::VerifierKey> read_witness_key(io::Disk& disk);
/// To serve. Errors: as read_witness_key and open_node.
Result<WitnessDirectory> open_witness(const NodeOptions& options);

}  // namespace meridian::app
