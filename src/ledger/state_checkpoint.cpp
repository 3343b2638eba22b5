// State checkpoints: canonical chunks out, and back (docs/design/state_checkpoint.md).
//
//   chunks = meta accounts* pendings* streams* cell_key?, numbered from 0 within their kind
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "ledger/internal/ledger_state.h"

namespace meridian::ledger {

crypto::Digest chunk_digest(std::uint16_t kind, std::uint32_t number, Bytes bytes) {
  std::array<Byte, 7> prefix;
  prefix[0] = 0x04;
  store_le(prefix.data() + 1, kind);
  store_le(prefix.data() + 3, number);
  return crypto::Sha256().update(prefix).update(bytes).finish();
}

const CellKey::Grant* CellKey::find(std::uint64_t member) const {
  for (const Grant& grant : grants)
    if (grant.member == member) return &grant;
  return nullptr;
}

namespace internal {
namespace {

constexpr std::uint16_t format_version = 1;
constexpr std::size_t meta_size = 96;
constexpr std::size_t account_size = command_size + 16;
constexpr std::size_t pending_size = command_size + 8;
constexpr std::size_t stream_size = 40;
constexpr std::uint32_t chunk_pendings = 1024;

template <typename Value>
void write_value(ByteWriter& out, const Value& value) {
  static_assert(sizeof(Value) == command_size);
  std::array<Byte, command_size> bytes;
  std::memcpy(bytes.data(), &value, command_size);
  out.bytes(bytes);
}

Error damaged_chunk(const StateChunk& chunk, const std::string& why) {
  return fail(Code::data_loss, "state chunk of kind " + std::to_string(chunk.kind) + ", number " +
                                   std::to_string(chunk.number) + ": " + why);
}

/// Reads the entries of one chunk after checking how many there must be.
Result<ByteReader> open_chunk(const StateChunk& chunk, std::uint64_t done, std::uint64_t total,
                              std::uint64_t per_chunk, std::size_t size) {
  if (done >= total) return damaged_chunk(chunk, "there are more entries than meta counts");
  std::uint64_t count = std::min(total - done, per_chunk);
  if (chunk.bytes.size() != count * size)
    return damaged_chunk(chunk, "it must have " + std::to_string(count * size) + " bytes, not " +
                                    std::to_string(chunk.bytes.size()));
  return ByteReader(chunk.bytes);
}

Status restore_accounts(LedgerState& state, const StateChunk& chunk, std::uint64_t total) {
  ByteReader in = TRY(open_chunk(chunk, state.accounts.size(), total, chunk_slots, account_size));
  while (in.remaining() > 0) {
    auto account = load_command<Account>(in.take(command_size).data());
    RecordIndex created_at{in.u64()};
    RecordIndex last_record{in.u64()};
    if (account.id == 0 || account.id == u128_max || account.reserved != 0 ||
        (account.flags & ~account_flags::all) != 0)
      return damaged_chunk(chunk, "an account has reserved values");
    if (account.timestamp <= state.accounts.timestamp_max() || account.timestamp > timestamp_max)
      return damaged_chunk(chunk, "account timestamps must ascend");
    if (raw(created_at) > raw(last_record) || raw(last_record) >= state.records)
      return damaged_chunk(chunk, "an account names records that do not exist");
    if (state.accounts.find(account.id) != no_slot)
      return damaged_chunk(chunk, "an account id stands there twice");
    u128 sum;
    if (!add_fits(account.debits_pending, account.debits_posted, sum) ||
        !add_fits(account.credits_pending, account.credits_posted, sum))
      return damaged_chunk(chunk, "the balances of an account overflow");
    state.accounts.add({.balances = {.debits_pending = account.debits_pending,
                                     .debits_posted = account.debits_posted,
                                     .credits_pending = account.credits_pending,
                                     .credits_posted = account.credits_posted},
                        .id = account.id,
                        .timestamp = account.timestamp,
                        .created_at = created_at,
                        .last_record = last_record,
                        .user_data_64 = account.user_data_64,
                        .ledger = account.ledger,
                        .user_data_32 = account.user_data_32,
                        .code = account.code,
                        .flags = account.flags,
                        .saved_epoch = 0},
                       account.user_data_128);
  }
  return {};
}

Status restore_pendings(LedgerState& state, const StateChunk& chunk, std::uint64_t total,
                        RecordIndex& newest) {
  ByteReader in =
      TRY(open_chunk(chunk, state.pendings.size(), total, chunk_pendings, pending_size));
  while (in.remaining() > 0) {
    PendingSlot slot{};
    slot.transfer = load_command<Transfer>(in.take(command_size).data());
    slot.record = RecordIndex{in.u64()};
    const Transfer& transfer = slot.transfer;
    slot.debit_slot = state.accounts.find(transfer.debit_account_id);
    slot.credit_slot = state.accounts.find(transfer.credit_account_id);
    slot.alive = true;
    if (slot.debit_slot == no_slot || slot.credit_slot == no_slot)
      return damaged_chunk(chunk, "a pending transfer names an account that does not exist");
    if ((transfer.flags & transfer_flags::pending) == 0 ||
        (transfer.flags & ~transfer_flags::all) != 0 || transfer.timestamp > timestamp_max ||
        timeout_ns(transfer.timeout) > timestamp_max - transfer.timestamp)
      return damaged_chunk(chunk, "a pending transfer has impossible flags or times");
    if (raw(slot.record) >= state.records || (newest != no_record && slot.record <= newest))
      return damaged_chunk(chunk, "pending transfers must ascend by record");
    if (transfer.amount > state.accounts[slot.debit_slot].balances.debits_pending ||
        transfer.amount > state.accounts[slot.credit_slot].balances.credits_pending)
      return damaged_chunk(chunk, "a pending transfer is larger than its accounts' pending sums");
    if (state.pendings.find(transfer.id) != PendingTable::none)
      return damaged_chunk(chunk, "a pending transfer stands there twice");
    newest = slot.record;
    state.pendings.add(slot);
  }
  return {};
}

Status restore_streams(LedgerState& state, const StateChunk& chunk, std::uint64_t total) {
  ByteReader in = TRY(open_chunk(chunk, state.streams.size(), total, chunk_slots, stream_size));
  while (in.remaining() > 0) {
    StreamSlot slot{};
    slot.stream = in.id();
    slot.last_revision = in.u64();
    slot.last_record = RecordIndex{in.u64()};
    slot.first_revision = in.u64();
    if (slot.stream == 0 || slot.last_revision == no_revision ||
        slot.first_revision > slot.last_revision + 1)
      return damaged_chunk(chunk, "a stream has impossible values");
    if (raw(slot.last_record) >= state.records)
      return damaged_chunk(chunk, "a stream names a record that does not exist");
    if (state.streams.find(slot.stream) != no_slot)
      return damaged_chunk(chunk, "a stream id stands there twice");
    state.streams.add(slot);
  }
  return {};
}

/// cell_key = check(16) count(4) zero(4) count × { member(8) record(8) }
Buffer cell_key_bytes(const CellKey& key) {
  Buffer bytes;
  if (key.check == 0) return bytes;
  ByteWriter out(bytes);
  out.id(key.check);
  out.u32(static_cast<std::uint32_t>(key.grants.size()));
  out.u32(0);
  for (const CellKey::Grant& grant : key.grants) {
    out.u64(grant.member);
    out.u64(raw(grant.record));
  }
  return bytes;
}

Status restore_cell_key(LedgerState& state, const StateChunk& chunk) {
  ByteReader in(chunk.bytes);
  CellKey key;
  key.check = in.id();
  const std::uint32_t count = in.u32();
  if (in.u32() != 0 || key.check == 0 || count == 0 || count > cell_key_grants_max ||
      in.remaining() != std::size_t{count} * 16)
    return damaged_chunk(chunk, "the cell's key is malformed");
  for (std::uint32_t i = 0; i < count; ++i) {
    const CellKey::Grant grant{in.u64(), RecordIndex{in.u64()}};
    if (grant.member == 0 || (i > 0 && grant.member <= key.grants.back().member) ||
        raw(grant.record) >= state.records)
      return damaged_chunk(chunk, "a grant of the cell's key has impossible values");
    key.grants.push_back(grant);
  }
  state.cell_key = std::move(key);
  return {};
}

struct Totals {
  std::uint64_t accounts, streams, pendings;
};

Result<Totals> restore_meta(LedgerState& state, const StateChunk& chunk) {
  if (chunk.kind != raw(ChunkKind::meta) || chunk.number != 0)
    return damaged_chunk(chunk, "the first chunk must be meta, number 0");
  if (chunk.bytes.size() != meta_size) return damaged_chunk(chunk, "meta must have 96 bytes");
  ByteReader in(chunk.bytes);
  std::uint16_t version = in.u16();
  std::uint16_t zero = in.u16();
  if (version != format_version || zero != 0)
    return damaged_chunk(chunk, "version " + std::to_string(version) + " is unknown");
  state.feature_level = in.u32();
  u128 cell = in.id();
  if (cell != state.cell) return damaged_chunk(chunk, "it is the state of another cell");
  state.generation = in.u64();
  state.records = in.u64();
  state.opened_at = in.u64();
  state.last_time = in.u64();
  state.advanced_to = in.u64();
  state.last_transfer_timestamp = in.u64();
  Totals totals{.accounts = in.u64(), .streams = in.u64(), .pendings = in.u64()};
  TRY(state.check_level(state.feature_level));
  if (totals.accounts > state.records || totals.streams > state.records ||
      totals.pendings > state.records || totals.accounts >= no_slot || totals.streams >= no_slot)
    return damaged_chunk(chunk, "it counts more entries than records");
  if (state.last_time > timestamp_max || state.opened_at > state.last_time ||
      state.last_transfer_timestamp > timestamp_max || state.advanced_to > timestamp_max)
    return damaged_chunk(chunk, "its times are impossible");
  ASSERT(in.done());
  return totals;
}

}  // namespace

void LedgerState::begin_checkpoint() {
  ASSERT(!checkpoint_open);
  ASSERT(entry == nullptr);
  accounts.table().freeze();
  pendings.freeze();
  streams.table().freeze();
  frozen_meta.clear();
  ByteWriter out(frozen_meta);
  out.u16(format_version);
  out.u16(0);
  out.u32(feature_level);
  out.id(cell);
  for (std::uint64_t number :
       {generation, records, opened_at, last_time, advanced_to, last_transfer_timestamp,
        std::uint64_t{accounts.size()}, std::uint64_t{streams.size()}, pendings.size()})
    out.u64(number);
  ASSERT(frozen_meta.size() == meta_size);
  frozen_cell_key = cell_key_bytes(cell_key);
  checkpoint_open = true;
  checkpoint_kind = raw(ChunkKind::meta);
  checkpoint_number = 0;
}

namespace {

StateChunk account_chunk(AccountTable& accounts, std::uint32_t number) {
  StateChunk chunk{.kind = raw(ChunkKind::accounts), .number = number};
  chunk.unchanged = !accounts.table().frozen_changed(number);
  if (!chunk.unchanged) {
    std::uint32_t slot = number * chunk_slots;
    ByteWriter out(chunk.bytes);
    for (const AccountSlot& from : accounts.table().frozen_slots(number)) {
      AccountState state = account_state(from, accounts.user_data_128(slot++));
      write_value(out, state.account);
      out.u64(raw(state.created_at));
      out.u64(raw(state.last_record));
    }
  }
  accounts.table().release(number);
  return chunk;
}

StateChunk stream_chunk(StreamTable& streams, std::uint32_t number) {
  StateChunk chunk{.kind = raw(ChunkKind::streams), .number = number};
  chunk.unchanged = !streams.table().frozen_changed(number);
  if (!chunk.unchanged) {
    ByteWriter out(chunk.bytes);
    for (const StreamSlot& from : streams.table().frozen_slots(number)) {
      out.id(from.stream);
      out.u64(from.last_revision);
      out.u64(raw(from.last_record));
      out.u64(from.first_revision);
    }
  }
  streams.table().release(number);
  return chunk;
}

/// Empty bytes if there are none left.
StateChunk pending_chunk(PendingTable& pendings, std::uint32_t number) {
  StateChunk chunk{.kind = raw(ChunkKind::pendings), .number = number};
  std::vector<PendingSlot> slots;
  pendings.take_frozen(chunk_pendings, slots);
  ByteWriter out(chunk.bytes);
  for (const PendingSlot& slot : slots) {
    write_value(out, slot.transfer);
    out.u64(raw(slot.record));
  }
  return chunk;
}

}  // namespace

bool LedgerState::take_chunks(std::size_t bytes_target, std::vector<StateChunk>& out) {
  ASSERT(checkpoint_open);
  std::size_t taken = 0;
  auto give = [&](StateChunk chunk) {
    taken += chunk.bytes.size();
    out.push_back(std::move(chunk));
    ++checkpoint_number;
  };
  auto next_kind = [&](ChunkKind kind) {
    checkpoint_kind = raw(kind);
    checkpoint_number = 0;
  };
  while (taken < bytes_target) {
    if (checkpoint_kind == raw(ChunkKind::meta)) {
      give({.kind = checkpoint_kind, .number = 0, .bytes = std::move(frozen_meta)});
      next_kind(ChunkKind::accounts);
    } else if (checkpoint_kind == raw(ChunkKind::accounts)) {
      if (checkpoint_number < accounts.table().frozen_chunks())
        give(account_chunk(accounts, checkpoint_number));
      else
        next_kind(ChunkKind::pendings);
    } else if (checkpoint_kind == raw(ChunkKind::pendings)) {
      StateChunk chunk = pending_chunk(pendings, checkpoint_number);
      if (!chunk.bytes.empty())
        give(std::move(chunk));
      else
        next_kind(ChunkKind::streams);
    } else if (checkpoint_number < streams.table().frozen_chunks()) {
      give(stream_chunk(streams, checkpoint_number));
    } else if (!frozen_cell_key.empty()) {
      give({.kind = raw(ChunkKind::cell_key),
            .number = 0,
            .bytes = std::exchange(frozen_cell_key, {})});
    } else {
      accounts.table().thaw();
      streams.table().thaw();
      checkpoint_open = false;
      return true;
    }
  }
  return false;
}

Status LedgerState::restore(const std::vector<StateChunk>& chunks) {
  ASSERT(records == 0);
  ASSERT(accounts.size() == 0);
  if (chunks.empty()) return fail(Code::data_loss, "the state checkpoint has no chunks");
  Totals totals = TRY(restore_meta(*this, chunks.front()));
  std::uint16_t kind = raw(ChunkKind::meta);
  std::uint32_t number = 0;
  RecordIndex newest_pending = no_record;
  for (std::size_t i = 1; i < chunks.size(); ++i) {
    const StateChunk& chunk = chunks[i];
    if (chunk.unchanged) return damaged_chunk(chunk, "its bytes must be given");
    bool follows =
        chunk.kind == kind ? chunk.number == number + 1 : chunk.kind > kind && chunk.number == 0;
    if (!follows) return damaged_chunk(chunk, "it is out of order");
    kind = chunk.kind;
    number = chunk.number;
    if (kind == raw(ChunkKind::accounts))
      TRY(restore_accounts(*this, chunk, totals.accounts));
    else if (kind == raw(ChunkKind::pendings))
      TRY(restore_pendings(*this, chunk, totals.pendings, newest_pending));
    else if (kind == raw(ChunkKind::streams))
      TRY(restore_streams(*this, chunk, totals.streams));
    else if (kind == raw(ChunkKind::cell_key) && number == 0)
      TRY(restore_cell_key(*this, chunk));
    else
      return damaged_chunk(chunk, "the kind is unknown");
  }
  if (accounts.size() != totals.accounts || pendings.size() != totals.pendings ||
      streams.size() != totals.streams)
    return fail(Code::data_loss, "the state checkpoint ends before everything that meta counts");
  accounts.table().mark_all_clean();
  streams.table().mark_all_clean();
  return {};
}

}  // namespace internal
}  // namespace meridian::ledger
