// Two replicas that fold the same rows, one of them in no region of the jurisdiction `eu`, so that
// it never holds a key of it. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "storage/cell_key_table.h"
#include "storage/internal/key_rig.h"

namespace meridian::storage {

inline constexpr std::uint8_t eu = 1, medical = 7, common = 1;

inline RetentionClass resident(std::uint8_t retention, std::uint8_t jurisdiction) {
  return {.retention = retention,
          .residency = jurisdiction,
          .keep = {12, 0},
          .defined = Day{19'675},
          .name = text_field<class_name_size>("medical"),
          .basis = text_field<class_basis_size>("a law")};
}

struct ResidencyReplica : KeyRig {
  std::unique_ptr<CellKeyTable> table;

  explicit ResidencyReplica(std::size_t passed_over) {
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

struct ResidencyRig {
  ResidencyReplica inside{0}, outside{100};
  std::uint64_t records = 0;
  std::uint32_t turns = 0;

  ResidencyRig() { turn(); }
  void turn() {
    const u128 check = *inside.table->offer();
    ASSERT_TRUE(outside.table->take(crypto::Secret(*inside.table->kek(check))));
    for (ResidencyReplica* one : {&inside, &outside})
      ASSERT_TRUE(*one->table->turn(turns + 1, check, records));
    ++turns, ++records;
  }
  void change(const KeyRow& row) {
    for (ResidencyReplica* one : {&inside, &outside}) one->table->change(row);
    ++records;
  }
  static crypto::Secret key_of(std::uint32_t turn) {
    return crypto::Secret{Buffer(32, static_cast<Byte>(9 + turn))};
  }
  void give_key(std::uint32_t turn = 0) {
    ASSERT_TRUE(ResidencyKeys(*inside.keys).take(eu, turn, key_of(turn)));
    change(residency_key_row(eu, turn, kek_check(key_of(turn).bytes())));
  }
  std::uint32_t turn_over() {
    const std::uint32_t turn = jurisdiction().next_turn();
    change(residency_turn_row(eu, turn));
    give_key(turn);
    return turn;
  }
  const Jurisdiction& jurisdiction() { return *inside.table->keeping().residency().find(eu); }
  /// Turns whose key is needed; on both replicas, or a text that says otherwise.
  std::string needed() {
    std::string all[2];
    for (int at = 0; at < 2; ++at)
      for (std::uint32_t turn = 0; turn < jurisdiction().next_turn(); ++turn)
        if ((at == 0 ? inside : outside).table->needs(jurisdiction(), turn))
          all[at] += std::to_string(turn) + " ";
    return all[0] == all[1] ? all[0] : all[0] + "and elsewhere " + all[1];
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
  Result<std::uint32_t> seal(ResidencyReplica& at, u128 subject, std::uint8_t retention) {
    at.table->make_in(1);
    const auto made = at.table->for_sealing(subject, retention);
    Result<std::uint32_t> version = std::uint32_t{0};
    if (made)
      *version = made->seal_version;
    else
      version = made.error();
    for (const KeyRow& row : at.table->take_unfolded()) {
      for (ResidencyReplica* one : {&inside, &outside})
        EXPECT_TRUE(one->table->add(row, records).has_value());
      ++records;
    }
    return version;
  }
};

}  // namespace meridian::storage
