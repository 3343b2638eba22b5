// Power fails at a thousand seeded moments; nothing acknowledged is lost, nothing is done twice.
//
// Each seed is one life of a replica on a simulated machine: random requests in flight, small log
// files and frequent state checkpoints, power cut at a random change of the disk (also during
// recovery), unsynced writes lost, torn or reordered. After every restart the whole log is checked.
//   MERIDIAN_CRASH_SEEDS   how many seeds (default 1000)
//   MERIDIAN_CRASH_SEED    replay this one alone
// What it catches was tried by planting bugs, each reported within the first 50 seeds:
//   - acknowledge before sync: FileWal::append_group without its sync
//   - forget an id at a checkpoint: SortedRunsOf::write_frozen without the first pair
//   - checkpoint before its records or tiles are durable: Checkpointer::finish without either sync
//   - delete what the old checkpoint needs: SortedRuns::retire before StateStore::commit
//   - cut the log too far: Checkpointer::finish with release_before(entry_index_ + 1000)
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "proof/merkle.h"
#include "replica/internal/crash_model.h"
#include "replica/internal/replica_rig.h"
#include "sim/random.h"

namespace meridian::replica {
namespace {

constexpr std::uint64_t accounts = 6;

ReplicaConfig small_config(sim::Random& random) {
  ReplicaConfig config = ReplicaRig::default_config();
  config.checkpoint_interval = 20 + random.below(60);
  config.wal_file_size = (16 + 4 * random.below(16)) << 10;
  return config;
}

/// What clients ask for; every id is used once, or again on purpose with the same content.
class Workload {
 public:
  explicit Workload(std::uint64_t seed) : random_(seed) {}

  std::unique_ptr<ledger::Request> next() {
    if (++requests_ == 1) return accounts_request(accounts);
    auto request = make_request(random_.below(3) + 1);
    const std::uint64_t commands = 1 + random_.below(6);
    for (std::uint64_t i = 0; i < commands; ++i) add(*request);
    return request;
  }

