#include "recovery_skip.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "crypto/sha256.h"
#include "data_directory.h"
#include "offline_acts.h"
#include "replica/raft_log.h"
#include "storage/replica_identity.h"
#include "storage/state_store.h"
#include "storage/wal.h"

namespace meridian::app {

namespace {

Result<crypto::Digest> parse_digest(const std::string& text) {
  Buffer bytes;
  crypto::Digest digest{};
  if (!from_hex(text, bytes) || bytes.size() != digest.size())
    return fail(Code::invalid_argument,
                fmt::format("--digest: '{}' is not 64 hexadecimal digits, as the replica's error "
                            "names them",
                            text));
  std::ranges::copy(bytes, digest.begin());
  return digest;
}

/// What the log holds at `index`; none: it does not reach it.
Result<std::optional<crypto::Digest>> digest_at(const DataDirectory& data, std::uint64_t index) {
  const storage::SealedContext context{*data.disk, *data.entropy, *data.keys, data.cell};
  const auto states = TRY(storage::StateStore::open(context));
  std::uint64_t first = states->newest() != nullptr ? states->newest()->entry_index + 1 : 1;
  if (TRY(data.disk->exists(storage::ReplicaIdentity::path)))
    first = std::max(first, replica::RaftLog::founding.index + 1);
  if (index < first)
    return fail(Code::failed_precondition,
                fmt::format("entry {} is in the state already, which goes up to entry {}: it was "
                            "applied, and is nothing to skip",
                            index, first - 1));
  std::optional<crypto::Digest> found;
  bool has_bytes = true;
  const auto look = [&](const storage::WalEntry& entry) -> Status {
    if (entry.index != index) return {};
    found = crypto::sha256(entry.bytes);
    has_bytes = !entry.bytes.empty();
    return {};
  };
  TRY(storage::Wal::read_only(context, first, look, {}));
  if (!has_bytes)
    return fail(
        Code::failed_precondition,
        fmt::format("entry {} is consensus's own, without a command: no replica stops at it",
                    index));
  return found;
}

}  // namespace

Result<Skipped> skip_entry(const SkipOptions& options) {
  Skipped skipped{{options.index, TRY(parse_digest(options.digest))}, false};
  const DataDirectory data = TRY(open_to_look(options.directory, options));
  const std::optional<crypto::Digest> there = TRY(digest_at(data, options.index));
  skipped.is_in_log = there.has_value();
  if (there && *there != skipped.entry.digest)
    return fail(
        Code::failed_precondition,
        fmt::format("entry {} of this log has the digest {}, not the one given: nothing was "
                    "changed. take both from the error of this very replica",
                    options.index, to_hex(*there)));
  TRY(use_act_file(*data.writable, data.cell,
                   skipping_of(options.index, to_hex(skipped.entry.digest)), options.approval));
  replica::SkipList list = TRY(replica::SkipList::read(*data.disk));
  TRY(list.add(*data.writable, skipped.entry));
  return skipped;
}

}  // namespace meridian::app
