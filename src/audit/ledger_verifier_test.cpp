#include "audit/ledger_verifier.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <random>

#include "audit/read_only_disk.h"
#include "door/door.h"
#include "metrics/registry.h"
#include "replica/replica.h"

namespace meridian::audit {
namespace {

constexpr u128 cell = make_u128(7, 9);

/// A real ledger on a real disk, made by the stages that make one in production.
class LedgerOnDisk {
 public:
  explicit LedgerOnDisk(const std::string& name)
      : path_(testing::TempDir() + name + "-" + std::to_string(::getpid())) {
    std::filesystem::remove_all(path_);
    disk_ = *io::os_disk(path_);
    keys_ = *storage::KeyStore::create({*disk_, *clock_, *entropy_}, as_bytes("passphrase"),
                                       {10, 8, 1});
  }
  ~LedgerOnDisk() { std::filesystem::remove_all(path_); }

  /// Accounts, transfers of every kind, events with and without subject; one subject forgotten.
  void fill() {
    metrics::Registry metrics;
    const auto log = io::os_executor("log"), apply = io::os_executor("apply"),
               prove = io::os_executor("prove"), cut = io::os_executor("cut"),
               at_door = io::os_executor("door");
    replica::ReplicaConfig config;
    config.cell = cell;
    auto replica = *replica::Replica::open(
        {*disk_, *clock_, *entropy_, *keys_, metrics, [](const std::string&) {}}, config,
        {*log, *apply, *prove, *cut}, {}, [](const Error& error) { FAIL() << error.message; });
    auto door = *door::Door::open({*disk_, *clock_, *entropy_, *keys_, *at_door}, cell, false);
    const auto submit = [&](std::vector<door::CommandDraft> commands) {
      std::promise<Result<replica::Answer>> answered;
      door->prepare(1, std::move(commands), false,
                    [&](Result<std::unique_ptr<ledger::Request>> request) {
                      ASSERT_TRUE(request) << request.error().message;
                      replica->submit(std::move(*request), [&](Result<replica::Answer> answer) {
                        answered.set_value(std::move(answer));
                      });
                    });
      const Result<replica::Answer> answer = answered.get_future().get();
      ASSERT_TRUE(answer) << answer.error().message;
    };
    std::vector<door::CommandDraft> accounts;
    for (u128 id = 1; id <= 20; ++id) {
      ledger::Account account{};
      account.id = id;
      account.ledger = 1;
      account.code = 1;
      accounts.emplace_back(account);
    }
    submit(std::move(accounts));
    for (std::uint64_t round = 0; round < 40; ++round) submit(mixed(round));
    std::promise<Result<door::Erased>> erased;
    door->forget(1, "Ada", [&](Result<door::Erased> done) { erased.set_value(std::move(done)); });
    Result<door::Erased> erasure = erased.get_future().get();
    ASSERT_TRUE(erasure) << erasure.error().message;
    std::promise<void> recorded;
    replica->submit(std::move(erasure->request), [&](const Result<replica::Answer>& answer) {
      EXPECT_TRUE(answer);
      recorded.set_value();
    });
    recorded.get_future().wait();
    std::promise<void> signed_all, settled;
    replica->checkpoint([&](const Result<std::string>&) { signed_all.set_value(); });
    signed_all.get_future().wait();
    replica->settle([&] { settled.set_value(); });
    settled.get_future().wait();
    door.reset();
    replica.reset();
  }

  Result<Report> verify(std::vector<Finding>& findings) {
    const auto hashing = io::os_executor("hash"), folding = io::os_executor("fold"),
               replaying = io::os_executor("replay");
    return verify_ledger(
        {*disk_, *clock_, *entropy_, *keys_, *hashing, *folding, *replaying}, cell,
        [&](const Finding& finding) { findings.push_back(finding); },
        [](std::uint64_t, std::uint64_t) {});
  }

  /// Flips a bit, and back when called again.
  void flip(const std::string& path, std::uint64_t at, int bit) {
    const auto file = *disk_->open(path, io::OpenMode::read_write);
    Byte byte = 0;
    ASSERT_EQ(*file->read_at(at, {&byte, 1}), 1u);
    byte = static_cast<Byte>(byte ^ (1 << bit));
    ASSERT_TRUE(file->write_at(at, {&byte, 1}));
  }
  std::uint64_t size_of(const std::string& path) {
    return *(*disk_->open(path, io::OpenMode::read))->size();
  }
  io::Disk& disk() { return *disk_; }

