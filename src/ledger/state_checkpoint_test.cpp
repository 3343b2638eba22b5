#include <gtest/gtest.h>

#include <map>

#include "ledger/internal/random_commands.h"

namespace meridian::ledger {
namespace {

using ChunkKey = std::pair<std::uint16_t, std::uint32_t>;
using Store = std::map<ChunkKey, Buffer>;

/// What a writer of checkpoints keeps: unchanged chunks stay as they were written before.
std::vector<StateChunk> merge(Store& store, const std::vector<StateChunk>& chunks) {
  Store next;
  std::vector<StateChunk> whole;
  for (const StateChunk& chunk : chunks) {
    ChunkKey key{chunk.kind, chunk.number};
    if (chunk.unchanged) {
      EXPECT_TRUE(store.contains(key)) << chunk.kind << "/" << chunk.number;
    }
    next[key] = chunk.unchanged ? store[key] : chunk.bytes;
    whole.push_back({chunk.kind, chunk.number, false, next[key]});
  }
  store = std::move(next);
  return whole;
}

void add_accounts(TestCell& cell, u128 first, u128 count) {
  for (u128 id = first; id < first + count;) {
    Request request;
    for (int i = 0; i < 4'000 && id < first + count; ++i)
      add_command(request, CommandKind::create_account, make_account(id++));
    ASSERT_TRUE(cell.apply(request).has_value());
  }
}

void add_transfers(TestCell& cell, RandomCommands& random, u128& next_id, u128 accounts,
                   std::size_t count) {
  Request request;
  for (std::size_t i = 0; i < count; ++i) {
    u128 debit = 1 + random.below(static_cast<std::uint64_t>(accounts));
    u128 credit = 1 + debit % accounts;
    ++next_id;
    if (random.one_in(4) && cell.ledger().counts().pendings > 0)
      add_command(request, CommandKind::create_transfer,
                  make_resolution(next_id, next_id - random.below(50), 0,
                                  transfer_flags::void_pending_transfer));
    else
      add_command(request, CommandKind::create_transfer,
                  make_transfer(next_id, debit, credit, 1 + random.below(9),
                                random.one_in(2) ? transfer_flags::pending : std::uint16_t{0}));
    if (random.one_in(3))
      add_command(request, CommandKind::append_event,
                  make_event(1'000'000 + next_id, 1 + random.below(6'000)));
  }
  ASSERT_TRUE(cell.apply(request).has_value());
}

bool equal_chunks(const std::vector<StateChunk>& a, const std::vector<StateChunk>& b) {
  return std::ranges::equal(a, b, [](const StateChunk& x, const StateChunk& y) {
    return x.kind == y.kind && x.number == y.number && x.bytes == y.bytes;
  });
}

TEST(StateCheckpoint, holds_the_frozen_state_while_apply_goes_on) {
  RandomCommands random(1);
  TestCell cell;
  u128 next_id = 1'000'000;
  constexpr u128 accounts = 9'000;
  add_accounts(cell, 1, accounts);
  Store store;
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 3; ++i) add_transfers(cell, random, next_id, accounts, 400);
    // The same state written at once by a ledger that was restored from the last checkpoint is
    // what the slow one must give.
    cell.ledger().begin_checkpoint();
    std::vector<StateChunk> slow;
    std::vector<StateChunk> first;
    cell.ledger().take_chunks(1, first);
    slow = first;
    LedgerCounts frozen = cell.ledger().counts();
    std::vector<Balances> balances;
    for (u128 id = 1; id <= accounts; ++id) balances.push_back(cell.balances(id));
    bool done = false;
    while (!done) {
      add_transfers(cell, random, next_id, accounts, 150);
      done = cell.ledger().take_chunks(100'000, slow);
    }
    std::vector<StateChunk> whole = merge(store, slow);
    MemoryHistory unused;
    Ledger restored(TestCell::cell_id, unused);
    Status status = restored.restore(whole);
    ASSERT_TRUE(status.has_value()) << status.error().message;
    EXPECT_EQ(restored.counts().records, frozen.records);
    EXPECT_EQ(restored.counts().pendings, frozen.pendings);
    EXPECT_EQ(restored.counts().streams, frozen.streams);
    u128 pending_sum = 0;
    for (u128 id = 1; id <= accounts; ++id) {
      Account account = restored.find_account(id)->account;
      Balances now{account.debits_pending, account.debits_posted, account.credits_pending,
                   account.credits_posted};
      ASSERT_EQ(now, balances[static_cast<std::size_t>(id - 1)]) << to_decimal(id);
      pending_sum += account.debits_pending;
    }
    EXPECT_GT(frozen.pendings, 0u);
    EXPECT_TRUE(pending_sum > 0);
    restored.begin_checkpoint();
    std::vector<StateChunk> again;
    restored.take_chunks(~std::size_t{0}, again);
    Store copy = store;
    EXPECT_TRUE(equal_chunks(merge(copy, again), whole));
  }
}

TEST(StateCheckpoint, gives_only_changed_chunks_again) {
  TestCell cell;
  add_accounts(cell, 1, 9'000);
  EXPECT_TRUE(std::ranges::none_of(cell.checkpoint(), &StateChunk::unchanged));
  EXPECT_EQ(cell.outcome_of(make_transfer(1, 1, 2, 1)), "created");
  std::vector<StateChunk> chunks = cell.checkpoint();
  ASSERT_EQ(chunks.size(), 4u);  // meta and three of accounts
  EXPECT_FALSE(chunks[0].unchanged);
  EXPECT_FALSE(chunks[1].unchanged);
  EXPECT_TRUE(chunks[2].unchanged);
  EXPECT_TRUE(chunks[3].unchanged);
  EXPECT_TRUE(chunks[3].bytes.empty());
}

TEST(StateCheckpoint, goes_on_identically_after_a_restart_from_merged_chunks) {
  RandomCommands random(5);
  RandomCommands same(5);
  TestCell steady;
  TestCell restarted;
  u128 next_a = 1'000'000;
  u128 next_b = 1'000'000;
  add_accounts(steady, 1, 5'000);
  add_accounts(restarted, 1, 5'000);
  Store store;
  for (int round = 0; round < 15; ++round) {
    add_transfers(steady, random, next_a, 5'000, 300);
    add_transfers(restarted, same, next_b, 5'000, 300);
    Status status = restarted.restart(merge(store, restarted.checkpoint()));
    ASSERT_TRUE(status.has_value()) << status.error().message;
  }
  Store fresh;
  EXPECT_TRUE(
      equal_chunks(merge(fresh, steady.checkpoint()), merge(store, restarted.checkpoint())));
}

void grant(TestCell& cell, std::uint64_t member) {
  CellKeyGrant command{};
  command.member = member;
  command.check = 77;
  ASSERT_EQ(cell.outcome_of(CommandKind::cell_key_grant, command), "created");
}

TEST(StateCheckpoint, keeps_who_was_handed_the_key_of_the_cell) {
  TestCell cell;
  EXPECT_EQ(cell.checkpoint().size(), 1u) << "no chunk for a key that is not there";
  grant(cell, 2);
  grant(cell, 1);
  const std::vector<StateChunk> chunks = cell.checkpoint();
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[1].kind, raw(ChunkKind::cell_key));
  EXPECT_EQ(to_hex(chunks[1].bytes),
            "4d000000000000000000000000000000"
            "0200000000000000"
            "0100000000000000"
            "0200000000000000"
            "0200000000000000"
            "0100000000000000");
  ASSERT_TRUE(cell.restart(chunks).has_value());
  EXPECT_EQ(cell.ledger().cell_key().check, 77u);
  ASSERT_NE(cell.ledger().cell_key().find(1), nullptr);
  EXPECT_EQ(cell.ledger().cell_key().find(1)->record, RecordIndex{2});
  EXPECT_TRUE(equal_chunks(cell.checkpoint(), chunks));
}

TEST(StateCheckpoint, refuses_damage_naming_the_chunk) {
  RandomCommands random(3);
  TestCell cell;
  u128 next_id = 1'000'000;
  add_accounts(cell, 1, 50);
  add_transfers(cell, random, next_id, 50, 300);
  grant(cell, 1);
  grant(cell, 2);
  std::vector<StateChunk> good = cell.checkpoint();
  auto refusal = [](const std::vector<StateChunk>& chunks) {
    MemoryHistory unused;
    Ledger ledger(TestCell::cell_id, unused);
    Status status = ledger.restore(chunks);
    return status.has_value() ? std::string("accepted") : status.error().message;
  };
  EXPECT_EQ(refusal(good), "accepted");
  EXPECT_NE(refusal({}).find("no chunks"), std::string::npos);
  auto bad = good;
  bad[1].bytes.pop_back();
  EXPECT_NE(refusal(bad).find("kind 2, number 0"), std::string::npos);
  bad = good;
  bad.resize(bad.size() - 2);  // without the cell's key and the last before it
  EXPECT_NE(refusal(bad).find("ends before"), std::string::npos);
  bad = good;
  std::swap(bad[1], bad[2]);
  EXPECT_NE(refusal(bad), "accepted");
  bad = good;
  std::copy_n(bad[1].bytes.begin(), 16, bad[1].bytes.begin() + 144);
  EXPECT_NE(refusal(bad).find("twice"), std::string::npos);
  // No bytes from outside crash it.
  for (int i = 0; i < 3'000; ++i) {
    bad = good;
    StateChunk& chunk = bad[random.below(bad.size())];
    chunk.bytes[random.below(chunk.bytes.size())] ^= static_cast<Byte>(1u << random.below(8));
    refusal(bad);
  }
}

TEST(StateCheckpoint, has_the_golden_bytes_of_its_document) {
  TestCell cell(/*open=*/true, /*level=*/1);
  EXPECT_EQ(cell.outcome_of(make_account(0x11)), "created");
  std::vector<StateChunk> chunks = cell.checkpoint();
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(to_hex(chunks[0].bytes),
            "0100000001000000070000000000000000000000000000000100000000000000"
            "0200000000000000010000000000000002000000000000000000000000000000"
            "0000000000000000010000000000000000000000000000000000000000000000");
  ASSERT_EQ(chunks[1].bytes.size(), 144u);
  EXPECT_EQ(to_hex(Bytes(chunks[1].bytes).first(16)), "11000000000000000000000000000000");
  EXPECT_EQ(to_hex(Bytes(chunks[1].bytes).last(24)),
            "020000000000000001000000000000000100000000000000");
}

TEST(StateCheckpoint, is_due_at_fixed_record_counts) {
  TestCell cell;
  EXPECT_EQ(cell.ledger().next_checkpoint_at(), std::uint64_t{1} << 21);
}

}  // namespace
}  // namespace meridian::ledger
