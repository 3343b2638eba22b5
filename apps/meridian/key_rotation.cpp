#include "key_rotation.h"

#include <fmt/format.h>

#include <string_view>

#include "api/convert_keys.h"
#include "commands.h"
#include "data_directory.h"
#include "files.h"
#include "offline_acts.h"
#include "storage/key_table.h"
#include "storage/replica_identity.h"
#include "storage/storage_rotation.h"

namespace meridian::app {

namespace {

Status check_name(const std::string& name) {
  if (name == "storage" || name == "epoch") return {};
  if (name == "residency")
    return fail(Code::failed_precondition,
                "the key of a jurisdiction is turned over by a record of a running cell: ask a "
                "server (--server), not a directory");
  if (const std::string_view why = api::never_rotated(name); !why.empty())
    return fail(Code::failed_precondition, fmt::format("{} is not turned over: {}", name, why));
  return fail(
      Code::invalid_argument,
      fmt::format("there is no key '{}'. `meridian keys list` names those there are", name));
}

Result<RotatedKey> rotate_storage(DataDirectory& data) {
  const storage::StorageRotation done =
      TRY(storage::rotate_storage_key(*data.writable, *data.keys));
  RotatedKey rotated{static_cast<std::uint32_t>(done.newest), done.files, "keys of files were"};
  for (const storage::KeyVersion version : done.destroyed)
    rotated.destroyed.push_back(static_cast<std::uint32_t>(version));
  return rotated;
}

Result<RotatedKey> rotate_epoch(DataDirectory& data) {
  if (TRY(data.disk->exists(storage::ReplicaIdentity::path)))
    return fail(Code::failed_precondition,
                "epoch is one of several replicas': it is turned by a record, on all of them at "
                "once, whenever somebody is forgotten");
  data.cell = TRY(read_cell(*data.disk));
  const auto table = TRY(storage::KeyTable::open(
      {*data.writable, *data.entropy, *data.keys, data.cell}, *data.keys, *data.clock));
  const std::uint32_t before = table->epoch();
  TRY(table->turn());
  return RotatedKey{table->epoch(), table->rows(), "keys of persons were", {before}};
}

}  // namespace

Result<RotatedKey> rotate_key(const RotationOptions& options) {
  TRY(check_name(options.name));
  DataDirectory data = TRY(open_keys_to_change(options.directory, options));
  TRY(storage::finish_storage_rotation(*data.writable, *data.keys));
  if (TRY(data.disk->exists(cell_path))) {  // else no ledger's: a witness's, an authority's
    const u128 cell = TRY(read_cell(*data.disk));
    TRY(use_act_file(*data.writable, cell, rotation_of(options.name), options.approval));
  }
  return options.name == "storage" ? rotate_storage(data) : rotate_epoch(data);
}

}  // namespace meridian::app