 private:
  static std::vector<door::CommandDraft> mixed(std::uint64_t round) {
    std::vector<door::CommandDraft> commands;
    for (std::uint64_t i = 0; i < 10; ++i) {
      ledger::Transfer transfer{};
      transfer.id = 1'000 + round * 100 + i;
      transfer.debit_account_id = 1 + (round + i) % 20;
      transfer.credit_account_id = 1 + (round + i * 3 + 1) % 20;
      transfer.amount = 5 + i;
      transfer.ledger = 1;
      transfer.code = 1;
      if (i == 4 || i == 6) transfer.flags = ledger::transfer_flags::pending;
      if (i == 5 || i == 7) {
        transfer = ledger::Transfer{};
        transfer.id = 1'000 + round * 100 + i;
        transfer.pending_id = transfer.id - 1;
        transfer.flags = i == 5 ? ledger::transfer_flags::post_pending_transfer
                                : ledger::transfer_flags::void_pending_transfer;
        transfer.amount = i == 5 ? 3 : 0;
      }
      commands.emplace_back(transfer);
    }
    door::EventDraft event;
    event.event_id = 100'000 + round;
    event.stream = "stream-" + std::to_string(round % 3);
    event.type = "noted";
    event.content_type = "application/octet-stream";
    event.data = to_buffer(as_bytes("a note of round " + std::to_string(round)));
    event.subject = round % 4 == 0 ? "" : round % 4 == 1 ? "Ada" : "Berta";
    commands.emplace_back(event);
    return commands;
  }

