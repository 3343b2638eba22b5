// The state machine of a cell: accounts, transfers, event streams (DESIGN section 4).
//
// Pure and deterministic: no clock, randomness, address, float or hash order; time comes in the
// entry. Equal entries give equal effects and equal state digests on every replica. Owned by the
// thread that applies. apply() validates, then changes, then reports; a chain of linked commands
// succeeds or fails as one. Cost: about 0.4 us per transfer at a million accounts.
// Memory: at most 300 bytes per account; live pending transfers and streams about 200 bytes each.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "ledger/command.h"
#include "ledger/effect.h"
#include "ledger/entry.h"
#include "ledger/feature_level.h"
#include "ledger/history.h"

namespace meridian::ledger {

/// Digest of one chunk of a state checkpoint: a leaf of the state digest (its RFC 6962 root).
crypto::Digest chunk_digest(std::uint16_t kind, std::uint32_t number, Bytes bytes);

/// An account as it stands, with the ends of its history chain.
struct AccountState {
  Account account;  ///< Balances included; flags with closed.
  RecordIndex created_at;
  RecordIndex last_record;  ///< The newest record that touched it.
};

struct StreamState {
  u128 stream;
  std::uint64_t last_revision;  ///< no_revision if nothing was ever appended.
  RecordIndex last_record;
  std::uint64_t first_revision;  ///< Reads begin here: what came before was deleted.
  bool deleted;                  ///< No event since the last deletion.
};

struct PendingState {
  Transfer transfer;  ///< As recorded; timestamp set.
  RecordIndex record;
};

struct LedgerCounts {
  std::uint64_t records, accounts, streams, pendings;
};

/// Which key the replicas of a cell share, and who was handed it (CellKeyGrant).
struct CellKey {
  u128 check = 0;  ///< 0: the cell has none.
  struct Grant {
    std::uint64_t member;
    RecordIndex record;  ///< Whose header holds the newest box for it.
  };
  std::vector<Grant> grants{};  ///< Ascending by member.

  /// Null if `member` was not handed the key.
  const Grant* find(std::uint64_t member) const;
};

enum class ChunkKind : std::uint16_t {
  meta = 1,
  accounts = 2,
  pendings = 3,
  streams = 4,
  cell_key = 5  ///< Only if the cell has one.
};
constexpr std::uint16_t raw(ChunkKind kind) { return static_cast<std::uint16_t>(kind); }

/// A canonical piece of the state (docs/design/state_checkpoint.md). `unchanged` since the last
/// checkpoint means that `bytes` is empty and the earlier chunk still holds.
struct StateChunk {
  std::uint16_t kind = 0;  ///< raw(ChunkKind)
  std::uint32_t number = 0;
  bool unchanged = false;
  Buffer bytes{};
};

/// A post or void as its record means it: fields that were left out come from what it resolves.
Transfer resolved(const Transfer& resolution, const Transfer& pending);

class Ledger {
 public:
  /// `level_max`: the newest feature level that it runs, below feature_level_newest to behave as an
  /// earlier version does.
  Ledger(u128 cell, History& history, std::uint32_t level_max = feature_level_newest);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  /// Applies one entry; `applied` is replaced. Record `i` of the entry gets index
  /// records() + i. Errors: failed_precondition (an entry not after the last, or more than 60 s
  /// after it and after the newest time_advance; a first record that does not open this cell's
  /// generation) and unimplemented (a feature level above level_max): nothing has been changed.
  /// data_loss (history unreadable): the process must stop, every later apply is refused.
  Status apply(const EntryView& entry, Applied& applied);

  std::optional<AccountState> find_account(u128 id) const;
  std::optional<StreamState> find_stream(u128 stream) const;
  std::optional<PendingState> find_pending(u128 transfer_id) const;
  /// Accounts in order of creation, from position `first`; at most `count`.
  std::vector<AccountState> list_accounts(std::uint64_t first, std::size_t count) const;

  /// Ids of pending transfers whose timeout has passed at `time`, oldest first, at most
  /// `count_max`.
  std::vector<u128> due_expiries(std::uint64_t time, std::size_t count_max) const;

  std::uint64_t records() const;    ///< Count of records so far = index of the next.
  std::uint64_t last_time() const;  ///< Time of the last record.
  const CellKey& cell_key() const;  ///< Valid until the next apply().
  std::uint32_t feature_level() const;
  LedgerCounts counts() const;
  /// What accounts take in memory, from the capacities of their tables.
  std::size_t account_memory_bytes() const;

  /// Freezes the state as it is now: take_chunks hands it out piece by piece while apply goes on
  /// (a chunk about to change is copied first). Asserts that no earlier freeze is unfinished.
  void begin_checkpoint();
  /// Appends chunks of about `bytes_target` in canonical order of (kind, number) to `out`; true
  /// when the last is out.
  bool take_chunks(std::size_t bytes_target, std::vector<StateChunk>& out);
  /// Rebuilds the state from all chunks of a checkpoint, in order. Errors: data_loss naming the
  /// chunk; unimplemented (a feature level above level_max). The ledger must be empty (asserted).
  Status restore(const std::vector<StateChunk>& chunks);
  /// Records after which the next checkpoint is cut: a fixed function of the state.
  std::uint64_t next_checkpoint_at() const;

  /// Test hook of the vector runner: sets the balances of an account directly.
  void set_balances_for_test(u128 account_id, const Balances& balances);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace meridian::ledger