 private:
  u128 account() { return 1 + random_.below(accounts); }
  ledger::Transfer transfer(std::uint16_t flags = 0) {
    const u128 debit = account();
    u128 credit = account();
    if (credit == debit) credit = debit % accounts + 1;
    return make_transfer(next_id_++, debit, credit, 1 + random_.below(100), flags);
  }
  void add(ledger::Request& request) {
    const std::uint64_t dice = random_.below(100);
    if (dice < 35) {
      remember(request, transfer());
    } else if (dice < 50) {
      ledger::Transfer pending = transfer(ledger::transfer_flags::pending);
      pending.timeout = static_cast<std::uint32_t>(random_.below(4));
      pendings_.push_back(pending);
      remember(request, pending);
    } else if (dice < 62 && !pendings_.empty()) {
      const ledger::Transfer pending = pendings_[random_.below(pendings_.size())];
      const bool post = random_.chance(0.6);
      ledger::Transfer end = make_transfer(next_id_++, 0, 0, post ? u128_max : 0,
                                           post ? ledger::transfer_flags::post_pending_transfer
                                                : ledger::transfer_flags::void_pending_transfer);
      end.pending_id = pending.id;
      end.ledger = 0;
      end.code = 0;
      remember(request, end);
    } else if (dice < 72) {  // a chain, now and then one that must fail as a whole
      add_transfer(request, transfer(ledger::transfer_flags::linked));
      if (random_.chance(0.5)) add_event(request, true);
      add_transfer(request, transfer(ledger::transfer_flags::linked));
      ledger::Transfer last = transfer();
      if (random_.chance(0.3)) last.credit_account_id = 999'999;
      add_transfer(request, last);
    } else if (dice < 90) {
      add_event(request, false);
    } else if (!sent_.empty()) {
      add_transfer(request, sent_[random_.below(sent_.size())]);  // a retry
    } else {
      remember(request, transfer());
    }
  }
  void remember(ledger::Request& request, const ledger::Transfer& transfer) {
    sent_.push_back(transfer);
    add_transfer(request, transfer);
  }
  void add_event(ledger::Request& request, bool linked) {
    Buffer payload(20 + random_.below(random_.chance(0.1) ? 9'000 : 300));
    for (Byte& byte : payload) byte = static_cast<Byte>(random_.next());
    replica::add_event(request, next_id_++, 1 + random_.below(4), payload, linked);
  }

  sim::Random random_;
  std::uint64_t requests_ = 0;
  std::uint64_t next_id_ = 1'000;
  std::vector<ledger::Transfer> sent_, pendings_;
};

/// What the lives went through: seeds that never meet a case prove nothing about it.
struct Met {
  std::uint64_t records = 0, acknowledged = 0, unknown = 0, receipts = 0, expiries = 0;
  std::uint64_t dropped_tails = 0, state_digests = 0, time_advances = 0, restored = 0;
};

class CrashLife {
 public:
  CrashLife(std::uint64_t seed, Met& met)
      : met_(met), random_(seed), rig_(seed, small_config(random_)), workload_(seed) {}

  void run() {
    const int crashes = 1 + static_cast<int>(random_.below(3));
    for (int i = 0; i < crashes; ++i) {
      rig_.disk->crash_at_mutation(rig_.disk->mutation_count() + 1 +
                                   random_.below(i == 0 && random_.chance(0.1) ? 30 : 250));
      live_until_crash();
      close_and_count();
      rig_.crash(random_.next());
      if (random_.chance(0.3)) crash_in_recovery();
      rig_.must_open();
      if (stop()) return;
      check();
      if (stop()) return;
      retry_unknown();
    }
    rig_.reopen();  // an ordinary end
    if (stop()) return;
    check();
    count();
  }

 private:
  static bool stop() { return testing::Test::HasFailure(); }

  void submit(std::unique_ptr<ledger::Request> request) {
    auto sent = std::make_shared<Sent>();
    sent->request = std::make_unique<ledger::Request>(*request);
    sent_.push_back(sent);
    rig_.replica->submit(std::move(request), [sent](Result<Answer> answer) {
      ++sent->answers;
      sent->answer = std::move(answer);
    });
  }

  void count() {
    Fold fold;
    for (std::size_t i = 0; i < headers_.size(); ++i) fold.add(headers_[i], i);
    met_.records += headers_.size();
    met_.receipts += receipts_.size();
    met_.expiries += static_cast<std::uint64_t>(fold.expiries);
    met_.dropped_tails += static_cast<std::uint64_t>(fold.dropped_tails);
    met_.state_digests += static_cast<std::uint64_t>(fold.state_digests);
    met_.time_advances += static_cast<std::uint64_t>(fold.time_advances);
    met_.restored += rig_.report().checkpoint_record > 0 ? 1 : 0;
  }

  void live_until_crash() {
    if (!rig_.open()) {
      EXPECT_TRUE(rig_.disk->has_crashed());
      return;
    }
    for (int i = 0; i < 150 && !rig_.disk->has_crashed(); ++i) {
      submit(workload_.next());
      if (random_.chance(0.1)) ask_for_proofs();
      for (std::uint64_t steps = random_.below(30); steps > 0; --steps) rig_.world.run_ready();
      if (random_.chance(0.2)) rig_.world.run_until_idle();
      if (random_.chance(0.1))
        rig_.world.advance(io::milliseconds(static_cast<std::int64_t>(random_.below(2'000))));
      if (random_.chance(0.01)) rig_.world.advance(io::seconds(70));
    }
    rig_.world.run_until_idle();
    EXPECT_LE(rig_.fatal.size(), 1U) << "told more than once";
  }

  void crash_in_recovery() {
    rig_.disk->crash_at_mutation(rig_.disk->mutation_count() + 1 + random_.below(40));
    if (rig_.open()) rig_.world.run_until_idle();
    close_and_count();
    rig_.crash(random_.next());
  }

  void close_and_count() {
    rig_.close();
    for (const auto& sent : sent_) ASSERT_EQ(sent->answers, 1) << "one answer for each request";
  }

  void ask_for_proofs() {
    rig_.replica->checkpoint([this](Result<std::string> note) {
      if (note) keep(*proof::parse_note(*note));
    });
    rig_.replica->read_state([this](const ledger::Ledger& ledger) {
      if (ledger.records() == 0) return;
      const ledger::RecordIndex index{random_.below(ledger.records())};
      rig_.replica->receipt(index, [this](Result<proof::Receipt> receipt) {
        if (!receipt) return;
        keep(receipt->checkpoint);
        receipts_.push_back(std::move(*receipt));
      });
    });
  }
  void keep(const proof::Note& note) {
    auto checkpoint = proof::parse_checkpoint(note.text);
    ASSERT_TRUE(checkpoint.has_value());
    const auto [kept, fresh] = heads_.emplace(proof::raw(checkpoint->head.size), checkpoint->head);
    EXPECT_TRUE(fresh || kept->second.root == checkpoint->head.root) << "two trees of one size";
  }

  // --- what must hold after every restart ---

  void check() {
    headers_ = rig_.all_headers();
    ASSERT_EQ(headers_.size(), rig_.replica->visible_records());
    Fold fold;
    for (std::size_t i = 0; i < headers_.size(); ++i) fold.add(headers_[i], i);
    for (const auto& sent : sent_) check_acknowledged(*sent);
    for (const auto& [id, balances] : fold.accounts) check_balances(id, balances);
    check_payloads(fold);
    check_streams(fold);
    check_proofs();
    std::size_t told = 0;
    for (const std::string& notice : rig_.notices)
      told += notice.starts_with("the log ended") ? 1 : 0;
    EXPECT_LE(static_cast<std::size_t>(fold.dropped_tails), told);
    EXPECT_TRUE(rig_.fatal.empty()) << rig_.fatal.front().message;
  }
  void check_acknowledged(const Sent& sent) {
    if (!sent.is_acknowledged()) return;
    const Answer& answer = **sent.answer;
    ASSERT_EQ(answer.results.size(), sent.request->command_count());
    for (std::size_t i = 0; i < answer.results.size(); ++i) {
      const std::uint64_t record = ledger::raw(answer.first_record) + i;
      ASSERT_LT(record, headers_.size()) << "an acknowledged record is lost";
      const ledger::Header& header = headers_[record];
      const u128 id = load_le<u128>(sent.request->commands.data() + i * ledger::command_size);
      EXPECT_EQ(header.outcome, answer.results[i].outcome) << "record " << record;
      EXPECT_TRUE(command_id(header) == id) << "record " << record << " is of another command";
      EXPECT_EQ(header.entry_index, answer.entry_index);
      EXPECT_EQ(header.time, answer.first_time + i);
    }
  }
  void check_balances(u128 id, const ledger::Balances& wanted) {
    const auto account = rig_.account(id);
    ASSERT_TRUE(account.has_value());
    EXPECT_EQ((ledger::Balances{account->account.debits_pending, account->account.debits_posted,
                                account->account.credits_pending, account->account.credits_posted}),
              wanted);
  }
  void check_payloads(const Fold& fold) {
    for (const auto& sent : sent_)
      for (std::uint32_t i = 0, run = 0, left = 0; i < sent->request->command_count(); ++i) {
        while (left == 0) left = sent->request->runs[run++].count;
        --left;
        if (sent->request->runs[run - 1].kind != ledger::CommandKind::append_event) continue;
        const auto event = ledger::load_command<ledger::AppendEvent>(
            sent->request->commands.data() + i * ledger::command_size);
        const auto record = fold.events.find(event.event_id);
        if (record == fold.events.end()) continue;
        auto payload = rig_.replica->payload(ledger::RecordIndex{record->second});
        ASSERT_TRUE(payload.has_value()) << payload.error().message;
        EXPECT_TRUE(equal(
            *payload,
            Bytes(sent->request->payloads).subspan(event.payload_offset, event.payload_size)));
      }
  }
  void check_streams(const Fold& fold) {
    for (const auto& [stream, wanted] : fold.streams) {
      auto found = rig_.replica->stream_records(stream, 0, ~std::uint64_t{0}, 100'000, false);
      ASSERT_TRUE(found.has_value()) << found.error().message;
      ASSERT_EQ(found->size(), wanted.size());
      for (std::size_t i = 0; i < wanted.size(); ++i)
        EXPECT_EQ(ledger::raw((*found)[i]), wanted[i]);
    }
  }
  void check_proofs() {
    auto note = rig_.checkpoint();
    ASSERT_TRUE(note.has_value()) << note.error().message;
    const auto now = proof::parse_checkpoint(proof::parse_note(*note)->text);
    ASSERT_TRUE(now.has_value());
    ASSERT_EQ(proof::raw(now->head.size), headers_.size());
    for (const auto& [size, head] : heads_) {
      if (size == 0) continue;
      ASSERT_LE(size, headers_.size()) << "a signed record is lost";
      auto path = proof::prove_consistency(head.size, now->head.size, rig_.replica->tiles());
      ASSERT_TRUE(path.has_value()) << path.error().message;
      EXPECT_TRUE(proof::verify_consistency(head, now->head, *path))
          << "the tree of " << size << " records was signed and is not in that of "
          << headers_.size();
    }
    const proof::Policy policy = rig_.policy();
    for (const proof::Receipt& receipt : receipts_) {
      auto evidence = proof::evaluate(receipt, policy);
      EXPECT_TRUE(evidence.has_value()) << evidence.error().message;
      EXPECT_TRUE(receipt.header ==
                  *rig_.replica->header(ledger::RecordIndex{proof::raw(receipt.index)}));
    }
    keep(*proof::parse_note(*note));
  }

  /// Clients ask again for what they know nothing about: it is done once, now or before.
  void retry_unknown() {
    std::vector<std::shared_ptr<Sent>> unknown;
    for (const auto& sent : sent_)
      if (!sent->is_acknowledged()) unknown.push_back(sent);
    met_.unknown += unknown.size();
    met_.acknowledged += sent_.size() - unknown.size();

    for (const auto& sent : unknown) {
      auto answer = rig_.ask(std::make_unique<ledger::Request>(*sent->request));
      ASSERT_TRUE(answer.has_value()) << answer.error().message;
    }
    std::erase_if(sent_, [](const auto& sent) { return !sent->is_acknowledged(); });
    Fold fold;  // finds what was done twice
    headers_ = rig_.all_headers();
    for (std::size_t i = 0; i < headers_.size(); ++i) fold.add(headers_[i], i);
    rig_.close();
  }

  Met& met_;
  sim::Random random_;
  ReplicaRig rig_;
  Workload workload_;
  std::vector<std::shared_ptr<Sent>> sent_;
  std::vector<ledger::Header> headers_;
  std::map<std::uint64_t, proof::TreeHead> heads_;  ///< Everything this replica ever signed.
  std::vector<proof::Receipt> receipts_;
};

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(ReplicaCrash, at_any_moment_loses_nothing_acknowledged_and_does_nothing_twice) {
  const std::uint64_t only = from_environment("MERIDIAN_CRASH_SEED", 0);
  const std::uint64_t first = only != 0 ? only : 1;
  const std::uint64_t last = only != 0 ? only : from_environment("MERIDIAN_CRASH_SEEDS", 1'000);
  Met met;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("replay: MERIDIAN_CRASH_SEED=" + std::to_string(seed) +
                 " replica_test --gtest_filter='ReplicaCrash.*'");
    CrashLife(seed, met).run();
    if (testing::Test::HasFailure()) return;
  }
  if (last - first < 100) return;
  const std::uint64_t lives = last - first + 1;
  EXPECT_GT(met.records, lives * 50);
  EXPECT_GT(met.acknowledged, lives * 5);
  EXPECT_GT(met.unknown, lives / 4);
  EXPECT_GT(met.receipts, lives / 2);
  EXPECT_GT(met.state_digests, lives / 2);
  EXPECT_GT(met.restored, lives / 2);
  EXPECT_GT(met.expiries, lives / 10);
  EXPECT_GT(met.time_advances, 0U);
  EXPECT_GT(met.dropped_tails, lives / 100);
}

}  // namespace
}  // namespace meridian::replica
