#include "storage/token_key_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "crypto/ed25519.h"
#include "storage/internal/key_rig.h"
#include "storage/key_table.h"
#include "storage/storage_rotation.h"
#include "token/soft_token_rig.h"

namespace meridian::storage {
namespace {

using token::SoftToken;

class TokenKeyStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!SoftToken::is_installed()) GTEST_SKIP() << SoftToken::not_installed;
    soft_.emplace();
    auto opened = SoftToken::open();
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    token_ = *opened;
    auto made = create_token_key_store(rig_.io(), token_);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    rig_.keys = *std::move(made);
  }
  void TearDown() override {
    rig_.keys.reset();
    token_.reset();
  }
  Result<std::unique_ptr<KeyStore>> open() { return open_token_key_store(rig_.io(), token_); }
  void restart() {
    auto opened = open();
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    rig_.keys = *std::move(opened);
  }
  std::size_t inside() { return token_->labels("meridian/")->size(); }

  KeyRig rig_;
  std::optional<SoftToken> soft_;
  std::shared_ptr<token::Token> token_;
};

TEST_F(TokenKeyStoreTest, keys_that_stay_inside_are_used_and_never_seen) {
  for (const char* name : {"storage", "epoch", "log", "cosign"}) {
    EXPECT_EQ(rig_.keys->newest(name).error().code, Code::failed_precondition) << name;
    EXPECT_EQ(rig_.keys->get(name, KeyVersion{1}).error().code, Code::failed_precondition) << name;
  }
  for (const char* name : {"payload", "commit", "index"})
    EXPECT_TRUE(rig_.keys->newest(name).has_value()) << name;
  for (const KeyStore::Listing& key : rig_.keys->list())
    EXPECT_EQ(key.is_in_token, !rig_.keys->newest(key.name).has_value()) << key.name;
  const auto signer = rig_.keys->signer("log");
  ASSERT_TRUE(signer.has_value()) << signer.error().message;
  const Buffer message(100, Byte{1});
  EXPECT_TRUE(crypto::verify_ed25519((*signer)->public_key(), message, *(*signer)->sign(message)));
  EXPECT_NE((*signer)->public_key(), (*rig_.keys->signer("cosign"))->public_key());
  EXPECT_FALSE(rig_.keys->newest_wrapper("log").has_value());
  EXPECT_FALSE(rig_.keys->signer("storage").has_value());
}

TEST_F(TokenKeyStoreTest, what_was_made_is_there_after_opening_again) {
  const auto wrapped = *rig_.keys->newest_wrapper("storage")->key->wrap(Buffer(32, Byte{4}));
  const auto log = (*rig_.keys->signer("log"))->public_key();
  const Buffer payload = to_buffer(rig_.keys->newest("payload")->secret);
  restart();
  EXPECT_EQ(to_buffer(rig_.keys->newest_wrapper("storage")->key->unwrap(wrapped)->bytes()),
            Buffer(32, Byte{4}));
  EXPECT_EQ((*rig_.keys->signer("log"))->public_key(), log);
  EXPECT_EQ(to_buffer(rig_.keys->newest("payload")->secret), payload);
  EXPECT_EQ(create_token_key_store(rig_.io(), token_).error().code, Code::already_exists);
}

TEST_F(TokenKeyStoreTest, the_file_opens_by_no_passphrase_and_in_no_other_token) {
  EXPECT_NE(rig_.open().error().message.find("--key-store"), std::string::npos);
  SoftToken::add("other");
  rig_.keys.reset();
  token_.reset();  // so that the library looks for tokens again
  auto other = token::Token::open(SoftToken::address("other"), SoftToken::pin());
  ASSERT_TRUE(other.has_value()) << other.error().message;
  const auto refused = open_token_key_store(rig_.io(), *other);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::not_found);
  EXPECT_NE(refused.error().message.find("another token"), std::string::npos);
  KeyRig by_passphrase;
  by_passphrase.create();
  EXPECT_NE(
      open_token_key_store(by_passphrase.io(), *other).error().message.find("by a passphrase"),
      std::string::npos);
}

TEST_F(TokenKeyStoreTest, a_store_that_was_changed_does_not_open) {
  const Buffer good = rig_.read("keys/store");
  for (std::size_t at = 10; at < good.size(); at += 7) {
    Buffer bad = good;
    bad[at] ^= 4;
    rig_.put("keys/store", bad);
    EXPECT_FALSE(open().has_value()) << at;
  }
  for (std::size_t size = 0; size < good.size(); size += 5) {
    rig_.put("keys/store", Bytes(good).first(size));
    EXPECT_FALSE(open().has_value()) << size;
  }
  rig_.put("keys/store", good);
  EXPECT_TRUE(open().has_value());
}

TEST_F(TokenKeyStoreTest, whatever_is_destroyed_takes_every_older_copy_of_the_store_with_it) {
  ASSERT_TRUE(rig_.keys->add_given({{"epoch", Buffer(32, Byte{6})}}).has_value());  // outside
  ASSERT_TRUE(rig_.keys->add("epoch").has_value());
  const Buffer old_store = rig_.read("keys/store");
  const std::size_t before = inside();
  ASSERT_TRUE(rig_.keys->destroy("epoch", KeyVersion{2}).has_value());
  EXPECT_EQ(inside(), before);  // a new lock for the old one
  ASSERT_TRUE(rig_.keys->destroy("epoch", KeyVersion{1}).has_value());
  EXPECT_EQ(inside(), before - 1);  // and the key itself
  restart();
  EXPECT_EQ(rig_.keys->newest_wrapper("epoch")->version, KeyVersion{3});
  rig_.put("keys/store", old_store);
  EXPECT_EQ(open().error().code, Code::not_found);
}

