#include "group_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace meridian::app {
namespace {

using ::testing::HasSubstr;

GroupFlags three() {
  GroupFlags flags;
  flags.replica_id = 2;
  flags.founders = {"1=eu@127.0.0.1:7501", "2=us@127.0.0.1:7502", "3=asia@127.0.0.1:7503"};
  return flags;
}

Result<std::optional<GroupSettings>> parse(const GroupFlags& flags,
                                           const std::string& grpc = "127.0.0.1:7402") {
  return parse_group(flags, "meridian", grpc, true);
}

TEST(GroupFlags, without_a_replica_id_the_node_is_alone_and_other_flags_are_refused) {
  EXPECT_FALSE(parse(GroupFlags{})->has_value());
  GroupFlags flags = three();
  flags.replica_id = 0;
  EXPECT_THAT(parse(flags).error().message, HasSubstr("--replica-id"));
}

TEST(GroupFlags, what_is_not_said_follows_from_the_founders) {
  const GroupSettings settings = **parse(three());
  EXPECT_EQ(settings.config.region, "us");
  EXPECT_EQ(settings.config.listen, "127.0.0.1:7502");
  EXPECT_EQ(settings.config.client_address, "127.0.0.1:7402");
  EXPECT_EQ(settings.config.founders.size(), 3U);
  EXPECT_EQ(settings.config.founders[2], (replica::MemberInfo{3, "asia", "127.0.0.1:7503"}));
  EXPECT_FALSE(settings.network.delay);
}

TEST(GroupFlags, founders_in_any_order_begin_one_cell_and_others_another) {
  GroupFlags flags = three();
  const u128 cell = (*parse(flags))->derived_cell.value();
  std::swap(flags.founders[0], flags.founders[2]);
  flags.replica_id = 1;
  EXPECT_TRUE((*parse(flags))->derived_cell.value() == cell);
  flags.founders[1] = "2=us@127.0.0.1:7509";
  EXPECT_FALSE((*parse(flags))->derived_cell.value() == cell);
}

TEST(GroupFlags, each_mistake_is_named) {
  const auto error_of = [](auto change, const std::string& grpc = "127.0.0.1:7402") {
    GroupFlags flags = three();
    change(flags);
    const auto parsed = parse(flags, grpc);
    return parsed ? std::string("accepted") : parsed.error().message;
  };
  EXPECT_THAT(error_of([](GroupFlags& f) { f.replica_id = 4; }), HasSubstr("replica 4"));
  EXPECT_THAT(error_of([](GroupFlags& f) { f.region = "eu"; }), HasSubstr("in 'us'"));
  EXPECT_THAT(error_of([](GroupFlags& f) { f.founders[0] = "2=eu@127.0.0.1:1"; }),
              HasSubstr("two replicas have the id 2"));
  EXPECT_THAT(error_of([](GroupFlags& f) { f.founders[0] = "1=eu@127.0.0.1:7503"; }),
              HasSubstr("one address"));
  EXPECT_THAT(error_of([](GroupFlags& f) { f.founders[0] = "1@127.0.0.1:7501"; }),
              HasSubstr("ID=REGION@HOST:PORT"));
  EXPECT_THAT(error_of([](GroupFlags& f) { f.founders[0] = "x=eu@127.0.0.1:7501"; }),
              HasSubstr("no id"));
  EXPECT_THAT(error_of([](GroupFlags& f) { f.founders[0] = "1=@127.0.0.1:7501"; }),
              HasSubstr("no region"));
  EXPECT_THAT(error_of([](GroupFlags& f) { f.founders[0] = "1=eu@127.0.0.1:0"; }),
              HasSubstr("no port"));
  EXPECT_THAT(error_of([](GroupFlags& f) { f.peer_listen = "0.0.0.0:7502"; }),
              HasSubstr("--peer-listen"));
  EXPECT_THAT(error_of([](GroupFlags& f) { f.link_delays = {"mars=3"}; }), HasSubstr("mars"));
  EXPECT_THAT(error_of([](GroupFlags& f) { f.link_delays = {"-3"}; }), HasSubstr("--link-delay"));
  EXPECT_THAT(error_of([](GroupFlags&) {}, "127.0.0.1:0"), HasSubstr("--advertise"));
}

TEST(GroupFlags, delays_go_by_the_region_a_link_leads_to_and_set_the_timing) {
  GroupFlags flags = three();
  flags.link_delays = {"40", "asia=80"};
  const GroupSettings settings = **parse(flags);
  EXPECT_EQ(settings.network.delay(io::PeerId{1}).one_way, io::milliseconds(40));
  EXPECT_EQ(settings.network.delay(io::PeerId{3}).one_way, io::milliseconds(80));
  EXPECT_EQ(settings.config.round_trip, io::milliseconds(160));
  EXPECT_GT(settings.config.timing.election, consensus::Timing().election);
  flags.round_trip_ms = 10;
  EXPECT_EQ((*parse(flags))->config.round_trip, io::milliseconds(10));
}

TEST(GroupFlags, a_cell_is_named_by_a_uuid_with_or_without_hyphens) {
  EXPECT_TRUE(*parse_cell("00112233-4455-6677-8899-aabbccddeeff") ==
              *parse_cell("00112233445566778899aabbccddeeff"));
  EXPECT_THAT(parse_cell("0011").error().message, HasSubstr("--cell"));
}

}  // namespace
}  // namespace meridian::app
