#include "key_rotation.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "commands.h"
#include "data_directory.h"
#include "files.h"
#include "offline_acts.h"
#include "storage/key_table.h"
#include "storage/replica_identity.h"
#include "storage/storage_rotation.h"

namespace meridian::app {

namespace {

/// Why a key is not turned over, and what to do instead.
struct Refusal {
  std::string_view name, why;
};
constexpr std::string_view who_it_is =
    "it is who this replica is, for the other ones and for everybody's log policy: a new one is a "
    "new member. `meridian node replace OLD NEW=...` puts a replica with keys of its own in its "
    "place, without a gap. a node that is alone keeps it as long as its log";
constexpr std::string_view for_ever =
    "names and commitments in the records come from it, and they are for ever: with another one "
    "every stream would have another name. if it was stolen, old names can be guessed by whoever "
    "has it, and payloads about nobody opened; records and keys of persons are not touched by that";
constexpr std::array<Refusal, 7> refusals{{{"log", who_it_is},
                                           {"cosign", who_it_is},
                                           {"exchange", who_it_is},
                                           {"cell", for_ever},
                                           {"payload", for_ever},
                                           {"commit", for_ever},
                                           {"index", for_ever}}};

Status check_name(const std::string& name) {
  if (name == "storage" || name == "epoch") return {};
  for (const Refusal& refusal : refusals)
    if (refusal.name == name)
      return fail(Code::failed_precondition,
                  fmt::format("{} is not turned over: {}", name, refusal.why));
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
