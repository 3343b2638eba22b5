#include "node.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "commands.h"
#include "crypto/secret.h"
#include "files.h"
#include "storage/key_table.h"
#include "storage/replica_identity.h"
#include "storage/storage_rotation.h"

namespace meridian::app {
namespace {

constexpr std::size_t dev_passphrase_size_max = 64;

Result<crypto::Secret> dev_passphrase(Node& node) {
  if (!TRY(node.disk->exists(dev_passphrase_path))) {
    std::array<Byte, 24> random{};
    node.entropy->fill(random);
    TRY(io::replace_file(*node.disk, dev_passphrase_path, as_bytes(to_hex(random) + "\n")));
  }
  return read_dev_passphrase(*node.disk);
}

}  // namespace

Result<crypto::Secret> read_dev_passphrase(io::Disk& disk) {
  const Buffer text = TRY(io::read_file(disk, dev_passphrase_path, dev_passphrase_size_max));
  std::string_view line = as_text(text);
  while (line.ends_with('\n')) line.remove_suffix(1);
  return crypto::Secret(as_bytes(line));
}

Result<crypto::Secret> find_passphrase(const NodeOptions& options, Node& node) {
  if (std::optional<crypto::Secret> given = TRY(given_passphrase(options)))
    return *std::move(given);
  const bool has_dev = TRY(node.disk->exists(dev_passphrase_path));
  if (!options.key_store.empty())
    return fail(Code::failed_precondition, "no PIN of the token: " + ways_to_give_passphrase());
  if (options.dev) {
    const bool has_keys = TRY(node.disk->exists("keys/store"));
    if (has_keys && !has_dev) {
      return fail(Code::failed_precondition,
                  "this data was made with a passphrase of its own, so --dev cannot open it; give "
                  "--passphrase-file FILE");
    }
    node.dev_keys = true;
    return dev_passphrase(node);
  }
  return fail(Code::failed_precondition,
              fmt::format("no passphrase to open the keys: {}{}", ways_to_give_passphrase(),
                          has_dev ? "; this data was made with --dev, so --dev opens it"
                                  : ", or --dev to try Meridian without protecting anything"));
}

namespace {

std::string cell_hex(u128 cell) {
  std::array<Byte, 16> bytes{};
  store_le(bytes.data(), cell);
  return to_hex(bytes);
}

Result<u128> open_cell_id(const NodeOptions& options, Node& node) {
  if (TRY(node.disk->exists(cell_path))) {
    Buffer text = TRY(io::read_file(*node.disk, cell_path, 64));
    std::string_view digits = as_text(text);
    while (digits.ends_with('\n')) digits.remove_suffix(1);
    Buffer bytes;
    if (digits.size() != 32 || !from_hex(digits, bytes)) {
      return fail(Code::data_loss, node.disk->display(cell_path) +
                                       ": expected the cell's id, 32 hexadecimal digits; "
                                       "restore the file from a backup");
    }
    const u128 cell = load_le<u128>(bytes.data());
    if (options.cell && *options.cell != cell)
      return fail(
          Code::failed_precondition,
          fmt::format("{} is of the cell {}, and --cell says {}. name the directory of that "
                      "cell, or leave --cell away",
                      node.disk->display(""), to_hex(bytes), cell_hex(*options.cell)));
    return cell;
  }
  if (TRY(node.disk->exists("headers"))) {
    return fail(Code::data_loss, node.disk->display(cell_path) +
                                     ": missing, though there are records; restore the file");
  }
  std::array<Byte, 16> id{};
  if (const std::optional<u128> given = options.cell ? options.cell : options.cell_if_new) {
    TRY(io::replace_file(*node.disk, cell_path, as_bytes(cell_hex(*given) + "\n")));
    return *given;
  }
  node.entropy->fill(id);
  id[6] = static_cast<Byte>((id[6] & 0x0f) | 0x40);  // a random UUID, RFC 9562 section 5.4
  id[8] = static_cast<Byte>((id[8] & 0x3f) | 0x80);
  TRY(io::replace_file(*node.disk, cell_path, as_bytes(to_hex(id) + "\n")));
  return load_le<u128>(id.data());
}

/// A log of one node alone is no part of a group's, nor the other way round. The identity is made
/// before the log of a group, so that a log without it is of a node alone.
Status check_company(const NodeOptions& options, Node& node) {
  const bool was_replica = TRY(node.disk->exists(storage::ReplicaIdentity::path));
  if (was_replica && !options.is_replica)
    return fail(Code::failed_precondition,
                fmt::format("{} is of one of a cell's replicas. start it with its --replica-id and "
                            "the --founder list it was made with",
                            node.disk->display("")));
  if (options.is_replica && !was_replica && TRY(node.disk->exists("wal")))
    return fail(Code::failed_precondition,
                fmt::format("{} is of a node that was alone, and its log is no group's. name an "
                            "empty directory, or leave --replica-id away",
                            node.disk->display("")));
  return {};
}

/// The door opens the table again and finds it sound: what was dropped is known only here.
Status repair_key_table(Node& node) {
  if (!TRY(node.disk->exists("keys/table"))) return {};
  // One of several replicas has all of its table in records.
  if (TRY(node.disk->exists(storage::ReplicaIdentity::path))) return {};
  const auto table = TRY(storage::KeyTable::open({*node.disk, *node.entropy, *node.keys, node.cell},
                                                 *node.keys, *node.clock));
  node.key_table_dropped_bytes = table->dropped_bytes();
  return {};
}

/// A damaged file keeps the old key, and nobody from starting: what is damaged is found and healed
/// as ever.
Status finish_rotation(Node& node) {
  const Result<storage::StorageRotation> done =
      storage::finish_storage_rotation(*node.disk, *node.keys);
  if (done) return {};
  if (done.error().code != Code::data_loss || TRY(storage::is_storage_rotating(*node.disk)))
    return done.error();
  node.kept_storage_key = done.error().message;
  return {};
}

}  // namespace

Result<Node> open_node(const NodeOptions& options) {
  Node node;
  node.clock = io::os_clock();
  node.entropy = io::os_entropy();
  node.disk = std::make_unique<storage::GuardedDisk>(TRY(open_directory(options.directory)));
  Result<std::unique_ptr<io::DiskLock>> lock = node.disk->lock(lock_path);
  if (!lock && lock.error().code == Code::failed_precondition) {
    return fail(Code::failed_precondition,
                fmt::format("another process serves {}. Stop it first, or name another --data",
                            node.disk->display("")));
  }
  node.lock = TRY(std::move(lock));
  const crypto::Secret passphrase = TRY(find_passphrase(options, node));
  const storage::KeyStore::Io io{*node.disk, *node.clock, *node.entropy};
  Result<std::unique_ptr<storage::KeyStore>> keys = open_key_store(options, io, passphrase);
  if (!keys && keys.error().code == Code::not_found) {
    if (TRY(node.disk->exists("headers"))) {
      return fail(Code::data_loss,
                  "there are records, but keys/store is missing: nothing can open them without it. "
                  "Restore it from a backup");
    }
    keys = create_key_store(options, io, passphrase, node.dev_keys);
    node.is_new = true;
  }
  node.keys = TRY(std::move(keys));
  TRY(finish_rotation(node));
  TRY(check_company(options, node));
  node.cell = TRY(open_cell_id(options, node));
  node.generation = TRY(read_generation(*node.disk));
  TRY(repair_key_table(node));
  return node;
}

}  // namespace meridian::app
