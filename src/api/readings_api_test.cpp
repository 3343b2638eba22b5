// Personal data is given for a purpose, by every way there is, and then it is owed to the records.
#include <gmock/gmock.h>

#include "api/internal/acts_rig.h"
#include "meridian/v1/readings.grpc.pb.h"

namespace meridian::api {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ReadingsApiTest : public ActsTest {
 protected:
  ReadingsApiTest() {
    set_policy("");
    append("order-1", "", 1);
    append("order-1", "anna", 2);
    append("order-2", "anna", 3);
  }
  void set_policy(const std::string& settings) {
    rig_.replace_policy(settings + R"(grants:
  - who: spiffe://eu-west.bank.example/service/clerk
    roles: [writer, reader]
    actions: [subjects.export]
    cells: all
    ledgers: all
    streams: all
  - who: spiffe://eu-west.bank.example/person/olga
    roles: regulator
    cells: all
    ledgers: all
    streams: all
  - who: spiffe://eu-west.bank.example/person/*
    roles: [operator, auditor]
    cells: all
    ledgers: all
)");
  }
  void append(const std::string& stream, const std::string& subject, u128 id) {
    v1::AppendRequest request;
    auto& event = *request.add_events();
    Buffer bytes(16);
    store_le(bytes.data(), id);
    event.set_event_id(std::string(as_text(bytes)));
    event.set_stream(stream);
    event.set_type("noted");
    event.set_data("{}");
    event.set_subject(subject);
    EXPECT_EQ(called(clerk_, "/meridian.v1.Streams/Append", request), "0 ");
  }
  static void give(grpc::ClientContext& context, const std::string& purpose) {
    SecuredRig::limit(context);
    if (!purpose.empty()) context.AddMetadata("meridian-purpose", purpose);
  }
  std::string read(const SecuredRig::Somebody& who, const std::string& stream,
                   const std::string& purpose) {
    v1::ReadRequest request;
    request.set_stream(stream);
    v1::ReadReply reply;
    grpc::ClientContext context;
    give(context, purpose);
    std::string said = words(v1::Streams::NewStub(who.channel)->Read(&context, request, &reply));
    got_ = static_cast<std::size_t>(reply.events_size());
    return said;
  }
  std::string read(const std::string& stream, const std::string& purpose) {
    return read(clerk_, stream, purpose);
  }
  std::string subscribe(const std::string& stream, const std::string& purpose) {
    v1::SubscribeRequest request;
    request.set_stream(stream);
    grpc::ClientContext context;
    give(context, purpose);
    const auto reader = v1::Streams::NewStub(clerk_.channel)->Subscribe(&context, request);
    v1::RecordedEvent event;
    got_ = 0;
    while (got_ < 2 && reader->Read(&event)) ++got_;
    if (got_ == 2) context.TryCancel();
    return words(reader->Finish());
  }
  std::string exported(const std::string& purpose) {
    v1::ExportRequest request;
    request.set_subject("anna");
    v1::ExportReply reply;
    grpc::ClientContext context;
    give(context, purpose);
    std::string said =
        words(v1::Subjects::NewStub(clerk_.channel)->Export(&context, request, &reply));
    got_ = static_cast<std::size_t>(reply.events_size());
    return said;
  }
  u128 stream_id(const std::string& name) { return rig_.cell.cell->door().stream_id(name); }

