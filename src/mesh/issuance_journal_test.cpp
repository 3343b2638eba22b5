#include "mesh/issuance_journal.h"

#include <gtest/gtest.h>

#include "mesh/internal/certificate_rig.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/entropy.h"

namespace meridian::mesh {
namespace {

using internal::rig_now;
using internal::value_of;

const std::string domain = "eu-west.bank.example";
const std::string path = "ca/journal";

Issuance sample(std::uint64_t number) {
  Issuance issuance;
  issuance.time = rig_now + static_cast<std::int64_t>(number);
  issuance.serial = to_hex(crypto::sha256(as_bytes(std::to_string(number)))).substr(0, 32);
  issuance.id = {domain, "/service/payments-" + std::to_string(number)};
  issuance.spki_digest = crypto::sha256(as_bytes(issuance.serial));
  issuance.not_after = issuance.time + 3600;
  switch (number % 3) {
    case 0: issuance.grounds = {IssuanceGrounds::Kind::token, std::string(64, 'a')}; break;
    case 1: issuance.grounds = {IssuanceGrounds::Kind::renewal, "0123456789abcdef"}; break;
    default: issuance.grounds = {IssuanceGrounds::Kind::officer, "Erika.Mustermann"}; break;
  }
  return issuance;
}

std::unique_ptr<IssuanceJournal> open(io::Disk& disk) {
  Status made = disk.make_directory("ca");
  EXPECT_TRUE(made.has_value());
  return value_of(IssuanceJournal::open(disk, path, domain));
}
void fill(io::Disk& disk, std::uint64_t count) {
  auto journal = open(disk);
  for (std::uint64_t i = 1; i <= count; ++i) ASSERT_TRUE(journal->append(sample(i)).has_value());
}
std::string content(io::Disk& disk) {
  return std::string(as_text(value_of(io::read_file(disk, path, 1 << 20))));
}
void replace(io::Disk& disk, std::string_view text) {
  ASSERT_TRUE(io::replace_file(disk, path, as_bytes(text)).has_value());
}

TEST(IssuanceJournal, entries_come_back_as_they_were_written_after_reopening) {
  sim::Disk disk;
  fill(disk, 200);
  auto journal = open(disk);
  EXPECT_EQ(journal->head().count, 200U);
  EXPECT_EQ(journal->dropped_bytes(), 0U);
  std::vector<JournalEntry> entries = value_of(journal->read(1, 1000));
  ASSERT_EQ(entries.size(), 200U);
  for (std::uint64_t i = 1; i <= 200; ++i) {
    EXPECT_EQ(entries[i - 1].number, i);
    EXPECT_EQ(entries[i - 1].issuance, sample(i));
  }
  EXPECT_EQ(entries.back().digest, journal->head().digest);
  EXPECT_EQ(value_of(journal->read(150, 3)).front().issuance, sample(150));
  EXPECT_TRUE(value_of(journal->read(201, 5)).empty());
  EXPECT_EQ(journal->read(202, 5).error().code, Code::out_of_range);
  EXPECT_EQ(journal->read(0, 5).error().code, Code::out_of_range);
  EXPECT_EQ(value_of(read_journal(content(disk), domain)), entries);
}

TEST(IssuanceJournal, a_sign_in_is_recorded_by_issuer_and_digests) {
  sim::Disk disk;
  Issuance issuance = sample(1);
  const SignInGrounds grounds{crypto::sha256(as_bytes("who")), crypto::sha256(as_bytes("token")),
                              "https://login.bank.example:8443/a?b"};
  issuance.grounds = {IssuanceGrounds::Kind::sign_in, sign_in_text(grounds)};
  ASSERT_TRUE(open(disk)->append(issuance).has_value());
  const Issuance back = value_of(open(disk)->read(1, 1)).front().issuance;
  EXPECT_EQ(back, issuance);
  EXPECT_EQ(parse_sign_in_text(back.grounds.text), grounds);
  for (const std::string& text :
       {std::string(), sign_in_text({{}, {}, ""}), sign_in_text({{}, {}, "two words"}),
        sign_in_text({{}, {}, std::string(evidence_issuer_size_max + 1, 'a')}),
        sign_in_text(grounds).substr(1), "A" + sign_in_text(grounds).substr(1)}) {
    issuance.grounds.text = text;
    EXPECT_FALSE(is_recordable(issuance)) << text;
  }
}

TEST(IssuanceJournal, two_that_take_turns_write_one_chain) {
  sim::Disk disk;
  auto one = open(disk);
  auto other = open(disk);
  for (std::uint64_t i = 1; i <= 20; ++i) {
    IssuanceJournal& turn = i % 3 == 0 ? *other : *one;
    ASSERT_TRUE(turn.refresh().has_value());
    ASSERT_TRUE(turn.append(sample(i)).has_value());
  }
  EXPECT_EQ(value_of(read_journal(content(disk), domain)).size(), 20U);
  ASSERT_TRUE(other->refresh().has_value());
  EXPECT_EQ(other->head(), one->head());
  // What the other tore is dropped, as at a start; what was whole and is gone is not believed.
  const std::string whole = content(disk);
  ASSERT_TRUE(value_of(disk.open(path, io::OpenMode::read_write))
                  ->write_at(whole.size(), as_bytes("21 to"))
                  .has_value());
  ASSERT_TRUE(one->refresh().has_value());
  EXPECT_EQ(one->dropped_bytes(), 5U);
  EXPECT_EQ(content(disk), whole);
  ASSERT_TRUE(value_of(disk.open(path, io::OpenMode::read_write))->truncate(100).has_value());
  EXPECT_EQ(one->refresh().error().code, Code::data_loss);
}

TEST(IssuanceJournal, its_bytes_are_those_of_the_document) {
  sim::Disk disk;
  fill(disk, 1);
  const std::string start = "meridian.issuance-journal/1 eu-west.bank.example\n";
  const std::string body = "1 " + to_hex(crypto::sha256(as_bytes(start))) +
                           " 1700000001 6b86b273ff34fce19d6b804eff5a3f57 "
                           "spiffe://eu-west.bank.example/service/payments-1 " +
                           to_hex(sample(1).spki_digest) + " 1700003601 renewal:0123456789abcdef";
  EXPECT_EQ(content(disk), start + body + " " + to_hex(crypto::sha256(as_bytes(body))) + "\n");
}

TEST(IssuanceJournal, every_flipped_bit_is_found_and_nothing_is_cut_for_it) {
  sim::Disk disk;
  fill(disk, 4);
  const std::string good = content(disk);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string changed = good;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    replace(disk, changed);
    Result<std::unique_ptr<IssuanceJournal>> journal = IssuanceJournal::open(disk, path, domain);
    ASSERT_FALSE(journal.has_value()) << bit;
    EXPECT_TRUE(journal.error().code == Code::data_loss ||
                journal.error().code == Code::failed_precondition);
    EXPECT_EQ(content(disk), changed) << bit;
    EXPECT_FALSE(read_journal(changed, domain).has_value());
  }
}

TEST(IssuanceJournal, entries_taken_out_doubled_or_moved_are_found_and_named) {
  sim::Disk disk;
  fill(disk, 5);
  std::vector<std::string> lines;
  std::string text = content(disk);
  for (std::size_t at = 0, end = 0; at < text.size(); at = end + 1) {
    end = text.find('\n', at);
    lines.push_back(text.substr(at, end + 1 - at));
  }
  auto expect_named = [&](const std::vector<std::size_t>& order, std::string_view words) {
    std::string changed;
    for (std::size_t i : order) changed += lines[i];
    replace(disk, changed);
    Result<std::unique_ptr<IssuanceJournal>> journal = IssuanceJournal::open(disk, path, domain);
    ASSERT_FALSE(journal.has_value()) << words;
    EXPECT_EQ(journal.error().code, Code::data_loss);
    EXPECT_NE(journal.error().message.find(words), std::string::npos) << journal.error().message;
    EXPECT_FALSE(read_journal(changed, domain).has_value());
  };
  expect_named({0, 1, 2, 4, 5}, "entry 3 does not follow");
  expect_named({0, 1, 2, 2, 3, 4, 5}, "entry 3 does not follow");
  expect_named({0, 2, 1, 3, 4, 5}, "entry 1 does not follow");
  expect_named({0, 2, 3, 4, 5}, "entry 1 does not follow");
}

TEST(IssuanceJournal, the_journal_of_another_domain_is_refused) {
  sim::Disk disk;
  fill(disk, 1);
  EXPECT_EQ(IssuanceJournal::open(disk, path, "eu-east.bank.example").error().code,
            Code::failed_precondition);
  EXPECT_EQ(IssuanceJournal::open(disk, path, "Bank").error().code, Code::invalid_argument);
}

TEST(IssuanceJournal, a_torn_tail_of_any_length_is_dropped_and_told) {
  sim::Disk disk;
  fill(disk, 3);
  const std::string all = content(disk);
  const std::size_t last = all.rfind('\n', all.size() - 2) + 1;
  for (std::size_t size = last + 1; size < all.size(); ++size) {
    replace(disk, all.substr(0, size));
    auto journal = value_of(IssuanceJournal::open(disk, path, domain));
    EXPECT_EQ(journal->head().count, 2U);
    EXPECT_EQ(journal->dropped_bytes(), size - last);
    ASSERT_TRUE(journal->append(sample(3)).has_value());
    EXPECT_EQ(content(disk), all);
  }
  // Its first sector is there and the second not, though the file has grown; or the other way.
  const std::size_t edge = (last / 512 + 1) * 512;
  ASSERT_LT(edge, all.size());
  for (bool is_first_lost : {false, true}) {
    std::string torn = all;
    std::size_t from = is_first_lost ? last : edge;
    std::size_t to = is_first_lost ? edge : all.size();
    std::fill(torn.begin() + static_cast<std::ptrdiff_t>(from),
              torn.begin() + static_cast<std::ptrdiff_t>(to), '\0');
    replace(disk, torn);
    EXPECT_EQ(value_of(IssuanceJournal::open(disk, path, domain))->head().count, 2U);
  }
}

TEST(IssuanceJournal, after_a_failed_write_nothing_is_issued) {
  for (sim::DiskOperation operation : {sim::DiskOperation::write, sim::DiskOperation::sync}) {
    sim::Disk disk;
    auto journal = open(disk);
    ASSERT_TRUE(journal->append(sample(1)).has_value());
    disk.fail_next(operation);
    EXPECT_EQ(journal->append(sample(2)).error().code, Code::internal);
    EXPECT_EQ(journal->append(sample(2)).error().code, Code::failed_precondition);
    EXPECT_EQ(journal->head().count, 1U);
  }
}

TEST(IssuanceJournal, what_has_no_form_is_not_written) {
  sim::Disk disk;
  auto journal = open(disk);
  auto refused = [&](auto change) {
    Issuance issuance = sample(2);
    change(issuance);
    return !journal->append(issuance).has_value();
  };
  EXPECT_TRUE(refused([](Issuance& issuance) { issuance.serial = "1 2"; }));
  EXPECT_TRUE(refused([](Issuance& issuance) { issuance.serial = ""; }));
  EXPECT_TRUE(refused([](Issuance& issuance) { issuance.id.path = "/a b"; }));
  EXPECT_TRUE(refused([](Issuance& issuance) { issuance.time = -1; }));
  EXPECT_TRUE(refused([](Issuance& issuance) { issuance.grounds.text = "two\nlines"; }));
  EXPECT_TRUE(refused([](Issuance& issuance) { issuance.grounds.text = ""; }));
  EXPECT_TRUE(refused([](Issuance& issuance) {
    issuance.grounds = {IssuanceGrounds::Kind::token, "abc"};
  }));
  EXPECT_EQ(journal->head().count, 0U);
}

TEST(IssuanceJournal, power_failing_anywhere_loses_nothing_that_was_acknowledged) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    auto disk = std::make_unique<sim::Disk>(sim::DiskOptions{.seed = seed});
    std::uint64_t acknowledged = 0;
    for (int life = 0; life < 4; ++life) {
      disk->crash_at_mutation(disk->mutation_count() + 1 + (seed * 7 + 3 * life) % 13);
      Status directory = disk->make_directory("ca");
      if (directory.has_value()) directory = disk->sync_directory("");
      auto journal = IssuanceJournal::open(*disk, path, domain);
      if (directory.has_value() && journal.has_value()) {
        EXPECT_GE((*journal)->head().count, acknowledged) << seed;
        EXPECT_LE((*journal)->head().count, acknowledged + 1) << seed;
        std::uint64_t next = (*journal)->head().count + 1;
        acknowledged = next - 1;
        while ((*journal)->append(sample(next)).has_value()) acknowledged = next++;
      } else if (!journal.has_value() && !disk->has_crashed()) {
        ADD_FAILURE() << seed << ": " << journal.error().message;
      }
      disk = disk->crash(seed * 31 + static_cast<std::uint64_t>(life));
    }
    auto journal = open(*disk);
    ASSERT_GE(journal->head().count, acknowledged) << seed;
    std::vector<JournalEntry> entries = value_of(journal->read(1, 1000));
    for (const JournalEntry& entry : entries) EXPECT_EQ(entry.issuance, sample(entry.number));
  }
}

