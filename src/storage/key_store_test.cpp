#include "storage/key_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "crypto/sha256.h"
#include "io/executor.h"
#include "storage/internal/key_rig.h"

namespace meridian::storage {
namespace {

using Content = std::map<std::pair<std::string, std::uint32_t>, Buffer>;

Content content_of(const KeyStore& keys) {
  Content content;
  for (const auto& key : keys.list()) {
    auto got = keys.get(key.name, key.version);
    EXPECT_TRUE(got.has_value());
    content[{key.name, static_cast<std::uint32_t>(key.version)}] = to_buffer(got->secret);
  }
  return content;
}

bool contains(Bytes hay, Bytes needle) {
  return std::search(hay.begin(), hay.end(), needle.begin(), needle.end()) != hay.end();
}

TEST(KeyStore, what_was_made_is_there_after_opening_again) {
  KeyRig rig;
  rig.create();
  Content made = content_of(*rig.keys);
  EXPECT_EQ(made.size(), 7U);
  for (const char* name : {"storage", "payload", "commit", "index", "log", "cosign", "epoch"}) {
    auto key = rig.keys->newest(name);
    ASSERT_TRUE(key.has_value()) << name;
    EXPECT_EQ(key->version, KeyVersion{1});
    EXPECT_EQ(key->secret.size(), 32U);
  }
  auto opened = rig.open();
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(content_of(**opened), made);
}

// A wrapper of an old version is whole, or there is none: never one of bytes that are being
// cleansed.
TEST(KeyStore, a_wrapper_is_made_while_its_key_is_destroyed) {
  KeyRig rig;
  rig.create();
  constexpr std::uint32_t last = 200;
  const Buffer plain(32, Byte{7});
  const auto wrapped_by = [&](std::uint32_t version) {
    return *(*rig.keys->wrapper("storage", KeyVersion{version}))->wrap(plain);
  };
  std::vector<decltype(wrapped_by(1))> wrapped{{}, wrapped_by(1)};  // by version
  wrapped.reserve(last + 2);
  std::atomic<std::uint32_t> oldest = 1;
  std::atomic<bool> is_over = false;
  std::atomic<int> wrong = 0;
  const auto reading = io::os_executor("reading");
  reading->post([&] {
    while (!is_over) {
      const std::uint32_t version = oldest;
      const auto key = rig.keys->wrapper("storage", KeyVersion{version});
      if (key && *(*key)->wrap(plain) != wrapped[version]) ++wrong;
    }
  });
  for (std::uint32_t version = 1; version <= last; ++version) {
    EXPECT_TRUE(rig.keys->add("storage").has_value());
    wrapped.push_back(wrapped_by(version + 1));
    EXPECT_TRUE(rig.keys->destroy("storage", KeyVersion{version}).has_value());
    oldest = version + 1;
  }
  is_over = true;
  reading->drain();
  EXPECT_EQ(wrong, 0);
}

TEST(KeyStore, create_refuses_an_empty_passphrase_a_bad_cost_and_a_store_that_is_there) {
  KeyRig rig;
  EXPECT_EQ(KeyStore::open(rig.io(), rig_passphrase()).error().code, Code::not_found);
  EXPECT_EQ(KeyStore::create(rig.io(), {}).error().code, Code::invalid_argument);
  EXPECT_EQ(KeyStore::create(rig.io(), rig_passphrase(), {0, 1, 1}).error().code,
            Code::invalid_argument);
  rig.create();
  Buffer before = rig.read("keys/store");
  EXPECT_EQ(KeyStore::create(rig.io(), rig_passphrase(), cheap_cost).error().code,
            Code::already_exists);
  EXPECT_EQ(rig.read("keys/store"), before);
}

TEST(KeyStore, a_wrong_passphrase_is_permission_denied) {
  KeyRig rig;
  rig.create();
  for (const char* wrong : {"", "correct horse battery stapl", "correct horse battery staple "})
    EXPECT_EQ(KeyStore::open(rig.io(), as_bytes(wrong)).error().code, Code::permission_denied);
}

TEST(KeyStore, every_flipped_bit_and_every_cut_is_data_loss) {
  KeyRig rig;
  rig.create();
  Buffer good = rig.read("keys/store");
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Buffer bad = good;
    bad[bit / 8] ^= static_cast<Byte>(1U << bit % 8);
    rig.put("keys/store", bad);
    auto opened = rig.open();
    ASSERT_FALSE(opened.has_value()) << bit;
    EXPECT_EQ(opened.error().code, Code::data_loss) << bit << ' ' << opened.error().message;
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    rig.put("keys/store", Bytes(good).first(size));
    ASSERT_EQ(rig.open().error().code, Code::data_loss) << size;
  }
  good.push_back(0);
  rig.put("keys/store", good);
  EXPECT_EQ(rig.open().error().code, Code::data_loss);
}

TEST(KeyStore, altered_fields_under_a_renewed_check_are_refused_too) {
  KeyRig rig;
  rig.create();
  Buffer good = rig.read("keys/store");
  std::size_t checked = good.size() - 32;
  for (std::size_t at = 0; at < checked; ++at) {
    if (at == 10 || at == 11) continue;  // cost: a higher one is only slower, and tested below
    Buffer bad = good;
    bad[at] ^= 1;
    crypto::Digest check = crypto::sha256(Bytes(bad).first(checked));
    std::ranges::copy(check, bad.begin() + static_cast<std::ptrdiff_t>(checked));
    rig.put("keys/store", bad);
    ASSERT_FALSE(rig.open().has_value()) << at;
  }
  Buffer bad = good;
  bad[10] = 63;
  crypto::Digest check = crypto::sha256(Bytes(bad).first(checked));
  std::ranges::copy(check, bad.begin() + static_cast<std::ptrdiff_t>(checked));
  rig.put("keys/store", bad);
  EXPECT_EQ(rig.open().error().code, Code::invalid_argument);
}

TEST(KeyStore, versions_count_up_and_the_newest_cannot_be_destroyed) {
  KeyRig rig;
  rig.create();
  EXPECT_EQ(*rig.keys->add("epoch"), KeyVersion{2});
  EXPECT_EQ(*rig.keys->add("fresh-name"), KeyVersion{1});
  EXPECT_EQ(rig.keys->destroy("epoch", KeyVersion{2}).error().code, Code::failed_precondition);
  EXPECT_EQ(rig.keys->destroy("epoch", KeyVersion{3}).error().code, Code::not_found);
  ASSERT_TRUE(rig.keys->destroy("epoch", KeyVersion{1}).has_value());
  EXPECT_EQ(rig.keys->get("epoch", KeyVersion{1}).error().code, Code::not_found);
  EXPECT_EQ(rig.keys->newest("epoch")->version, KeyVersion{2});
  EXPECT_EQ(rig.keys->newest("nobody").error().code, Code::not_found);
  for (const std::string& bad :
       {std::string(), std::string("Upper"), std::string(33, 'a'), std::string("a b")})
    EXPECT_EQ(rig.keys->add(bad).error().code, Code::invalid_argument) << bad;
  EXPECT_EQ(content_of(**rig.open()), content_of(*rig.keys));
}

TEST(KeyStore, a_name_is_destroyed_with_all_its_versions) {
  KeyRig rig;
  rig.create();
  const Buffer secret(32, Byte{9}), other(32, Byte{10});
  ASSERT_TRUE(rig.keys->add_given({{"residency-1-0-00", secret}, {"residency-1-1-00", other}}));
  ASSERT_TRUE(rig.keys->add_given({{"residency-1-0-00", secret}}));
  EXPECT_EQ(rig.keys->destroy_name("residency-1").error().code, Code::not_found);
  ASSERT_TRUE(rig.keys->destroy_name("residency-1-0-00"));
  for (int round = 0; round < 2; ++round, rig.keys = *rig.open()) {
    EXPECT_FALSE(rig.keys->newest("residency-1-0-00"));
    EXPECT_TRUE(equal(rig.keys->newest("residency-1-1-00")->secret, other));
  }
  EXPECT_EQ(rig.keys->destroy_name("residency-1-0-00").error().code, Code::not_found);
}

TEST(KeyStore, given_keys_become_the_newest_versions_all_or_none) {
  KeyRig rig;
  rig.create();
  const Buffer one(32, Byte{1}), two(32, Byte{2});
  ASSERT_TRUE(rig.keys->add_given({{"cell", one}, {"payload", two}}).has_value());
  EXPECT_TRUE(equal(rig.keys->newest("cell")->secret, one));
  EXPECT_EQ(rig.keys->newest("payload")->version, KeyVersion{2});
  EXPECT_TRUE(equal(rig.keys->newest("payload")->secret, two));
  const Content before = content_of(*rig.keys);
  EXPECT_EQ(content_of(**rig.open()), before);
  EXPECT_EQ(rig.keys->add_given({{"commit", one}, {"No name", two}}).error().code,
            Code::invalid_argument);
  rig.disk->set_capacity(rig.read("keys/store").size());
  EXPECT_EQ(rig.keys->add_given({{"commit", one}, {"index", two}}).error().code,
            Code::resource_exhausted);
  EXPECT_EQ(content_of(*rig.keys), before);
}

TEST(KeyStore, a_full_disk_refuses_the_change_and_the_store_goes_on) {
  KeyRig rig;
  rig.create();
  Content before = content_of(*rig.keys);
  rig.disk->set_capacity(rig.read("keys/store").size());
  EXPECT_EQ(rig.keys->add("epoch").error().code, Code::resource_exhausted);
  EXPECT_EQ(content_of(*rig.keys), before);
  rig.disk->set_capacity(1 << 20);
  EXPECT_TRUE(rig.keys->add("epoch").has_value());
}

TEST(KeyStore, after_a_failed_sync_every_change_is_refused) {
  KeyRig rig;
  rig.create();
  rig.disk->fail_next(sim::DiskOperation::sync);
  EXPECT_EQ(rig.keys->add("epoch").error().code, Code::internal);
  EXPECT_EQ(rig.keys->add("epoch").error().code, Code::failed_precondition);
  EXPECT_TRUE(rig.keys->newest("storage").has_value());
}

TEST(KeyStore, no_secret_and_no_passphrase_stands_in_the_file_in_clear) {
  KeyRig rig;
  rig.create();
  Buffer file = rig.read("keys/store");
  for (const auto& [name, secret] : content_of(*rig.keys)) EXPECT_FALSE(contains(file, secret));
  EXPECT_FALSE(contains(file, rig_passphrase()));
}

// Every crash point of create, add and destroy, with the page cache lost in several ways.
TEST(KeyStore, after_a_crash_anywhere_the_store_is_the_old_or_the_new_one) {
  auto history = [](KeyRig& rig, std::vector<Content>& states) {
    auto made = KeyStore::create(rig.io(), rig_passphrase(), cheap_cost);
    if (!made) return;
    states.push_back(content_of(**made));
    if (!(*made)->add("epoch")) return;
    states.push_back(content_of(**made));
    if (!(*made)->destroy("epoch", KeyVersion{1})) return;
    states.push_back(content_of(**made));
  };
  KeyRig whole;
  std::vector<Content> expected;
  history(whole, expected);
  ASSERT_EQ(expected.size(), 3U);
  std::uint64_t points = whole.disk->mutation_count();
  ASSERT_GE(points, 12U);
  for (std::uint64_t point = 1; point <= points; ++point) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      KeyRig rig;
      rig.disk->crash_at_mutation(point);
      std::vector<Content> done;
      history(rig, done);
      rig.disk = rig.disk->crash(seed);
      auto opened = rig.open();
      if (!opened) {
        ASSERT_EQ(opened.error().code, Code::not_found) << opened.error().message;
        ASSERT_TRUE(done.empty()) << "point " << point << " seed " << seed;
        continue;
      }
      auto same = std::ranges::find(expected, content_of(**opened));
      ASSERT_NE(same, expected.end()) << "point " << point << " seed " << seed;
      auto state = static_cast<std::size_t>(same - expected.begin()) + 1;
      EXPECT_GE(state, done.size()) << "what returned was durable";
      EXPECT_LE(state, done.size() + 1);
      EXPECT_FALSE(*rig.disk->exists("keys/store.new"));
    }
  }
}

TEST(KeyStore, golden_bytes_are_what_create_writes_and_open_reads) {
  KeyRig rig;
  rig.create();
  Buffer golden = golden_bytes("key-store.hex");
  EXPECT_EQ(to_hex(rig.read("keys/store")), to_hex(golden));
  Content made = content_of(*rig.keys);
  rig.put("keys/store", golden);
  auto opened = rig.open();
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(content_of(**opened), made);
}

}  // namespace
}  // namespace meridian::storage
