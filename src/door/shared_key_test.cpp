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

TEST_F(SharedKeyTest, payloads_about_a_person_are_refused_saying_so) {
  hand_key(first);
  const auto made = first.prepare({event_draft(1, "anna")});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::failed_precondition);
  EXPECT_NE(made.error().message.find("about a person"), std::string::npos);
  EventDraft draft = event_draft(2);
  draft.more.push_back({"bert", 3, to_buffer(as_bytes("for bert"))});
  EXPECT_FALSE(first.prepare({draft}));
  EXPECT_EQ(first.forget("anna").error().code, Code::failed_precondition);
}

}  // namespace
}  // namespace meridian::door
