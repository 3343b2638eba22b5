// Residency in a cell of three replicas, of which the third is in no region of the jurisdiction.
#include <gtest/gtest.h>

#include "cell/internal/keepers_rig.h"
#include "sim/random.h"

namespace meridian::cell {
namespace {

constexpr std::uint8_t medical = 7, common = 1;
const std::string well = "{\"note\":\"well\"}";

door::RetentionDraft medical_class(std::string residency = "eu", std::uint8_t retention = medical) {
  return {{.retention = retention,
           .name = storage::text_field<storage::class_name_size>("medical"),
           .basis = storage::text_field<storage::class_basis_size>("a law")},
          std::move(residency)};
}

struct ResidencyTest : testing::Test {
  Keepers cell{1};

  ~ResidencyTest() override { EXPECT_TRUE(cell.fatal.empty()) << cell.fatal.front(); }

  std::string keep(std::uint64_t at, door::KeepingDraft draft) {
    const auto kept = cell.keep(at, std::move(draft));
    if (!kept) return "no answer";
    return *kept ? "done" : kept->error().message;
  }
  void lead_and_define(std::uint64_t leader) {
    cell.lead(leader);
    cell.run(io::seconds(1));
    ASSERT_EQ(keep(leader, door::ResidencyDraft{"eu", {"region-1", "region-2"}}), "done");
    ASSERT_EQ(keep(leader, medical_class()), "done");
    cell.run(io::seconds(3));
  }
  std::string append(std::uint64_t at, u128 id, std::uint8_t retention = medical,
                     const std::string& who = "anna", ledger::RecordIndex* record = nullptr) {
    const auto appended = cell.append(at, id, who, io::seconds(10), retention);
    if (!appended) return "no answer";
    if (!*appended)
      return storage::is_residency_unavailable(appended->error()) ? "RESIDENCY_UNAVAILABLE"
                                                                  : appended->error().message;
    if (record != nullptr) *record = **appended;
    return "done";
  }
  std::string reads(std::uint64_t at, ledger::RecordIndex record) {
    const auto event = cell.read(at, record);
    if (!event) return event.error().message;
    return event->forgotten ? "forgotten" : std::string(as_text(event->data));
  }
  std::vector<storage::ResidencyKeys::Held> keys_at(std::uint64_t id) {
    return storage::ResidencyKeys(*cell.members[id].keys).held();
  }
  std::size_t keys_of_jurisdictions(std::uint64_t id) {
    std::size_t count = 0;
    for (const auto& key : cell.members[id].keys->list())
      count += key.name.starts_with("residency") ? 1 : 0;
    EXPECT_EQ(count, keys_at(id).size());
    return count;
  }
  const storage::Jurisdiction& eu(std::uint64_t id) {
    return *cell.members[id].door->shared_keys()->keeping().residency().find("eu");
  }
  std::string turn_over(std::uint64_t at) { return keep(at, door::ResidencyTurnDraft{"eu"}); }
  Buffer key_bytes(std::uint64_t id, std::uint32_t turn) {
    return to_buffer(
        *storage::ResidencyKeys(*cell.members[id].keys).find({1, turn, eu(id).keys[turn]}));
  }
  bool holds_bytes(std::uint64_t id, Bytes bytes) {
    const auto& keys = *cell.members[id].keys;
    return std::ranges::any_of(keys.list(), [&](const storage::KeyStore::Listing& key) {
      const auto one = keys.get(key.name, key.version);
      return one && equal(one->secret, bytes);
    });
  }
};

TEST_F(ResidencyTest, replicas_in_its_regions_read_it_and_the_one_elsewhere_says_whom_to_ask) {
  lead_and_define(1);
  ledger::RecordIndex record{};
  ASSERT_EQ(append(1, 1, medical, "anna", &record), "done");
  cell.run(io::seconds(1));
  EXPECT_EQ(reads(1, record), well);
  EXPECT_EQ(reads(2, record), well);
  const std::string why = reads(3, record);
  EXPECT_TRUE(why.starts_with("RESIDENCY_UNAVAILABLE: ")) << why;
  EXPECT_NE(why.find("eu (region-1, region-2)"), std::string::npos) << why;
  EXPECT_EQ(keys_of_jurisdictions(1), 1u);
  EXPECT_EQ(keys_of_jurisdictions(2), 1u);
  EXPECT_EQ(keys_of_jurisdictions(3), 0u);
}

TEST_F(ResidencyTest, a_leader_elsewhere_has_the_key_made_and_writes_what_lives_anywhere) {
  lead_and_define(3);
  EXPECT_EQ(append(3, 1), "RESIDENCY_UNAVAILABLE");
  EXPECT_EQ(append(3, 2, common), "done");
  EXPECT_EQ(keys_of_jurisdictions(3), 0u);
  cell.lead(2);
  cell.run(io::seconds(1));
  ledger::RecordIndex record{};
  EXPECT_EQ(append(2, 3, medical, "anna", &record), "done");
  cell.run(io::seconds(1));
  EXPECT_EQ(reads(1, record), well);
}

TEST_F(ResidencyTest, with_one_region_down_such_writes_are_refused_and_others_go_on) {
  lead_and_define(1);
  ASSERT_EQ(append(1, 1), "done");
  cell.stop(2);
  cell.run(io::seconds(4));
  EXPECT_EQ(append(1, 2), "RESIDENCY_UNAVAILABLE") << "its keys are there, and one region is down";
  EXPECT_EQ(append(1, 3, medical, "bert"), "RESIDENCY_UNAVAILABLE");
  EXPECT_EQ(append(1, 4, common, "bert"), "done");
  cell.start(2);
  cell.run(io::seconds(1));
  EXPECT_EQ(append(1, 2), "done");
  EXPECT_EQ(append(1, 3, medical, "bert"), "done");
}

TEST_F(ResidencyTest, nothing_is_written_under_keys_that_one_region_alone_has) {
  lead_and_define(1);
  cell.members[2].is_cut_off = true;
  EXPECT_EQ(append(1, 1, medical, "bert"), "RESIDENCY_UNAVAILABLE") << "heard just before";
  cell.members[2].is_cut_off = false;
  ASSERT_EQ(append(1, 2, common, "carl"), "done");
  cell.run(io::seconds(1));
  EXPECT_EQ(append(1, 1, medical, "bert"), "done");
}

TEST_F(ResidencyTest, a_replica_elsewhere_is_not_given_the_key_even_if_it_asks) {
  lead_and_define(1);
  const u128 check = cell.members[1].door->shared_keys()->keeping().residency().find("eu")->key();
  ASSERT_NE(check, 0u);
  std::map<std::uint64_t, int> answered;
  cell.sent = [&](std::uint64_t, std::uint64_t to, const KeyMessage& message) {
    if (const auto* answer = std::get_if<KeyAnswer>(&message); answer && answer->check == check)
      ++answered[to];
  };
  const crypto::ExchangeKey once(std::array<Byte, 32>{5});
  for (const std::uint64_t from : {2, 3})
    cell.members[1].custodian->receive(from,
                                       encode_key_message(KeyQuestion{check, once.public_key()}));
  cell.run(io::seconds(1));
  EXPECT_EQ(answered, (std::map<std::uint64_t, int>{{2, 1}}));
}

TEST_F(ResidencyTest, forgetting_reaches_what_lives_elsewhere) {
  lead_and_define(3);
  cell.lead(1);
  cell.run(io::seconds(1));
  ledger::RecordIndex anna{}, bert{};
  ASSERT_EQ(append(1, 1, medical, "anna", &anna), "done");
  ASSERT_EQ(append(1, 2, medical, "bert", &bert), "done");
  cell.lead(3);
  cell.run(io::seconds(1));
  const auto forgotten = cell.forget(3, "anna");
  ASSERT_TRUE(forgotten && *forgotten);
  EXPECT_EQ((*forgotten)->keys_destroyed, 2u);
  cell.run(io::seconds(1));
  for (const std::uint64_t id : {1, 2, 3}) EXPECT_EQ(reads(id, anna), "forgotten");
  EXPECT_EQ(reads(1, bert), well);
  EXPECT_EQ(reads(2, bert), well);
}

TEST_F(ResidencyTest, what_is_defined_is_checked_and_stays) {
  lead_and_define(1);
  const auto says = [](const std::string& text, std::string_view words) {
    return text.find(words) != std::string::npos;
  };
  EXPECT_TRUE(says(keep(1, door::ResidencyDraft{"us", {"region-1"}}), "two regions or more"));
  EXPECT_TRUE(says(keep(1, door::ResidencyDraft{"us", {"region-1", "region-1"}}), "named once"));
  EXPECT_TRUE(says(keep(1, door::ResidencyDraft{"us", {"region-1", "mars"}}), "'mars'"));
  EXPECT_TRUE(says(keep(1, door::ResidencyDraft{"eu", {"region-1", "region-3"}}), "region-2"));
  EXPECT_EQ(keep(1, door::ResidencyDraft{"us", {"region-1", "region-3"}}), "done");
  EXPECT_TRUE(says(keep(1, medical_class("us")), "stays there"));
  EXPECT_TRUE(says(keep(1, medical_class("asia", 8)), "no jurisdiction 'asia'"));
  EXPECT_EQ(keep(1, medical_class("")), "done") << "it says nothing of it";
  ASSERT_EQ(append(1, 1, 9), "done");
  EXPECT_TRUE(says(keep(1, medical_class("eu", 9)), "has keys of persons already"));
}

TEST_F(ResidencyTest, two_definitions_at_once_do_not_become_one) {
  cell.lead(1);
  cell.run(io::seconds(1));
  std::vector<std::string> said;
  for (const char* const name : {"eu", "us"})
    cell.members[1].custodian->keep(5, door::ResidencyDraft{name, {"region-1", "region-2"}},
                                    [&](const Result<KeepAnswer>& kept) {
                                      said.emplace_back(kept ? "done" : kept.error().message);
                                    });
  cell.run(io::seconds(1));
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(said[0], "done");
  EXPECT_NE(said[1].find("recorded just before"), std::string::npos) << said[1];
  EXPECT_EQ(keep(1, door::ResidencyDraft{"us", {"region-1", "region-2"}}), "done");
}

TEST_F(ResidencyTest, a_region_that_is_added_reads_what_is_there) {
  lead_and_define(1);
  ledger::RecordIndex record{};
  ASSERT_EQ(append(1, 1, medical, "anna", &record), "done");
  ASSERT_EQ(keep(1, door::ResidencyDraft{"eu", {"region-1", "region-2", "region-3"}}), "done");
  cell.run(io::seconds(3));
  EXPECT_EQ(reads(3, record), well);
}

TEST_F(ResidencyTest, one_that_was_away_while_the_key_was_made_gets_it) {
  cell.lead(1);
  cell.run(io::seconds(1));
  ASSERT_EQ(keep(1, door::ResidencyDraft{"eu", {"region-1", "region-2", "region-3"}}), "done");
  ASSERT_EQ(keep(1, medical_class()), "done");
  cell.stop(3);
  cell.run(io::seconds(4));
  ledger::RecordIndex record{};
  ASSERT_EQ(append(1, 1, medical, "anna", &record), "done") << "two of three are enough";
  cell.start(3);
  cell.run(io::seconds(3));
  EXPECT_EQ(reads(3, record), well);
}

// --- turning the key over ---

TEST_F(ResidencyTest, a_leader_elsewhere_turns_the_key_over_and_the_one_before_goes_with_its_rows) {
  lead_and_define(1);
  ledger::RecordIndex anna{}, bert{};
  ASSERT_EQ(append(1, 1, medical, "anna", &anna), "done");
  cell.lead(3);
  cell.run(io::seconds(1));
  ASSERT_EQ(turn_over(3), "done");
  cell.run(io::seconds(2));
  for (const std::uint64_t id : {1, 2, 3}) {
    EXPECT_EQ(eu(id).turn(), 1u);
    EXPECT_FALSE(eu(id).is_turning);
    EXPECT_EQ(keys_of_jurisdictions(id), id == 3 ? 0u : 2u);
  }
  const auto handed_over = cell.hand_over(1, Keepers::draft_of(2, "bert", medical));
  cell.run(io::seconds(3));
  ASSERT_TRUE(*handed_over && **handed_over) << (*handed_over)->error().message;
  bert = ***handed_over;
  for (const std::uint64_t id : {1, 2}) {
    EXPECT_EQ(reads(id, anna), well);
    EXPECT_EQ(reads(id, bert), well);
  }
  const Buffer old_key = key_bytes(1, 0);
  EXPECT_TRUE(holds_bytes(1, old_key));
  ASSERT_TRUE(*cell.forget(3, "bert"));
  cell.run(io::seconds(2));
  EXPECT_TRUE(holds_bytes(2, old_key)) << "anna's row needs it";
  ASSERT_TRUE(*cell.forget(3, "anna"));
  cell.run(io::seconds(2));
  for (const std::uint64_t id : {1, 2}) {
    EXPECT_FALSE(holds_bytes(id, old_key)) << id;
    EXPECT_EQ(keys_of_jurisdictions(id), 1u);
    EXPECT_EQ(reads(id, anna), "forgotten");
    cell.stop(id);
    cell.start(id);
    EXPECT_FALSE(holds_bytes(id, old_key)) << "durably";
  }
}

TEST_F(ResidencyTest, a_stolen_key_opens_nothing_that_was_sealed_since_it_was_turned_over) {
  lead_and_define(1);
  ledger::RecordIndex before{}, after{};
  ASSERT_EQ(append(1, 1, medical, "anna", &before), "done");
  const Buffer stolen = key_bytes(2, 0);
  ASSERT_EQ(turn_over(1), "done");
  cell.run(io::seconds(2));
  ASSERT_EQ(append(1, 2, medical, "anna", &after), "done");
  cell.run(io::seconds(1));
  EXPECT_EQ(reads(2, after), well);
  // A replica with all that there is, but the stolen key in the place of the one in use.
  storage::ResidencyKeys keys(*cell.members[2].keys);
  std::string name;
  for (const auto& key : cell.members[2].keys->list())
    if (key.name.starts_with("residency-1-1-")) name = key.name;
  ASSERT_TRUE(keys.destroy({1, 1, eu(2).keys[1]}));
  ASSERT_TRUE(cell.members[2].keys->add_given({{name, stolen}}));
  EXPECT_EQ(reads(2, before), well);
  EXPECT_NE(reads(2, after), well);
  EXPECT_EQ(reads(1, after), well);
}

TEST_F(ResidencyTest, one_that_was_down_and_a_region_of_later_get_the_keys_of_all_turns) {
  cell.join();
  lead_and_define(1);
  ASSERT_EQ(keep(1, door::ResidencyDraft{"eu", {"region-1", "region-2", "region-3"}}), "done");
  cell.run(io::seconds(2));
  ledger::RecordIndex before{}, after{};
  ASSERT_EQ(append(1, 1, medical, "anna", &before), "done");
  cell.stop(3);
  ASSERT_EQ(turn_over(1), "done");
  cell.run(io::seconds(2));
  ASSERT_EQ(append(1, 2, medical, "anna", &after), "done");
  cell.start(3);
  cell.run(io::seconds(3));
  EXPECT_EQ(reads(3, before), well);
  EXPECT_EQ(reads(3, after), well);
  EXPECT_FALSE(reads(4, after) == well);
  ASSERT_EQ(keep(1, door::ResidencyDraft{"eu", {"region-1", "region-2", "region-3", "region-4"}}),
            "done");
  cell.run(io::seconds(3));
  EXPECT_EQ(reads(4, before), well);
  EXPECT_EQ(reads(4, after), well);
}

TEST_F(ResidencyTest, who_leads_next_goes_on_with_a_turn_that_was_begun) {
  lead_and_define(1);
  cell.members[2].is_cut_off = true;
  ASSERT_EQ(turn_over(1), "done");
  cell.run(io::seconds(3));
  EXPECT_TRUE(eu(1).is_turning);
  EXPECT_EQ(eu(1).turn(), 0u) << "one region alone holds the next one";
  const std::string again = turn_over(1);
  EXPECT_NE(again.find("turned over already"), std::string::npos) << again;
  cell.lead(3);
  cell.crash(1, 7);
  cell.start(1);
  cell.run(io::seconds(2));
  EXPECT_TRUE(eu(1).is_turning);
  cell.members[2].is_cut_off = false;
  ASSERT_EQ(keep(3, medical_class("eu", 8)), "done");
  cell.run(io::seconds(3));
  for (const std::uint64_t id : {1, 2, 3}) EXPECT_EQ(eu(id).turn(), 1u) << id;
}

TEST_F(ResidencyTest, a_key_that_did_not_come_to_count_is_destroyed) {
  lead_and_define(1);
  ASSERT_EQ(append(1, 1), "done");
  cell.run(io::seconds(1));
  cell.percent_lost = 100;
  ASSERT_EQ(turn_over(1), "done");
  cell.run(io::seconds(4));
  ASSERT_EQ(keys_at(1).size(), 2u);
  ASSERT_EQ(keys_at(2).size(), 2u);
  ASSERT_NE(keys_at(1), keys_at(2)) << "each made one";
  cell.percent_lost = 0;
  cell.run(io::seconds(3));
  EXPECT_EQ(eu(1).turn(), 1u);
  EXPECT_EQ(keys_at(1), keys_at(2));
  EXPECT_EQ(keys_at(1).size(), 2u) << "the first one opens what was sealed before";
}

TEST_F(ResidencyTest, a_turn_is_refused_with_what_there_is_to_do) {
  const auto says = [](const std::string& text, std::string_view words) {
    return text.find(words) != std::string::npos;
  };
  cell.lead(1);
  cell.run(io::seconds(1));
  EXPECT_TRUE(says(turn_over(1), "none is defined"));
  cell.members[2].is_cut_off = true;
  ASSERT_EQ(keep(1, door::ResidencyDraft{"eu", {"region-1", "region-2"}}), "done");
  EXPECT_TRUE(says(turn_over(1), "has no key yet"));
  EXPECT_TRUE(says(keep(1, door::ResidencyTurnDraft{"us"}), "'us': there are eu"));
}

TEST(Residency, with_messages_lost_and_power_failing_what_was_acknowledged_is_read_where_it_lives) {
  std::uint32_t turns = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Keepers cell(seed, 4);  // 4 is elsewhere
    sim::Random random(seed);
    cell.lead(1);
    cell.run(io::seconds(1));
    const auto defined =
        cell.keep(1, door::ResidencyDraft{"eu", {"region-1", "region-2", "region-3"}});
    ASSERT_TRUE(defined && *defined);
    const auto kept = cell.keep(1, medical_class());
    ASSERT_TRUE(kept && *kept);
    cell.percent_lost = 20;
    std::map<ledger::RecordIndex, std::string> written;
    std::set<std::string> forgotten;
    std::uint64_t leader = 1;
    for (u128 step = 1; step <= 40; ++step) {
      const std::string who = "person-" + std::to_string(random.below(6));
      switch (random.below(9)) {
        case 8: cell.keep(leader, door::ResidencyTurnDraft{"eu"}); break;
        case 0: cell.lead(leader = 1 + random.below(4)); break;
        case 1: {
          const std::uint64_t id = 1 + random.below(4);
          cell.crash(id, random.next());
          cell.run(io::seconds(static_cast<std::int64_t>(random.below(5))));
          cell.start(id);
          break;
        }
        case 2: {
          const auto done = cell.forget(leader, who);
          if (!done || *done || done->error().code != Code::unavailable) forgotten.insert(who);
          break;
        }
        default: {
          const auto record = cell.append(leader, step, who, io::seconds(15),
                                          random.chance(0.7) ? medical : common);
          if (record && *record) written[**record] = who;
        }
      }
    }
    cell.percent_lost = 0;
    cell.run(io::seconds(8));
    EXPECT_GT(written.size(), 3u);
    for (const std::uint64_t id : {1, 2, 3}) {
      const storage::CellKeyTable& table = *cell.members[id].door->shared_keys();
      const storage::Jurisdiction& place = *table.keeping().residency().find("eu");
      EXPECT_FALSE(place.is_turning);
      turns += place.turn();
      for (const auto& held : storage::ResidencyKeys(*cell.members[id].keys).held())
        EXPECT_TRUE(table.needs(place, held.turn) && place.keys[held.turn] == held.check)
            << "turn " << held.turn << " at " << id;
    }
    for (const auto& [record, who] : written) {
      for (const std::uint64_t id : {1, 2, 3}) {
        const auto event = cell.read(id, record);
        ASSERT_TRUE(event.has_value()) << event.error().message;
        if (!forgotten.contains(who)) {
          EXPECT_FALSE(event->forgotten) << who << " at " << id;
        }
      }
      const auto elsewhere = cell.read(4, record);
      EXPECT_TRUE(elsewhere || storage::is_residency_unavailable(elsewhere.error()));
    }
    for (const auto& key : cell.members[4].keys->list())
      EXPECT_FALSE(key.name.starts_with("residency")) << key.name;
    EXPECT_TRUE(cell.fatal.empty()) << cell.fatal.front();
  }
  EXPECT_GT(turns, 12u);
}

}  // namespace
}  // namespace meridian::cell
