#include "data_directory.h"

#include <fmt/format.h>

#include <array>

#include "commands.h"
#include "files.h"
#include "io/executor.h"
#include "node.h"
#include "storage/storage_rotation.h"

namespace meridian::app {

Result<crypto::Secret> read_passphrase(const KeyAccess& access, io::Disk& disk) {
  if (std::optional<crypto::Secret> given = TRY(given_passphrase(access))) return *std::move(given);
  if (access.key_store.empty() && TRY(disk.exists(dev_passphrase_path)))
    return read_dev_passphrase(disk);
  return fail(Code::failed_precondition,
              "no passphrase to open the keys: " + ways_to_give_passphrase());
}

Result<u128> read_cell(io::Disk& disk) {
  const Buffer text = TRY(io::read_file(disk, cell_path, 64));
  std::string_view digits = as_text(text);
  while (digits.ends_with('\n')) digits.remove_suffix(1);
  Buffer bytes;
  if (digits.size() != 32 || !from_hex(digits, bytes))
    return fail(Code::data_loss, disk.display(cell_path) +
                                     " is not 32 hexadecimal digits. restore it from a backup");
  return load_le<u128>(bytes.data());
}

Status write_cell(io::Disk& disk, u128 cell) {
  std::array<Byte, 16> bytes{};
  store_le(bytes.data(), cell);
  return io::replace_file(disk, cell_path, as_bytes(to_hex(bytes) + "\n"));
}

namespace {

Result<std::unique_ptr<io::DiskLock>> take_lock(io::Disk& disk, const std::string& directory) {
  auto lock = disk.lock(lock_path);
  if (!lock && lock.error().code == Code::failed_precondition)
    return fail(
        Code::failed_precondition,
        fmt::format("a server runs on {}. stop it, or verify a copy made while it is stopped",
                    directory));
  return lock;
}

Status open_keys(DataDirectory& data, const KeyAccess& access, io::Disk& disk,
                 storage::KeyStore::Opening opening) {
  const crypto::Secret passphrase = TRY(read_passphrase(access, disk));
  data.keys = TRY(open_key_store(access, {disk, *data.clock, *data.entropy}, passphrase, opening));
  return {};
}

Result<DataDirectory> open_with_keys(const std::string& directory) {
  DataDirectory data;
  data.writable = TRY(open_existing_directory(directory));
  data.disk = std::make_unique<audit::ReadOnlyDisk>(*data.writable);
  if (!TRY(data.disk->exists("keys/store")))
    return fail(Code::not_found,
                fmt::format("{} holds no keys: there is no keys/store", directory));
  return data;
}

}  // namespace

Result<DataDirectory> open_to_look(const std::string& directory, const KeyAccess& access) {
  DataDirectory data;
  data.writable = TRY(open_existing_directory(directory));
  data.disk = std::make_unique<audit::ReadOnlyDisk>(*data.writable);
  if (!TRY(data.disk->exists(cell_path)))
    return fail(
        Code::not_found,
        fmt::format("{} holds no ledger. name the directory that `meridian serve --data` uses",
                    directory));
  if (TRY(data.disk->exists(lock_path))) data.lock = TRY(take_lock(*data.writable, directory));
  if (TRY(storage::is_storage_rotating(*data.disk)))
    return fail(Code::failed_precondition,
                fmt::format("`keys rotate storage` was interrupted in {}: run it again, or start "
                            "the server once, so that every file is whole",
                            directory));
  data.cell = TRY(read_cell(*data.disk));
  TRY(open_keys(data, access, *data.disk, storage::KeyStore::Opening::to_look));
  return data;
}

Result<DataDirectory> open_keys_to_look(const std::string& directory, const KeyAccess& access) {
  DataDirectory data = TRY(open_with_keys(directory));
  TRY(open_keys(data, access, *data.disk, storage::KeyStore::Opening::to_look));
  return data;
}

Result<DataDirectory> open_keys_to_change(const std::string& directory, const KeyAccess& access) {
  DataDirectory data = TRY(open_with_keys(directory));
  data.lock = TRY(take_lock(*data.writable, directory));
  TRY(open_keys(data, access, *data.writable, storage::KeyStore::Opening::to_use));
  return data;
}

Result<audit::Report> verify(DataDirectory& data, const audit::OnFinding& on_finding,
                             const audit::OnProgress& on_progress) {
  const auto hashing = io::os_executor("hash"), folding = io::os_executor("fold"),
             replaying = io::os_executor("replay");
  return audit::verify_ledger(
      {*data.disk, *data.clock, *data.entropy, *data.keys, *hashing, *folding, *replaying},
      data.cell, on_finding, on_progress);
}

}  // namespace meridian::app
