#include "sealed_directory.h"

#include <fmt/format.h>

#include <future>

#include "commands.h"
#include "files.h"
#include "io/executor.h"

namespace meridian::app {

namespace {

constexpr std::string_view store_path = "keys/store";

}  // namespace

Result<std::unique_ptr<io::DiskLock>> take_turn(io::Disk& disk, io::Duration patience) {
  constexpr io::Duration pause = io::milliseconds(20);
  Result<std::unique_ptr<io::DiskLock>> lock = disk.lock(lock_path);
  if (lock || lock.error().code != Code::failed_precondition || patience <= io::seconds(0))
    return lock;
  const std::unique_ptr<io::Clock> clock = io::os_clock();
  const std::unique_ptr<io::Executor> executor = io::os_executor("turn");
  const io::MonotonicTime end = clock->monotonic() + patience;
  while (!lock && lock.error().code == Code::failed_precondition && clock->monotonic() < end) {
    std::promise<void> waited;
    executor->post_after(pause, [&waited] { waited.set_value(); });
    waited.get_future().wait();
    lock = disk.lock(lock_path);
  }
  return lock;
}

Result<Node> open_locked(const NodeOptions& options, io::Duration patience) {
  Node node;
  node.clock = io::os_clock();
  node.entropy = io::os_entropy();
  node.disk = std::make_unique<storage::GuardedDisk>(TRY(open_directory(options.directory)));
  if (TRY(node.disk->exists(cell_path)))
    return fail(Code::failed_precondition,
                fmt::format("{} is the directory of a ledger. name one of its own, which another "
                            "person should keep",
                            options.directory));
  Result<std::unique_ptr<io::DiskLock>> lock = take_turn(*node.disk, patience);
  if (!lock && lock.error().code == Code::failed_precondition)
    return fail(Code::failed_precondition,
                fmt::format("another process uses {}. stop it first", options.directory));
  node.lock = TRY(std::move(lock));
  return node;
}

Status open_keys(const NodeOptions& options, Node& node) {
  const crypto::Secret passphrase = TRY(find_passphrase(options, node));
  const storage::KeyStore::Io io{*node.disk, *node.clock, *node.entropy};
  Result<std::unique_ptr<storage::KeyStore>> keys = open_key_store(options, io, passphrase);
  if (!keys && keys.error().code == Code::not_found)
    keys = create_key_store(options, io, passphrase, node.dev_keys);
  node.keys = TRY(std::move(keys));
  return {};
}

Result<Node> open_sealed_directory(const NodeOptions& options, io::Duration patience) {
  {
    const std::unique_ptr<io::Disk> disk = TRY(open_existing_directory(options.directory));
    if (!TRY(disk->exists(store_path)))
      return fail(Code::not_found, fmt::format("{} is missing: restore it from a backup",
                                               disk->display(store_path)));
  }
  Node node = TRY(open_locked(options, patience));
  TRY(open_keys(options, node));
  return node;
}

storage::SealedContext context_of(const Node& node) {
  return {*node.disk, *node.entropy, *node.keys, 0};
}

}  // namespace meridian::app