  SecuredRig::Somebody olga_ = rig_.somebody("/person/olga");
  std::size_t got_ = 0;
};

TEST_F(ReadingsApiTest, without_a_purpose_personal_data_is_not_given_by_any_way) {
  EXPECT_THAT(read("order-1", ""), AllOf(StartsWith("7 "), HasSubstr("--purpose")));
  EXPECT_THAT(subscribe("order-1", ""), AllOf(StartsWith("7 "), HasSubstr("--purpose")));
  EXPECT_EQ(got_, 0U);
  EXPECT_THAT(exported(""), AllOf(StartsWith("7 "), HasSubstr("--purpose")));
  for (const char* path : {"/v1/streams/order-1", "/v1/categories/order", "/v1/events"})
    EXPECT_THAT(rig_.http(clerk_).get(path),
                AllOf(StartsWith("HTTP/1.1 403 "), HasSubstr("Meridian-Purpose")))
        << path;
  EXPECT_TRUE(readings_->owed().empty());
}

TEST_F(ReadingsApiTest, with_a_purpose_it_is_given_and_owed) {
  EXPECT_EQ(read("order-1", "case 2026-114"), "0 ");
  EXPECT_EQ(got_, 2U);
  EXPECT_EQ(read("order-1", "case 2026-114"), "0 ");
  const std::vector<cell::Reading> owed = readings_->owed();
  ASSERT_EQ(owed.size(), 1U);
  EXPECT_EQ(owed[0].purpose, "case 2026-114");
  EXPECT_EQ(owed[0].stream, stream_id("order-1"));
  EXPECT_EQ(owed[0].count, 2U) << "of two events one is about somebody, and it was read twice";
  EXPECT_EQ(owed[0].first, owed[0].last);
  EXPECT_EQ(owed[0].actor, rig_.cell.cell->door().actor_id(clerk_.id));
  subscribe("order-1", "case 7");
  EXPECT_EQ(got_, 2U);
  EXPECT_EQ(readings_->owed().size(), 2U);
  EXPECT_EQ(exported("access request 12"), "0 ");
  EXPECT_EQ(got_, 2U);
  bool is_there = false;
  for (const cell::Reading& one : readings_->owed())
    is_there |= one.subject == rig_.cell.cell->door().subject_id("anna") && one.count == 2;
  EXPECT_TRUE(is_there);
}

TEST_F(ReadingsApiTest, a_purpose_that_names_somebody_or_is_none_is_refused) {
  for (const char* purpose : {"no", "for ada@example.com"}) {
    EXPECT_THAT(read("order-1", purpose), StartsWith("3 purpose:"));
    EXPECT_THAT(subscribe("order-1", purpose), StartsWith("3 purpose:"));
    EXPECT_THAT(exported(purpose), StartsWith("3 purpose:"));
  }
  EXPECT_TRUE(readings_->owed().empty());
}

TEST_F(ReadingsApiTest, what_is_about_nobody_needs_none) {
  append("plain-1", "", 9);
  EXPECT_EQ(read("plain-1", ""), "0 ");
  EXPECT_EQ(read("plain-1", "case 7"), "0 ");
  EXPECT_TRUE(readings_->owed().empty());
}

TEST_F(ReadingsApiTest, a_policy_may_let_it_be_but_for_regulators) {
  set_policy("purpose: optional\n");
  EXPECT_EQ(read("order-1", ""), "0 ");
  ASSERT_EQ(readings_->owed().size(), 1U) << "it is recorded all the same";
  EXPECT_EQ(readings_->owed()[0].purpose, "");
  EXPECT_THAT(read(olga_, "order-1", ""), StartsWith("7 "));
  EXPECT_EQ(read(olga_, "order-1", "supervision 2026"), "0 ");
}

TEST_F(ReadingsApiTest, where_readings_cannot_be_recorded_nothing_is_given) {
  rig_.cell.backend->readings = nullptr;
  EXPECT_THAT(read("order-1", "case 7"), StartsWith("14 "));
  EXPECT_EQ(got_, 0U);
  rig_.cell.backend->readings = readings_.get();
}

TEST_F(ReadingsApiTest, auditors_see_who_read_and_what_for_and_no_names) {
  EXPECT_EQ(read("order-1", "case 2026-114"), "0 ");
  std::promise<void> written;
  readings_->write([&] { written.set_value(); });
  written.get_future().wait();
  v1::ReadingsReply reply;
  grpc::ClientContext context;
  SecuredRig::limit(context);
  EXPECT_EQ(words(v1::Readings::NewStub(ada_.channel)->List(&context, {}, &reply)), "0 ");
  ASSERT_EQ(reply.readings_size(), 1);
  EXPECT_EQ(reply.readings(0).purpose(), "case 2026-114");
  EXPECT_EQ(reply.readings(0).count(), 1U);
  EXPECT_THAT(reply.SerializeAsString(), Not(HasSubstr("order-1")));
  EXPECT_THAT(called(clerk_, "/meridian.v1.Readings/List", v1::ReadingsRequest()),
              StartsWith("7 "));
}

}  // namespace
}  // namespace meridian::api
