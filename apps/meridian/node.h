// A node's data directory as `serve` opens it: lock, passphrase, key store, the cell's id.
//
// First start makes what is missing; later ones check it. A resource.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/u128.h"
#include "crypto/secret.h"
#include "generation.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/entropy.h"
#include "key_access.h"
#include "storage/guarded_disk.h"
#include "storage/key_store.h"

namespace meridian::app {

/// Without a passphrase named: the usual systemd credential, or with `dev` a file made here.
struct NodeOptions : KeyAccess {
  std::string directory;
  bool dev = false;
  bool is_replica = false;            ///< One of several, as the command line has it.
  std::optional<u128> cell{};         ///< What the command line says the cell is.
  std::optional<u128> cell_if_new{};  ///< Of a directory made now, if `cell` is not given.
};

/// Members in the order in which they depend on each other.
struct Node {
  std::unique_ptr<io::Clock> clock;
  std::unique_ptr<io::Entropy> entropy;
  std::unique_ptr<storage::GuardedDisk> disk;
  std::unique_ptr<io::DiskLock> lock;
  std::unique_ptr<storage::KeyStore> keys;
  u128 cell = 0;
  Generation generation;
  /// Of the end of the key table, torn or rotten, that was dropped just now; 0 if it was sound.
  std::uint64_t key_table_dropped_bytes = 0;
  /// Why an older storage key is still there, though a newer one is in use; empty if none is.
  std::string kept_storage_key{};
  bool is_new = false;    ///< Its keys were made just now.
  bool dev_keys = false;  ///< The passphrase lies beside the keys: no protection at all.
};

/// Errors: failed_precondition if another process serves it, no passphrase is to be had (the
/// message says how to give one), it is of another cell, or was alone and is to be one of several,
/// or the other way round; permission_denied if the passphrase is wrong; data_loss.
Result<Node> open_node(const NodeOptions& options);

/// What --dev made beside the keys. Errors: not_found.
Result<crypto::Secret> read_dev_passphrase(io::Disk& disk);

/// What opens the keys in node.disk; sets node.dev_keys. Errors as open_node.
Result<crypto::Secret> find_passphrase(const NodeOptions& options, Node& node);

}  // namespace meridian::app
