#include "replica/skip_list.h"

#include <gtest/gtest.h>

#include "ledger/describe.h"
#include "replica/internal/replica_rig.h"

namespace meridian::replica {
namespace {

class SkipListTest : public testing::Test {
 protected:
  std::string content() const {
    const Result<Buffer> bytes = io::read_file(disk, SkipList::path, 10'000);
    return bytes ? std::string(as_text(*bytes)) : "no file";
  }
  mutable sim::Disk disk{sim::DiskOptions{}};
  const Buffer poison = to_buffer(as_bytes("poison")), other = to_buffer(as_bytes("other"));
  const crypto::Digest digest = crypto::sha256(poison);
};

TEST_F(SkipListTest, covers_exactly_the_entry_that_was_named) {
  SkipList list = *SkipList::read(disk);
  EXPECT_FALSE(list.covers(7, poison));
  ASSERT_TRUE(list.add(disk, {7, digest}));
  ASSERT_TRUE(list.add(disk, {3, crypto::sha256(other)}));
  EXPECT_EQ(content(), "3 " + to_hex(crypto::sha256(other)) + "\n7 " + to_hex(digest) + "\n");
  const SkipList read = *SkipList::read(disk);
  EXPECT_EQ(read.entries(), list.entries());
  EXPECT_TRUE(read.covers(7, poison));
  EXPECT_FALSE(read.covers(7, other));
  EXPECT_FALSE(read.covers(6, poison));
  EXPECT_FALSE(read.covers(8, poison));
}

TEST_F(SkipListTest, an_index_has_one_digest) {
  SkipList list;
  ASSERT_TRUE(list.add(disk, {7, digest}));
  ASSERT_TRUE(list.add(disk, {7, digest})) << "again";
  EXPECT_EQ(list.add(disk, {7, crypto::sha256(other)}).error().code, Code::failed_precondition);
  EXPECT_EQ(list.entries().size(), 1u);
}

TEST_F(SkipListTest, a_damaged_file_is_refused) {
  SkipList list;
  ASSERT_TRUE(list.add(disk, {3, digest}));
  ASSERT_TRUE(list.add(disk, {7, digest}));
  const std::string sound = content();
  for (std::size_t bit = 0; bit < sound.size() * 8; ++bit) {
    std::string text = sound;
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
    ASSERT_TRUE(io::replace_file(disk, SkipList::path, as_bytes(text)));
    const Result<SkipList> read = SkipList::read(disk);
    if (read)  // another digit: then it is another entry
      EXPECT_NE(read->entries(), list.entries()) << bit;
    else
      EXPECT_EQ(read.error().code, Code::data_loss);
  }
  for (const std::string& text :
       {sound.substr(1), sound + sound, sound.substr(0, sound.size() - 1)}) {
    ASSERT_TRUE(io::replace_file(disk, SkipList::path, as_bytes(text)));
    if (const Result<SkipList> read = SkipList::read(disk)) {
      EXPECT_NE(read->entries(), list.entries()) << text;
    }
  }
}

// --- a replica alone ---

class SkipTest : public testing::Test {
 protected:
  static constexpr std::uint64_t poison = 666;