TEST(IssuanceJournal, no_certificate_leaves_before_its_entry_is_durable) {
  sim::Disk disk;
  sim::Clock clock;
  sim::Entropy entropy(1);
  CertificateAndKey root = value_of(make_root({.common_name = "Root"}, clock, entropy));
  crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
  Certificate ca = value_of(make_regional(
      root, *make_csr(key, ""), {.trust_domain = domain, .common_name = "CA"}, clock, entropy));
  Authority authority = value_of(Authority::open(ca, key, domain, clock, entropy));
  auto journal = open(disk);
  Buffer csr = *make_csr(crypto::P256PrivateKey::generate(), "");
  SpiffeId id{domain, "/service/payments"};
  IssuanceGrounds grounds{IssuanceGrounds::Kind::officer, "Erika"};
  Certificate leaf = value_of(issue_on_record(authority, *journal, csr, id, 3600, grounds, clock));
  JournalEntry entry = value_of(journal->read(1, 1)).front();
  EXPECT_EQ(entry.issuance,
            (Issuance{rig_now, leaf.serial(), id, leaf.spki_digest(), leaf.not_after(), grounds}));
  disk.fail_next(sim::DiskOperation::sync);
  EXPECT_FALSE(issue_on_record(authority, *journal, csr, id, 3600, grounds, clock).has_value());
  EXPECT_FALSE(issue_on_record(authority, *journal, csr, id, 3600, grounds, clock).has_value());
  auto again = open(disk);
  EXPECT_FALSE(
      issue_on_record(authority, *again, csr, {domain, ""}, 3600, grounds, clock).has_value());
  EXPECT_LE(again->head().count, 2U);
}

}  // namespace
}  // namespace meridian::mesh
