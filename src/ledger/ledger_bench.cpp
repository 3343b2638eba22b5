// Applying entries of 8,189 transfers between random accounts out of a million.
#include <benchmark/benchmark.h>

#include <random>

#include "base/assert.h"
#include "ledger/ledger.h"

namespace meridian::ledger {
namespace {

constexpr std::uint32_t batch = 8'189;

/// Knows nothing: what is measured is the ledger, not an index.
class EmptyHistory : public History {
 public:
  Result<std::optional<RecordIndex>> find(IdSpace, u128) override {
    return std::optional<RecordIndex>{};
  }
  void insert(IdSpace, u128, RecordIndex) override {}
  void remove(IdSpace, u128) override {}
  void prefetch(IdSpace, u128) override {}
  Result<Header> read(RecordIndex) override { return fail(Code::out_of_range, "no records"); }
};

class Cell {
 public:
  explicit Cell(std::uint64_t accounts) : random_(1), accounts_(accounts) {
    OpenGeneration open{};
    open.cell = 1;
    open.feature_level = feature_level_newest;
    Request first;
    add(first, CommandKind::open_generation, open);
    apply(encode(first));
    for (std::uint64_t made = 0; made < accounts;) {
      Request request;
      for (std::uint32_t i = 0; i < batch && made < accounts; ++i) {
        Account account{};
        account.id = account_id(made++);
        account.ledger = 1;
        account.code = 1;
        add(request, CommandKind::create_account, account);
      }
      apply(encode(request));
    }
  }

  /// Random ids, as a client without time-ordered ids sends them.
  Request transfers(std::uint16_t flags) {
    Request request;
    for (std::uint32_t i = 0; i < batch; ++i) {
      std::uint64_t debit = random_() % accounts_;
      Transfer transfer{};
      transfer.id = make_u128(random_(), random_() | 1);
      transfer.debit_account_id = account_id(debit);
      transfer.credit_account_id =
          account_id((debit + 1 + random_() % (accounts_ - 1)) % accounts_);
      transfer.amount = 1;
      transfer.ledger = 1;
      transfer.code = 1;
      // Linked in pairs if at all; the last one stands alone.
      transfer.flags = i % 2 == 0 && i + 1 < batch ? flags : std::uint16_t{0};
      add(request, CommandKind::create_transfer, transfer);
    }
    return request;
  }

  Buffer encode(const Request& request) {
    const Request* requests[] = {&request};
    Buffer bytes;
    encode_entry({.base_time = 0, .clock_uncertainty_us = 0, .secret = {}}, requests, bytes);
    return bytes;
  }
  void apply(Buffer bytes) {
    store_le(bytes.data() + 8, ledger_.last_time() + 1);
    auto entry = EntryView::decode(bytes);
    ASSERT(entry.has_value());
    Status done = ledger_.apply(*entry, applied_);
    ASSERT(done.has_value());
    ASSERT(applied_.effects.back().outcome == Outcome::created);
  }

 private:
  static u128 account_id(std::uint64_t number) {
    std::uint64_t mixed = (number + 1) * 0x9E3779B97F4A7C15ULL;
    return make_u128(mixed ^ (mixed >> 31), number + 1);
  }
  template <typename Command>
  static void add(Request& request, CommandKind kind, const Command& command) {
    std::array<Byte, command_size> bytes;
    std::memcpy(bytes.data(), &command, command_size);
    request.add(kind, bytes);
  }

  std::mt19937_64 random_;
  std::uint64_t accounts_;
  EmptyHistory history_;
  Ledger ledger_{1, history_};
  Applied applied_;
};

void apply_transfers(benchmark::State& state, std::uint16_t flags) {
  Cell cell(static_cast<std::uint64_t>(state.range(0)));
  std::vector<Buffer> entries;
  for (int i = 0; i < 16; ++i) entries.push_back(cell.encode(cell.transfers(flags)));
  std::size_t next = 0;
  for (auto _ : state) cell.apply(entries[next++ % entries.size()]);
  state.SetItemsProcessed(state.iterations() * batch);
}

void single_phase(benchmark::State& state) { apply_transfers(state, 0); }
void linked_pairs(benchmark::State& state) { apply_transfers(state, transfer_flags::linked); }

BENCHMARK(single_phase)->Arg(10'000)->Arg(1'000'000);
BENCHMARK(linked_pairs)->Arg(10'000)->Arg(1'000'000);

}  // namespace
}  // namespace meridian::ledger