  explicit SkipTest(std::uint32_t level = 2) {
    rig.config.feature_level = level;
    rig.must_open();
    EXPECT_TRUE(rig.ask(accounts_request(3)).has_value());
    EXPECT_TRUE(rig.ask(transfer(100, poison)).has_value());
    entry = rig.report().last_entry_index;
    EXPECT_TRUE(rig.ask(transfer(101, 5)).has_value());
    rig.close();
    rig.config.canary.poison_amount = poison;
    rig.config.feature_level = ledger::feature_level_newest;
  }
  static std::unique_ptr<ledger::Request> transfer(u128 id, u128 amount) {
    auto request = make_request();
    add_transfer(*request, make_transfer(id, 1, 2, amount));
    return request;
  }
  /// What the replica says that it stops at.
  std::string refusal() {
    rig.fatal.clear();
    EXPECT_FALSE(rig.open().has_value());
    rig.close();
    return rig.fatal.empty() ? "nothing" : rig.fatal[0].message;
  }
  static crypto::Digest digest_in(const std::string& message) {
    const std::string word = "--digest ";
    Buffer digest;
    EXPECT_TRUE(from_hex(message.substr(message.find(word) + word.size(), 64), digest)) << message;
    crypto::Digest out{};
    if (digest.size() == out.size()) std::ranges::copy(digest, out.begin());
    return out;
  }
  Status skip(const SkippedEntry& one) {
    SkipList list = *SkipList::read(*rig.disk);
    return list.add(*rig.disk, one);
  }
  std::vector<std::string> kinds_from(std::uint64_t record) {
    std::vector<std::string> kinds;
    const std::vector<ledger::Header> headers = rig.all_headers();
    for (std::size_t at = record; at < headers.size(); ++at)
      kinds.emplace_back(ledger::kind_name(headers[at].kind));
    return kinds;
  }

  ReplicaRig rig;
  std::uint64_t entry = 0;
};

TEST_F(SkipTest, an_entry_that_nobody_can_apply_is_named_and_skipped) {
  const std::string why = refusal();
  EXPECT_NE(why.find("--index " + std::to_string(entry)), std::string::npos) << why;
  const crypto::Digest digest = digest_in(why);
  crypto::Digest wrong = digest;
  wrong[0] ^= 1;
  ASSERT_TRUE(skip({entry + 1, digest}));
  EXPECT_EQ(refusal(), why) << "of another index";
  ASSERT_TRUE(rig.disk->remove(SkipList::path));
  ASSERT_TRUE(skip({entry, wrong}));
  EXPECT_EQ(refusal(), why) << "of another digest";
  ASSERT_TRUE(rig.disk->remove(SkipList::path));

  ASSERT_TRUE(skip({entry, digest}));
  rig.fatal.clear();
  rig.must_open();
  const auto account = rig.account(1);
  ASSERT_TRUE(account.has_value());
  EXPECT_EQ(account->account.debits_posted, 5u) << "what came after it happened";
  const std::vector<ledger::Header> headers = rig.all_headers();
  ASSERT_EQ(headers.size(), 6u);
  const ledger::Header& record = headers[4];
  ASSERT_EQ(record.kind, ledger::CommandKind::entry_skipped);
  EXPECT_EQ(record.time, headers[3].time + 1);
  EXPECT_EQ(record.entry_index, entry);
  const auto command = ledger::load_command<ledger::EntrySkipped>(
      std::get<ledger::SystemBody>(record.body).command.data());
  EXPECT_EQ(command.entry_index, entry);
  EXPECT_EQ(command.digest, digest);
  EXPECT_EQ(command.term, record.term);
  const auto receipt = rig.receipt(4);
  ASSERT_TRUE(receipt.has_value());
  EXPECT_TRUE(proof::evaluate(*receipt, rig.policy()).has_value()) << "a proof that it was skipped";
  rig.reopen();
  EXPECT_EQ(rig.all_headers(), headers);
}

class SkipAtLevelOneTest : public SkipTest {
 protected:
  SkipAtLevelOneTest() : SkipTest(1) {}
};

TEST_F(SkipAtLevelOneTest, raises_the_level_in_the_place_of_the_entry) {
  ASSERT_TRUE(skip({entry, digest_in(refusal())}));
  rig.config.feature_level = 1;
  EXPECT_NE(refusal().find("a version of meridian that runs level 2"), std::string::npos);
  rig.config.feature_level = 2;
  rig.fatal.clear();
  rig.must_open();
  EXPECT_EQ(kinds_from(4), (std::vector<std::string>{"entry_skipped", "create_transfer"}));
  std::uint32_t level = 0;
  rig.replica->levels([&](const LevelReport& report) { level = report.active; });
  EXPECT_EQ(level, 2u);
}

}  // namespace
}  // namespace meridian::replica
