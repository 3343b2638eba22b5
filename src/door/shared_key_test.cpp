// The door of one of several replicas: it works once the cell's key was handed to it.
#include <gtest/gtest.h>

#include "door/internal/door_rig.h"

namespace meridian::door {
namespace {

class SharedKeyTest : public testing::Test {
 protected:
  SharedKeyTest() {
    for (DoorRig* one : {&first, &second}) {
      one->has_replicas = true;
      EXPECT_TRUE(one->open());
    }
  }
  void hand_key(DoorRig& rig) {
    rig.door->take_cell_key(crypto::Secret(Buffer(32, Byte{7})),
                            [](const Error& error) { FAIL() << error.message; });
    rig.world.run_until_idle();
  }

  DoorRig first{1}, second{2};  // different key stores
};

TEST_F(SharedKeyTest, nothing_is_sealed_or_named_before_the_key_is_here) {
  ASSERT_FALSE(first.door->ready());
  EXPECT_EQ(first.door->ready().error().code, Code::unavailable);
  EXPECT_EQ(first.door->actor_id("ada"), 0u);
  const auto made = first.prepare({event_draft(1)});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::unavailable);
  EXPECT_NE(made.error().message.find("nothing was done"), std::string::npos);
  const ledger::Transfer transfer{};
  EXPECT_EQ(first.door
                ->prepare_packed(5, ledger::CommandKind::create_transfer,
                                 {reinterpret_cast<const Byte*>(&transfer), sizeof transfer})
                .error()
                .code,
            Code::unavailable);
  hand_key(first);
  EXPECT_TRUE(first.door->ready());
  EXPECT_TRUE(first.prepare({event_draft(1)}));
}

TEST_F(SharedKeyTest, what_one_replica_sealed_another_opens_and_names_alike) {
  hand_key(first);
  hand_key(second);
  const EventDraft draft = event_draft(1);
  const auto made = first.prepare({draft});
  ASSERT_TRUE(made);
  EXPECT_EQ(first.door->stream_id(draft.stream), second.door->stream_id(draft.stream));
  const auto opened = second.open_event(DoorRig::sealed(**made));
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->data, draft.data);
  const auto again = second.prepare({draft});
  ASSERT_TRUE(again);
  EXPECT_EQ(DoorRig::sealed(**made).header.payload_commitment,
            DoorRig::sealed(**again).header.payload_commitment)
      << "a retry through another door commits to the same";
}

TEST_F(SharedKeyTest, the_key_stays_after_a_restart_and_a_crash) {
  hand_key(first);
  const u128 name = first.door->stream_id("orders-1");
  first.close();
  ASSERT_TRUE(first.open());
  EXPECT_TRUE(first.door->ready());
  EXPECT_EQ(first.door->stream_id("orders-1"), name);
  first.crash(3);
  ASSERT_TRUE(first.open());
  EXPECT_EQ(first.door->stream_id("orders-1"), name);
  hand_key(first);  // again, as after a crash before the record was known: nothing changes
  EXPECT_EQ(first.door->stream_id("orders-1"), name);
}

TEST_F(SharedKeyTest, a_disk_that_cannot_keep_the_key_is_told) {
  first.disk->set_capacity(1);
  std::optional<Error> failed;
  first.door->take_cell_key(crypto::Secret(Buffer(32, Byte{7})),
                            [&](const Error& error) { failed = error; });
  first.world.run_until_idle();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->code, Code::resource_exhausted);
  EXPECT_FALSE(first.door->ready());
}

TEST_F(SharedKeyTest, who_seals_for_a_person_waits_for_the_records_of_its_keys) {
  hand_key(first);
  storage::CellKeyTable& table = *first.door->shared_keys();
  const u128 kek = *table.offer();
  ASSERT_TRUE(*table.turn(1, kek, 0));
  std::vector<storage::KeyRow> missing;
  std::function<void(Status)> go_on;
  first.door->on_missing_keys([&](const MissingKeys& rows, auto next) {
    missing = rows.rows;
    go_on = std::move(next);
  });
  std::optional<DoorRig::Made> made;
  const auto prepare = [&] {
    made.reset();
    first.door->prepare(5, {event_draft(1, "anna")}, false,
                        [&](DoorRig::Made got) { made = std::move(got); });
    first.world.run_until_idle();
  };
  prepare();
  EXPECT_TRUE(missing.empty()) << "it does not lead: no key is made";
  ASSERT_TRUE(go_on);
  EXPECT_FALSE(made);

  table.make_in(7);
  go_on({});
  first.world.run_until_idle();
  ASSERT_EQ(missing.size(), 2u) << "K_commit and that of the class";
  EXPECT_FALSE(made) << "nothing is sealed for good under a key that no record holds";
  for (const storage::KeyRow& row : missing) ASSERT_TRUE(table.add(row, 0));
  go_on({});
  first.world.run_until_idle();
  ASSERT_TRUE(made && *made);
  EXPECT_EQ((**made)->only_in_term, 7u);
  EXPECT_TRUE(first.open_event(DoorRig::sealed(***made)));

  prepare();
  EXPECT_TRUE(made && *made) << "its keys are known now";
}

TEST_F(SharedKeyTest, whoever_cannot_get_keys_is_told_that_nothing_was_done) {
  hand_key(first);
  int asked = 0;
  first.door->on_missing_keys([&](const auto&, auto next) {
    ++asked;
    next({});
  });
  EXPECT_EQ(first.prepare({event_draft(1, "anna")}).error().code, Code::unavailable);
  EXPECT_GT(asked, 1) << "it was tried again";
  EXPECT_TRUE(first.prepare({event_draft(1)})) << "payloads about nobody need none";
}

}  // namespace
}  // namespace meridian::door
