// Jurisdictions in tables of keys: two replicas fold the same rows, one of them in no region of the
// jurisdiction, so that it never holds the key.
#include "storage/residency.h"

#include <gtest/gtest.h>

#include <set>

#include "sim/random.h"
#include "storage/cell_key_table.h"
#include "storage/internal/key_rig.h"

namespace meridian::storage {
namespace {

constexpr std::uint8_t eu = 1, medical = 7, common = 1;

RetentionClass resident(std::uint8_t retention, std::uint8_t jurisdiction) {
  return {.retention = retention,
          .residency = jurisdiction,
          .keep = {12, 0},
          .defined = Day{19'675},
          .name = text_field<class_name_size>("medical"),
          .basis = text_field<class_basis_size>("a law")};
}

struct Replica : KeyRig {
  std::unique_ptr<CellKeyTable> table;

  explicit Replica(std::size_t passed_over) {
    Buffer bytes(passed_over);
    entropy.fill(bytes);
    create();
    start();
  }
  void start() {
    auto opened = CellKeyTable::open(context(), *keys, clock);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    table = *std::move(opened);
    table->set_complete(true);
  }
  void restart(std::uint64_t records) {
    ASSERT_TRUE(table->folded(records));
    table.reset();
    auto opened = open();
    ASSERT_TRUE(opened.has_value());
    keys = std::move(*opened);
    start();
  }
  /// "opens", or why not.
  std::string opens(u128 subject, const KeyName& key) {
    const auto opened = table->for_opening(subject, key.retention, key.version);
    if (opened) return "opens";
    if (is_residency_unavailable(opened.error())) return "elsewhere";
    return opened.error().code == Code::not_found ? "gone" : opened.error().message;
  }
};

struct ResidencyTest : testing::Test {
  Replica inside{0}, outside{100};
  std::uint64_t records = 0;
  std::uint32_t turns = 0;

  ResidencyTest() { turn(); }
  void turn() {
    const u128 check = *inside.table->offer();
    ASSERT_TRUE(outside.table->take(crypto::Secret(*inside.table->kek(check))));
    for (Replica* one : {&inside, &outside})
      ASSERT_TRUE(*one->table->turn(turns + 1, check, records));
    ++turns, ++records;
  }
  void change(const KeyRow& row) {
    for (Replica* one : {&inside, &outside}) one->table->change(row);
    ++records;
  }
  void give_key() {
    const crypto::Secret key{Buffer(32, Byte{9})};
    ASSERT_TRUE(ResidencyKeys(*inside.keys).take(eu, key));
    change(residency_key_row(eu, kek_check(key.bytes())));
  }
  void define() {
    change(jurisdiction_row(eu, "eu", "eu-west"));
    change(jurisdiction_row(eu, "eu", "eu-north"));
    change(row_of(resident(medical, eu)));
    give_key();
  }
  void set_up(std::uint64_t confirmed) {
    inside.table->set_residency(eu, {true, confirmed});
    outside.table->set_residency(eu, {true, confirmed});
  }
  /// Its rows are folded in everywhere. Where it lives elsewhere, the random values are.
  Result<std::uint32_t> seal(Replica& at, u128 subject, std::uint8_t retention) {
    at.table->make_in(1);
    const auto made = at.table->for_sealing(subject, retention);
    Result<std::uint32_t> version = std::uint32_t{0};
    if (made)
      *version = made->seal_version;
    else
      version = made.error();
    for (const KeyRow& row : at.table->take_unfolded()) {
      for (Replica* one : {&inside, &outside})
        EXPECT_TRUE(one->table->add(row, records).has_value());
      ++records;
    }
    return version;
  }
};

TEST_F(ResidencyTest, only_who_holds_the_key_seals_and_opens) {
  define();
  set_up(1'000);
  const auto version = seal(inside, 5, medical);
  ASSERT_TRUE(version.has_value()) << version.error().message;
  EXPECT_EQ(inside.opens(5, {medical, *version}), "opens");
  EXPECT_EQ(outside.opens(5, {medical, *version}), "elsewhere");
  const auto why = outside.table->for_opening(5, medical, *version);
  EXPECT_NE(why.error().message.find("eu (eu-west, eu-north)"), std::string::npos)
      << why.error().message;
  const auto refused = seal(outside, 6, medical);
  ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(is_residency_unavailable(refused.error()));
  EXPECT_TRUE(seal(outside, 6, common).has_value()) << "what lives anywhere goes on";
  EXPECT_EQ(inside.table->rows(), outside.table->rows());
}

TEST_F(ResidencyTest, the_keys_are_not_what_the_rows_hold) {
  define();
  set_up(1'000);
  const auto version = seal(inside, 5, medical);
  ASSERT_TRUE(version.has_value());
  ASSERT_TRUE(seal(inside, 5, common).has_value());
  const auto keys = inside.table->for_opening(5, medical, *version);
  ASSERT_TRUE(keys.has_value());
  const Buffer seal_key = to_buffer(keys->seal), commit_key = to_buffer(keys->commit);
  const auto plain = inside.table->for_opening(5, common, 1);
  ASSERT_TRUE(plain.has_value());
  const Buffer commit_value = to_buffer(plain->commit);
  EXPECT_NE(commit_key, commit_value) << "K_commit of what lives anywhere would let others guess";
  const crypto::Digest expected = resident_key(Buffer(32, Byte{9}), "commit", commit_value);
  EXPECT_TRUE(equal(expected, commit_key));
}

TEST(Residency, a_key_is_the_hmac_that_the_document_says) {
  // python3 -c "import hmac; print(hmac.digest(bytes([9]*32), b'meridian/residency/1/seal' +
  // bytes([7]*32), 'sha256').hex())"
  EXPECT_EQ(to_hex(resident_key(Buffer(32, Byte{9}), "seal", Buffer(32, Byte{7}))),
            "3e300244ed640e79fb2617a1511de1ec464da1f781c97bba3d1248daaf326f7c");
}

TEST_F(ResidencyTest, a_class_with_keys_stays_where_it_is) {
  change(jurisdiction_row(eu, "eu", "eu-west"));
  ASSERT_TRUE(seal(inside, 5, medical).has_value());
  change(row_of(resident(medical, eu)));
  EXPECT_EQ(inside.table->keeping().find(medical)->residency, 0);
  change(forgotten_mark(5));
  change(row_of(resident(medical, eu)));
  EXPECT_EQ(inside.table->keeping().find(medical)->residency, eu) << "its last key is gone";
  change(row_of(resident(medical, 0)));
  EXPECT_EQ(inside.table->keeping().find(medical)->residency, eu) << "and it stays there";
  change(row_of(resident(2, 9)));
  EXPECT_EQ(inside.table->keeping().find(2)->residency, 0) << "there is no such jurisdiction";
}

TEST_F(ResidencyTest, a_jurisdiction_keeps_its_name_its_regions_and_its_key) {
  define();
  const u128 key = inside.table->keeping().residency().find(eu)->key;
  EXPECT_NE(key, 0u);
  change(jurisdiction_row(eu, "us", "us-east"));
  change(jurisdiction_row(2, "eu", "us-east"));
  change(residency_key_row(eu, 77));
  change(residency_key_row(9, 77));
  const Residency& all = inside.table->keeping().residency();
  ASSERT_EQ(all.all().size(), 1u);
  EXPECT_EQ(*all.find("eu"), (Jurisdiction{eu, "eu", {"eu-west", "eu-north"}, key}));
  change(jurisdiction_row(eu, "eu", "eu-south"));
  EXPECT_TRUE(all.find(eu)->has("eu-south"));
}

TEST_F(ResidencyTest, nothing_is_sealed_before_its_rows_are_in_two_regions) {
  define();
  EXPECT_TRUE(is_residency_unavailable(seal(inside, 5, medical).error())) << "nobody was heard";
  set_up(records);
  ASSERT_TRUE(seal(inside, 5, medical).has_value());
  EXPECT_TRUE(inside.table->take_waits().empty())
      << "its rows were not folded in, which others see";
  ASSERT_TRUE(inside.table->for_sealing(5, medical).has_value());
  const std::vector<ResidencyWait> waits = inside.table->take_waits();
  ASSERT_EQ(waits.size(), 2u);
  EXPECT_EQ(waits[1].records, records);
  set_up(records);
  ASSERT_TRUE(inside.table->for_sealing(5, medical).has_value());
  EXPECT_TRUE(inside.table->take_waits().empty());
  inside.table->set_residency(eu, {false, records});
  EXPECT_TRUE(is_residency_unavailable(inside.table->for_sealing(5, medical).error()));
  EXPECT_TRUE(inside.table->for_sealing(5, common).has_value() ||
              !inside.table->take_unfolded().empty());
}

TEST_F(ResidencyTest, after_a_restart_all_rows_count_as_new) {
  define();
  set_up(1'000);
  ASSERT_TRUE(seal(inside, 5, medical).has_value());
  inside.restart(records);
  inside.table->set_residency(eu, {true, records - 1});
  ASSERT_TRUE(inside.table->for_sealing(5, medical).has_value());
  EXPECT_FALSE(inside.table->take_waits().empty());
  inside.table->set_residency(eu, {true, records});
  ASSERT_TRUE(inside.table->for_sealing(5, medical).has_value());
  EXPECT_TRUE(inside.table->take_waits().empty());
}

TEST_F(ResidencyTest, a_copy_from_elsewhere_opens_where_the_key_is) {
  define();
  set_up(1'000);
  const auto version = seal(inside, 5, medical);
  ASSERT_TRUE(version.has_value());
  turn();
  const auto copy = outside.table->copy();
  Replica third{200};
  ASSERT_TRUE(third.table->take(crypto::Secret(*outside.table->kek(copy.check))));
  ASSERT_TRUE(third.table->install(copy));
  EXPECT_EQ(third.opens(5, {medical, *version}), "elsewhere");
  ASSERT_TRUE(ResidencyKeys(*third.keys).take(eu, crypto::Secret(Buffer(32, Byte{9}))));
  EXPECT_EQ(third.opens(5, {medical, *version}), "opens");
}

TEST_F(ResidencyTest, random_histories_are_alike_on_both_and_open_on_one) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    sim::Random random(seed);
    std::map<std::uint8_t, bool> is_resident;  // by class; once it has a key or a definition
    std::map<u128, std::set<KeyName>> keys;
    const u128 first = 1'000 * seed;
    const auto offset = static_cast<std::uint8_t>(10 * seed);
    if (seed == 1) define();
    for (int step = 0; step < 60; ++step) {
      set_up(~std::uint64_t{0});
      const u128 subject = first + random.below(4);
      const auto retention = static_cast<std::uint8_t>(offset + random.below(3));
      switch (random.below(8)) {
        case 0: {
          bool has_keys = false;
          for (const auto& [who, names] : keys)
            for (const KeyName& name : names) has_keys |= name.retention == retention;
          change(row_of(resident(retention, eu)));
          is_resident[retention] |= !has_keys;
          break;
        }
        case 1:
          change(forgotten_mark(subject));
          keys[subject].clear();
          break;
        case 2: turn(); break;
        case 3: (random.chance(0.5) ? inside : outside).restart(records); break;
        default: {
          Replica& at = is_resident[retention] ? inside : outside;
          const auto version = seal(at, subject, retention);
          if (version) keys[subject].insert({retention, *version});
        }
      }
      ASSERT_EQ(inside.table->rows(), outside.table->rows());
      for (const auto& [who, names] : keys)
        for (const KeyName& name : names) {
          ASSERT_EQ(inside.opens(who, name), "opens") << "step " << step;
          ASSERT_EQ(outside.opens(who, name), is_resident[name.retention] ? "elsewhere" : "opens")
              << "step " << step;
        }
    }
  }
  for (const KeyStore::Listing& key : outside.keys->list())
    EXPECT_FALSE(key.name.starts_with("residency")) << key.name;
}

}  // namespace
}  // namespace meridian::storage