  std::string path_;
  std::unique_ptr<io::Clock> clock_ = io::os_clock();
  std::unique_ptr<io::Entropy> entropy_ = io::os_entropy();
  std::unique_ptr<io::Disk> disk_;
  std::unique_ptr<storage::KeyStore> keys_;
};

std::string text_of(const std::vector<Finding>& findings) {
  std::string out;
  for (const Finding& finding : findings)
    out += (finding.record ? std::to_string(*finding.record) + ": " : "") + finding.what + "\n";
  return out;
}

TEST(LedgerVerifier, a_sound_ledger_has_no_findings_and_stays_as_it_was) {
  LedgerOnDisk ledger("audit_sound");
  ledger.fill();
  std::vector<Finding> findings;
  const Result<Report> report = ledger.verify(findings);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->findings, 0u) << text_of(findings);
  EXPECT_EQ(report->accounts, 20u);
  EXPECT_EQ(report->events, 40u);
  EXPECT_EQ(report->payloads_forgotten, 10u);
  EXPECT_EQ(report->payloads_opened, 30u);
  EXPECT_EQ(report->signed_records, report->records);
  EXPECT_GT(report->transfers, 300u);
}

TEST(LedgerVerifier, every_flipped_bit_of_the_records_is_found_and_their_record_is_named) {
  LedgerOnDisk ledger("audit_flips");
  ledger.fill();
  std::mt19937_64 random(11);
  const std::string segment = "/0000000000000000.seg";
  const std::vector<std::string> files{"headers" + segment, "payloads" + segment,
                                       "tiles/0/00000000"};
  for (int i = 0; i < 60; ++i) {
    const std::string& file = files[static_cast<std::size_t>(i) % files.size()];
    // The 128 bytes of a sealed file's header spoil the file as a whole, one test below.
    const std::uint64_t from = file.starts_with("tiles") ? 0 : 128;
    const std::uint64_t at = from + random() % (ledger.size_of(file) - from);
    const int bit = static_cast<int>(random() % 8);
    ledger.flip(file, at, bit);
    std::vector<Finding> findings;
    const Result<Report> report = ledger.verify(findings);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_GT(report->findings, 0u) << file << " byte " << at;
    EXPECT_TRUE(std::any_of(findings.begin(), findings.end(),
                            [](const Finding& finding) { return finding.record.has_value(); }))
        << file << " byte " << at << "\n"
        << text_of(findings);
    ledger.flip(file, at, bit);
  }
  std::vector<Finding> findings;
  EXPECT_EQ(ledger.verify(findings)->findings, 0u) << text_of(findings);
}

TEST(LedgerVerifier, a_damaged_leaf_hash_names_exactly_its_record) {
  LedgerOnDisk ledger("audit_leaf");
  ledger.fill();
  ledger.flip("tiles/0/00000000", 32 * 77 + 5, 3);
  std::vector<Finding> findings;
  ASSERT_TRUE(ledger.verify(findings));
  ASSERT_EQ(findings.size(), 1u) << text_of(findings);
  EXPECT_EQ(findings[0].record, 77u);
  EXPECT_THAT(findings[0].what, testing::HasSubstr("the header is as signed"));
}

TEST(LedgerVerifier, a_file_that_is_gone_is_damage) {
  LedgerOnDisk ledger("audit_gone");
  ledger.fill();
  ASSERT_TRUE(ledger.disk().remove("payloads/0000000000000000.seg"));
  std::vector<Finding> findings;
  const Result<Report> report = ledger.verify(findings);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_GE(report->findings, 40u);
}

TEST(LedgerVerifier, a_ledger_cut_below_its_signed_head_is_damage) {
  LedgerOnDisk ledger("audit_cut");
  ledger.fill();
  ASSERT_TRUE(ledger.disk().remove("headers/0000000000000000.seg"));
  const auto names = ledger.disk().list("wal");  // named: a temporary would dangle in the loop
  for (const std::string& name : *names) ASSERT_TRUE(ledger.disk().remove("wal/" + name));
  std::vector<Finding> findings;
  const Result<Report> report = ledger.verify(findings);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(text_of(findings), testing::HasSubstr("were signed and are not there any more"));
}

TEST(LedgerVerifier, the_log_is_executed_and_gives_every_stored_header) {
  LedgerOnDisk ledger("audit_log");
  ledger.fill();
  std::vector<Finding> findings;
  const Result<Report> report = ledger.verify(findings);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(report->log_executed);
  EXPECT_EQ(report->log_records_compared, report->records);
  EXPECT_EQ(report->log_only_records, 0u);
}

TEST(LedgerVerifier, records_that_stand_in_the_log_only_are_checked_like_all_others) {
  LedgerOnDisk ledger("audit_log_only");
  ledger.fill();
  std::vector<Finding> findings;
  const Report before = *ledger.verify(findings);
  for (const char* file : {"headers/0000000000000000.seg", "payloads/0000000000000000.seg"})
    ASSERT_TRUE(ledger.disk().remove(file));
  const Result<Report> after = ledger.verify(findings);
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(after->findings, 0u) << text_of(findings);
  EXPECT_EQ(after->log_only_records, before.records);
  EXPECT_EQ(after->root, before.root) << "the root that was signed";
  EXPECT_EQ(after->transfers, before.transfers);
  EXPECT_EQ(after->payloads_opened, before.payloads_opened);
  EXPECT_EQ(after->payloads_forgotten, before.payloads_forgotten);
}

TEST(LedgerVerifier, a_damaged_slot_of_cosigned_is_damage_whichever_bit_it_is) {
  LedgerOnDisk ledger("audit_cosigned");
  ledger.fill();
  for (std::uint64_t at = 3; at < 1'024; at += 37) {
    ledger.flip("cosigned", at, 5);
    std::vector<Finding> findings;
    ASSERT_TRUE(ledger.verify(findings));
    EXPECT_EQ(findings.size(), 1u) << "byte " << at << "\n" << text_of(findings);
    EXPECT_THAT(text_of(findings), testing::HasSubstr("slot " + std::to_string(at / 512)));
    ledger.flip("cosigned", at, 5);
  }
  ASSERT_TRUE(ledger.disk().remove("cosigned"));
  std::vector<Finding> findings;
  ASSERT_TRUE(ledger.verify(findings));
  EXPECT_THAT(text_of(findings), testing::HasSubstr("`cosigned` is missing"));
}

TEST(LedgerVerifier, a_run_that_was_being_merged_at_the_end_is_no_damage) {
  LedgerOnDisk ledger("audit_runs");
  ledger.fill();
  for (const char* index : {"transfers", "resolutions", "events", "streams", "categories"})
    ASSERT_TRUE(ledger.disk().open(std::string("index/") + index + "/00000000000000ff.run",
                                   io::OpenMode::create));
  std::vector<Finding> findings;
  ASSERT_TRUE(ledger.verify(findings));
  EXPECT_TRUE(findings.empty()) << text_of(findings);
}

TEST(ReadOnlyDisk, refuses_every_change) {
  const auto beneath =
      *io::os_disk(testing::TempDir() + "audit_read_only-" + std::to_string(::getpid()));
  if (!*beneath->exists("file")) {
    ASSERT_TRUE(io::replace_file(*beneath, "file", as_bytes("content")));
  }
  ReadOnlyDisk disk(*beneath);
  const auto file = *disk.open("file", io::OpenMode::read_write);
  EXPECT_FALSE(file->write_at(0, as_bytes("x")));
  EXPECT_FALSE(file->truncate(1));
  EXPECT_FALSE(disk.open("new", io::OpenMode::create));
  EXPECT_FALSE(disk.rename("file", "other"));
  EXPECT_TRUE(disk.remove("file"));
  EXPECT_EQ(as_text(*io::read_file(*beneath, "file", 100)), "content");
}

}  // namespace
}  // namespace meridian::audit