TEST_F(TokenKeyStoreTest, an_old_copy_of_the_store_destroys_nothing_that_is_newer) {
  const Buffer old_store = rig_.read("keys/store");
  ASSERT_TRUE(rig_.keys->add("epoch").has_value());
  const Buffer new_store = rig_.read("keys/store");
  const auto wrapped = *rig_.keys->newest_wrapper("epoch")->key->wrap(Buffer(32, Byte{4}));
  rig_.put("keys/store", old_store);
  restart();
  // It takes no version that was used before.
  EXPECT_EQ(*rig_.keys->add("epoch"), KeyVersion{3});
  rig_.put("keys/store", new_store);
  restart();
  EXPECT_TRUE(rig_.keys->newest_wrapper("epoch")->key->unwrap(wrapped).has_value());
}

TEST_F(TokenKeyStoreTest, a_person_is_forgotten_and_old_table_and_store_open_nothing) {
  const auto table = [&] { return KeyTable::open(rig_.context(), *rig_.keys, rig_.clock); };
  auto opened = table();
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  const Buffer ada = to_buffer((*opened)->for_sealing(1, 1)->seal);
  const Buffer bob = to_buffer((*opened)->for_sealing(2, 1)->seal);
  ASSERT_TRUE((*opened)->sync().has_value());
  const Buffer old_table = rig_.read("keys/table"), old_store = rig_.read("keys/store");
  ASSERT_TRUE((*opened)->erase(1).has_value());
  restart();
  opened = table();
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ((*opened)->for_opening(1, 1, 1).error().code, Code::not_found);
  EXPECT_EQ(to_buffer((*opened)->for_opening(2, 1, 1)->seal), bob);
  // The thief of both files, with the token in hand.
  rig_.put("keys/table", old_table);
  EXPECT_EQ(table().error().code, Code::failed_precondition);
  rig_.put("keys/store", old_store);
  EXPECT_FALSE(open().has_value());
}

TEST_F(TokenKeyStoreTest, the_storage_key_is_turned_over_inside) {
  auto writer = SealedWriter::create(rig_.context(), "file", Purpose::other, 1);
  ASSERT_TRUE(writer.has_value());
  ASSERT_TRUE(writer->append(1, as_bytes(std::string_view("content"))).has_value());
  ASSERT_TRUE(writer->sync().has_value());
  const std::size_t before = inside();
  const auto done = rotate_storage_key(*rig_.disk, *rig_.keys);
  ASSERT_TRUE(done.has_value()) << done.error().message;
  EXPECT_EQ(done->files, 1U);
  EXPECT_EQ(inside(), before);
  restart();
  auto reader = SealedReader::open(rig_.context(), "file", Purpose::other, 1);
  ASSERT_TRUE(reader.has_value()) << reader.error().message;
  EXPECT_EQ(as_text(reader->read(sealed_file_header_size)->plain), "content");
}

// Every crash point of adding and destroying, inside and outside.
TEST_F(TokenKeyStoreTest, after_a_crash_anywhere_it_opens_and_nothing_is_left_in_the_token) {
  const auto history = [&](KeyStore& keys) {
    return keys.add("epoch").has_value() && keys.destroy("epoch", KeyVersion{1}).has_value() &&
           keys.add_given({{"cell", Buffer(32, Byte{1})}}).has_value() &&
           keys.add_given({{"cell", Buffer(32, Byte{2})}}).has_value() &&
           keys.destroy("cell", KeyVersion{1}).has_value();
  };
  // Each with a name of its own in the one token.
  const auto fresh = [&](KeyRig& rig, std::uint64_t number) {
    crypto::Nonce passed_over;
    for (std::uint64_t i = 0; i <= number; ++i) rig.entropy.fill(passed_over);
    auto made = create_token_key_store(rig.io(), token_);
    ASSERT_TRUE(made.has_value());
    rig.keys = *std::move(made);
  };
  KeyRig whole;
  fresh(whole, 0);
  const std::uint64_t first = whole.disk->mutation_count() + 1;
  ASSERT_TRUE(history(*whole.keys));
  const std::uint64_t last = whole.disk->mutation_count();
  for (std::uint64_t point = first; point <= last; ++point) {
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      KeyRig rig;
      fresh(rig, point * 3 + seed);
      rig.disk->crash_at_mutation(point);
      history(*rig.keys);
      rig.disk = rig.disk->crash(seed);
      auto opened = open_token_key_store(rig.io(), token_);
      ASSERT_TRUE(opened.has_value()) << point << ": " << opened.error().message;
      // Inside is what the store names, its lock, and at most what was made and not named yet.
      std::size_t named = 1, orphans = 0;
      for (const KeyStore::Listing& key : (*opened)->list()) named += key.is_in_token ? 1 : 0;
      std::vector<std::string> there = *token_->labels("meridian/");
      std::erase_if(there, [&](const std::string& label) {
        return label.find(to_hex(Bytes(rig.read("keys/store")).subspan(16, 16))) ==
               std::string::npos;
      });
      ASSERT_GE(there.size(), named) << point;
      orphans = there.size() - named;
      EXPECT_LE(orphans, 1U) << point;
      // A token looks through all it holds at every call.
      for (const std::string& label : there) ASSERT_TRUE(token_->destroy(label).has_value());
    }
  }
}

}  // namespace
}  // namespace meridian::storage
