// Turning the key `storage` over: the random key of each sealed file below a disk is wrapped under
// the newest version instead of an older one; then the older versions are destroyed.
//
// Only the 128 bytes before a file's frames change, where they stand; `keys/rewrapping` holds them
// until they are durable, so a crash half way leaves no file that opens under neither
// (docs/formats/keys.md). Files that cannot be read hinder it: the old key stays until they can.
// For the one who has the directory's lock, with no other file of it open. Cost: two reads, a write
// and a sync per file, however large it is.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/result.h"
#include "io/disk.h"
#include "storage/key_store.h"

namespace meridian::storage {

/// How many sealed files there are under each version of `storage`. Reads only. Errors: of the
/// disk; data_loss naming a file whose header is damaged.
Result<std::map<KeyVersion, std::uint64_t>> find_storage_key_use(io::Disk& disk);

struct StorageRotation {
  KeyVersion newest{};
  std::uint64_t files = 0;  ///< Whose keys were wrapped anew.
  std::vector<KeyVersion> destroyed{};
};
/// Makes the next version and turns everything over. Errors: those of KeyStore::add; data_loss
/// naming a file whose header does not open; of the disk: nothing is lost, the next call goes on.
Result<StorageRotation> rotate_storage_key(io::Disk& disk, KeyStore& keys);
/// Goes on with a rotation that was begun, if one was: to be called before the directory is used.
/// Cheap if there was none. Errors: as above.
Result<StorageRotation> finish_storage_rotation(io::Disk& disk, KeyStore& keys);
/// Whether headers may be half written: such a directory must not be read before that call.
Result<bool> is_storage_rotating(io::Disk& disk);

}  // namespace meridian::storage
