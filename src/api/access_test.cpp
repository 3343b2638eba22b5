// Who may do what, asked at every call: no method and no route is forgotten, ledgers and streams
// are looked at, and a denial says what is missing and is counted.
#include "api/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "api/http_api.h"
#include "api/internal/secured_rig.h"
#include "api/method_needs.h"
#include "api/scope_checks.h"
#include "io/unix_time.h"
#include "ledger/command.h"
#include "meridian/v1/acts.pb.h"
#include "meridian/v1/keys.pb.h"
#include "meridian/v1/ledger.grpc.pb.h"
#include "meridian/v1/readings.pb.h"

// (below: <utility> before Boost)
#include <grpcpp/generic/generic_stub.h>

namespace meridian::api {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* payments = "/service/payments";

/// Of payments in ledger 700 and streams payments-*, and two people who may approve.
constexpr const char* one_ledger = R"(mfa: not-needed
grants:
  - who: spiffe://eu-west.bank.example/service/payments
    roles: [writer, reader]
    cells: all
    ledgers: 700
    streams: ["payments-*"]
  - who: ["spiffe://eu-west.bank.example/person/*", spiffe://eu-west.bank.example/service/clerk]
    roles: [operator, privacy officer]
    cells: all
)";

std::vector<std::string> methods() {
  std::vector<std::string> paths = {
      "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch",
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};
  for (const auto* file :
       {v1::TransactRequest::descriptor()->file(), v1::ActsRequest::descriptor()->file(),
        v1::ReadingsRequest::descriptor()->file(), v1::NodeKeysRequest::descriptor()->file()})
    for (int i = 0; i < file->service_count(); ++i)
      for (int j = 0; j < file->service(i)->method_count(); ++j)
        paths.push_back("/" + file->service(i)->full_name() + "/" +
                        file->service(i)->method(j)->name());
  return paths;
}

/// The status of a call of any method, as text.
std::string called(const SecuredRig::Somebody& who, const std::string& method,
                   const google::protobuf::Message* request = nullptr) {
  grpc::GenericStub stub(who.channel);
  grpc::ClientContext context;
  SecuredRig::limit(context);
  grpc::CompletionQueue queue;
  grpc::ByteBuffer bytes;
  if (request != nullptr) {
    const grpc::Slice slice(request->SerializeAsString());
    bytes = grpc::ByteBuffer(&slice, 1);
  }
  auto begun = stub.PrepareUnaryCall(&context, method, bytes, &queue);
  begun->StartCall();
  grpc::ByteBuffer reply;
  grpc::Status status;
  begun->Finish(&reply, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  return std::to_string(status.error_code()) + " " + status.error_message();
}

std::uint64_t metric(ApiRig& rig, const std::string& line) {
  const std::string text = "\n" + rig.metrics.text();
  const std::size_t at = text.find("\n" + line + " ");
  return at == std::string::npos ? 0 : std::stoull(text.substr(at + line.size() + 2));
}

TEST(AccessTest, every_method_of_every_service_says_what_it_needs) {
  EXPECT_GT(methods().size(), 30U);
  for (const std::string& method : methods()) EXPECT_NE(needs_of_method(method), nullptr) << method;
  EXPECT_EQ(needs_of_method("/meridian.v1.Accounts/Destroy"), nullptr);
  EXPECT_EQ(needs_of_method(""), nullptr);
}

TEST(AccessTest, who_was_given_nothing_is_denied_every_method_and_told_so) {
  SecuredRig rig;
  rig.replace_policy(one_ledger);
  const SecuredRig::Somebody stranger = rig.somebody("/service/stranger");
  for (const std::string& method : methods())
    EXPECT_EQ(called(stranger, method),
              "7 " + std::string(mesh::info(needs_of_method(method)->any[0]).name) +
                  ": denied: no grant is about " + stranger.id);
  EXPECT_EQ(called(stranger, "/no.such.Service/Method"), "7 there is no such method for anybody");
}

TEST(AccessTest, who_was_given_nothing_is_denied_every_route) {
  SecuredRig rig;
  rig.replace_policy(one_ledger);
  const SecuredRig::Somebody stranger = rig.somebody("/service/stranger");
  HttpApi api(*rig.cell.backend);
  ASSERT_GT(api.routes().size(), 30U);
  auto caller = std::make_shared<const Caller>(
      *rig.server->verify(std::vector<Bytes>{stranger.shown.certificate.der()}, wanted_caller()));
  std::vector<std::pair<HttpMethod, std::string>> asked = {
      {HttpMethod::get, "log/tile/0/000"}, {HttpMethod::get, "log/tile/entries/000"}};
  for (const HttpApi::Route& route : api.routes()) {
    std::string path(route.path);
    for (std::size_t at = 0; (at = path.find('*')) != std::string::npos;) path.replace(at, 1, "1");
    asked.emplace_back(route.method, path);
  }
  for (const auto& [method, path] : asked) {
    HttpRequest request{.method = method,
                        .target = "/" + path,
                        .content_type = "application/json",
                        .body = "{}",
                        .caller = caller};
    unsigned status = 0;
    std::string body;
    api.handle(std::move(request), [&](HttpResponse response) {
      const auto* reply = std::get_if<HttpReply>(&response);
      status = reply != nullptr ? reply->status : 200;
      if (reply != nullptr) body = reply->body;
    });
    EXPECT_EQ(status, 403U) << path;
    EXPECT_THAT(body, HasSubstr("no grant is about " + stranger.id)) << path;
  }
  EXPECT_THAT(rig.http(stranger).get("/health"), StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(rig.http(stranger).get("/metrics"), StartsWith("HTTP/1.1 403 "));
}

/// A request of each method that is about ledgers or streams: in ledger `ledger`, stream `stream`.
std::map<std::string, std::shared_ptr<google::protobuf::Message>> scoped_requests(
    std::uint32_t ledger, const std::string& stream) {
  std::map<std::string, std::shared_ptr<google::protobuf::Message>> made;
  const auto add = [&made]<typename Message>(const std::string& method, Message message) {
    made["/meridian.v1." + method] = std::make_shared<Message>(std::move(message));
  };
  v1::Account account;
  account.set_id("a" + std::to_string(ledger));
  account.set_ledger(ledger);
  account.set_code(1);
  v1::Transfer transfer;
  transfer.set_id("t" + std::to_string(ledger));
  transfer.set_ledger(ledger);
  transfer.set_debit_account_id(account.id());
  transfer.set_credit_account_id("b" + std::to_string(ledger));
  transfer.set_code(1);
  v1::NewEvent event;
  event.set_event_id(stream);
  event.set_stream(stream);
  event.set_type("paid");
  event.set_data("{}");
  ledger::Account packed{};
  packed.id = 1'000'000 + ledger;
  packed.ledger = ledger;
  packed.code = 1;

  v1::CreateAccountsRequest accounts;
  *accounts.add_accounts() = account;
  add("Accounts/Create", accounts);
  v1::CreateTransfersRequest transfers;
  *transfers.add_transfers() = transfer;
  add("Transfers/Create", transfers);
  v1::PackedRequest bytes;
  bytes.set_commands(&packed, sizeof packed);  // an account's ledger stands where a transfer's does
  add("Accounts/CreatePacked", bytes);
  add("Transfers/CreatePacked", bytes);
  v1::LookupRequest lookup;
  lookup.add_ids(account.id());
  add("Accounts/Lookup", lookup);
  v1::LookupRequest transfer_lookup;
  transfer_lookup.add_ids(transfer.id());
  add("Transfers/Lookup", transfer_lookup);
  v1::QueryFilter query;
  query.set_ledger(ledger);
  add("Accounts/Query", query);
  add("Transfers/Query", query);
  v1::AccountFilter filter;
  filter.set_account_id(account.id());
  add("Accounts/Transfers", filter);
  add("Accounts/Balances", filter);
  add("Accounts/List", v1::ListAccountsRequest());
  v1::AppendRequest append;
  *append.add_events() = event;
  add("Streams/Append", append);
  v1::DeleteStreamRequest deletion;
  deletion.mutable_deletion()->set_event_id("d" + stream);
  deletion.mutable_deletion()->set_stream(stream);
  add("Streams/Delete", deletion);
  v1::ReadRequest read;
  read.set_stream(stream);
  add("Streams/Read", read);
  v1::SubscribeRequest subscribe;
  subscribe.set_stream(stream);
  add("Streams/Subscribe", subscribe);
  v1::TransactRequest transact;
  *transact.add_transactions()->add_commands()->mutable_append_event() = event;
  add("Transactions/Transact", transact);
  return made;
}

class ScopeTest : public ::testing::Test {
 protected:
  /// With books in ledgers 700 and 701, made by somebody who may.
  ScopeTest() {
    for (std::uint32_t ledger : {700U, 701U}) {
      v1::CreateAccountsRequest accounts;
      for (const char* side : {"a", "b"}) {
        v1::Account& account = *accounts.add_accounts();
        account.set_id(side + std::to_string(ledger));
        account.set_ledger(ledger);
        account.set_code(1);
        account.set_flags(ledger::account_flags::history);
      }
      EXPECT_EQ(called(all_, "/meridian.v1.Accounts/Create", &accounts), "0 ");
      auto requests = scoped_requests(ledger, "payments-" + std::to_string(ledger));
      v1::CreateTransfersRequest transfers;
      transfers.CopyFrom(*requests["/meridian.v1.Transfers/Create"]);
      transfers.mutable_transfers(0)->set_amount("1");
      EXPECT_EQ(called(all_, "/meridian.v1.Transfers/Create", &transfers), "0 ");
    }
    rig_.replace_policy(one_ledger);
  }

  SecuredRig rig_;
  SecuredRig::Somebody all_ = rig_.somebody("/service/all");
  SecuredRig::Somebody payments_ = rig_.somebody(payments);
};

TEST_F(ScopeTest, no_method_that_is_about_ledgers_or_streams_lets_others_through) {
  const auto allowed = scoped_requests(700, "payments-1");
  const auto others = scoped_requests(701, "salaries-1");
  std::set<std::string> left;
  for (const std::string& method : methods())
    for (const mesh::Action action : needs_of_method(method)->any)
      if (mesh::info(action).scope != mesh::Scope::cell) left.insert(method);
  for (const auto& [method, request] : others) {
    EXPECT_EQ(left.erase(method), 1U) << method;
    const std::string got = called(payments_, method, request.get());
    EXPECT_THAT(got, StartsWith("7 ")) << method;
    EXPECT_THAT(got, HasSubstr("grant 1 (roles: writer, reader) gives")) << method;
  }
  EXPECT_TRUE(left.empty()) << "no request is tried of " << *left.begin();
  for (const auto& [method, request] : allowed) {
    if (method.ends_with("/List") || method.ends_with("/Subscribe")) continue;
    EXPECT_EQ(called(payments_, method, request.get()), "0 ") << method;
  }
}

TEST_F(ScopeTest, no_route_that_is_about_ledgers_or_streams_lets_others_through) {
  const std::string a = std::to_string(0x313037 * 256 + 'a');  // "a701", little-endian
  const std::string t = std::to_string(0x313037 * 256 + 't');
  const auto get = [&](const std::string& target) { return rig_.http(payments_).get(target); };
  const auto post = [&](const std::string& target, const std::string& body) {
    return rig_.http(payments_).post(target, body);
  };
  const std::string denied = "HTTP/1.1 403 ";
  for (const std::string& target :
       {"/v1/accounts/" + a, "/v1/accounts/" + a + "/transfers", "/v1/accounts/" + a + "/balances",
        std::string("/v1/accounts"), std::string("/v1/accounts?ledger=701"),
        std::string("/v1/transfers"), "/v1/transfers/" + t, std::string("/v1/events"),
        std::string("/v1/streams/salaries-1"), std::string("/v1/categories/salaries"),
        std::string("/v1/categories/payments"), std::string("/v1/subscribe"),
        std::string("/v1/subscribe?stream=salaries-1")})
    EXPECT_THAT(get(target), StartsWith(denied)) << target;
  EXPECT_THAT(get("/v1/accounts?ledger=700"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(get("/v1/transfers?ledger=700"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(get("/v1/streams/payments-1"), StartsWith("HTTP/1.1 404 "));  // read, and not there
  EXPECT_THAT(get("/v1/subscribe?stream=payments-1"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(post("/v1/accounts/lookup", R"({"ids":[")" + a + R"("]})"), StartsWith(denied));
  EXPECT_THAT(post("/v1/transfers/lookup", R"({"ids":[")" + t + R"("]})"), StartsWith(denied));
  EXPECT_THAT(post("/v1/accounts", R"({"accounts":[{"id":"9","ledger":701,"code":1}]})"),
              StartsWith(denied));
  EXPECT_THAT(post("/v1/events", R"({"events":[{"event_id":"9","stream":"salaries-1",)"
                                 R"("type":"t","data":{}}]})"),
              StartsWith(denied));
  EXPECT_THAT(post("/v1/deletions", R"({"event_id":"9","stream":"salaries-1"})"),
              StartsWith(denied));
}

TEST_F(ScopeTest, one_command_among_many_is_enough_and_nothing_was_done) {
  std::vector<ledger::Account> packed(3);
  for (std::size_t i = 0; i < packed.size(); ++i) {
    packed[i].id = 50 + i;
    packed[i].ledger = 700;
    packed[i].code = 1;
  }
  packed.back().ledger = 701;
  v1::PackedRequest request;
  request.set_commands(packed.data(), packed.size() * sizeof packed[0]);
  EXPECT_EQ(called(payments_, "/meridian.v1.Accounts/CreatePacked", &request),
            "7 accounts.create in ledger 701: denied: grant 1 (roles: writer, reader) gives "
            "accounts.create only in other ledgers");
  v1::LookupRequest lookup;
  lookup.add_ids(std::string(1, 50));
  v1::LookupAccountsReply reply;
  grpc::ClientContext context;
  EXPECT_TRUE(v1::Accounts::NewStub(payments_.channel)->Lookup(&context, lookup, &reply).ok());
  EXPECT_EQ(reply.accounts_size(), 0);
}

TEST_F(ScopeTest, a_transfer_that_names_no_ledger_is_for_those_who_may_in_all) {
  v1::CreateTransfersRequest request;
  v1::Transfer& resolution = *request.add_transfers();
  resolution.set_id("r");
  resolution.set_pending_id("p");
  resolution.set_flags(ledger::transfer_flags::post_pending_transfer);
  EXPECT_THAT(called(payments_, "/meridian.v1.Transfers/Create", &request),
              StartsWith("7 transfers.create without a ledger that is named: denied: "));
  rig_.cell.backend->access.replace(MeshRig::everything());
  EXPECT_EQ(called(payments_, "/meridian.v1.Transfers/Create", &request), "0 ");
}

TEST_F(ScopeTest, denials_are_counted_by_action_and_by_actor) {
  const auto others = scoped_requests(701, "salaries-1");
  for (int i = 0; i < 3; ++i)
    called(payments_, "/meridian.v1.Accounts/Create",
           others.at("/meridian.v1.Accounts/Create").get());
  EXPECT_EQ(metric(rig_.cell, R"(meridian_policy_denials_total{action="accounts.create"})"), 3U);
  const auto refusals = rig_.cell.cell->door().take_refusals();
  ASSERT_NE(refusals, nullptr);
  std::uint64_t counted = 0;
  for (std::uint32_t i = 0; i < refusals->command_count(); ++i) {
    const auto one = ledger::load_command<ledger::DoorRefusals>(refusals->commands.data() +
                                                                i * ledger::command_size);
    EXPECT_EQ(one.actor, rig_.cell.cell->door().actor_id(payments_.id));
    EXPECT_EQ(one.reason, 5U);
    EXPECT_EQ(one.action, mesh::number_of(mesh::Action::accounts_create));
    counted += one.count;
  }
  EXPECT_EQ(counted, 3U);
}

TEST(AccessTest, what_people_do_no_service_does_and_no_one_person_alone) {
  SecuredRig rig;
  rig.replace_policy(one_ledger);
  const SecuredRig::Somebody clerk = rig.somebody("/service/clerk");
  const SecuredRig::Somebody ada = rig.somebody("/person/ada");
  const v1::StatusRequest status;
  v1::SubjectRequest anna;
  anna.set_subject("anna");
  const std::string forget = "/meridian.v1.Subjects/Forget";
  EXPECT_EQ(called(clerk, forget, &anna), "7 subjects.forget: denied: " + clerk.id +
                                              " is no person, and only people may do that");
  EXPECT_THAT(called(clerk, "/meridian.v1.Upgrade/Activate"), HasSubstr("is no person"));
  EXPECT_THAT(called(clerk, "/meridian.v1.Members/Change"), HasSubstr("is no person"));
  EXPECT_THAT(called(ada, forget, &anna), HasSubstr("needs a second person"));
  EXPECT_FALSE(rig.cell.backend->access.is_bootstrap());
  rig.replace_policy(R"(grants:
  - who: spiffe://eu-west.bank.example/person/ada
    roles: [operator, privacy officer]
    cells: all
)");
  EXPECT_TRUE(rig.cell.backend->access.is_bootstrap());
  EXPECT_THAT(called(ada, forget, &anna), HasSubstr("fewer than two people may approve"));
  EXPECT_EQ(called(ada, "/meridian.v1.Admin/Status", &status), "0 ");
}

TEST(AccessTest, what_people_alone_may_do_wants_a_second_factor_of_just_now) {
  SecuredRig rig;
  const std::string needed =
      std::string(one_ledger).substr(std::string("mfa: not-needed\n").size());
  rig.replace_policy(needed);
  const std::int64_t now = io::unix_seconds(*rig.cell.clock);
  const auto signed_in = [&](bool is_mfa, std::int64_t ago) {
    return rig.somebody(
        "/person/ada",
        mesh::PersonEvidence{"https://login.bank.example", is_mfa, {"pwd"}, now - ago});
  };
  const std::vector<std::pair<SecuredRig::Somebody, std::string>> lacking = [&] {
    std::vector<std::pair<SecuredRig::Somebody, std::string>> all;
    all.emplace_back(rig.somebody("/person/ada"), "no_sign_in");
    all.emplace_back(signed_in(false, 5), "one_factor");
    all.emplace_back(signed_in(true, 640), "too_old");
    all.emplace_back(signed_in(true, -600), "too_old");
    return all;
  }();
  v1::SubjectRequest anna;
  anna.set_subject("anna");
  const v1::StatusRequest status;
  for (const auto& [ada, reason] : lacking) {
    const std::string line = "meridian_mfa_denials_total{reason=\"" + reason + "\"}";
    const std::uint64_t before = metric(rig.cell, line);
    for (const char* method : {"/meridian.v1.Subjects/Forget", "/meridian.v1.Members/Change",
                               "/meridian.v1.Policy/Approve"})
      EXPECT_THAT(called(ada, method, &anna),
                  AllOf(StartsWith("7 "), HasSubstr("second factor within the last 10 minutes"),
                        HasSubstr("meridian sign-in --mfa")))
          << reason;
    EXPECT_EQ(metric(rig.cell, line), before + 3) << reason;
    EXPECT_EQ(called(ada, "/meridian.v1.Admin/Status", &status), "0 ");
  }
  const SecuredRig::Somebody fresh = signed_in(true, 5);
  // What comes next is the second person.
  EXPECT_THAT(called(fresh, "/meridian.v1.Subjects/Forget", &anna), HasSubstr("a second person"));
  rig.replace_policy(one_ledger);
  EXPECT_THAT(called(lacking[0].first, "/meridian.v1.Subjects/Forget", &anna),
              HasSubstr("a second person"));
}

TEST(AccessTest, a_cell_without_a_policy_says_how_it_is_and_no_more) {
  SecuredRig rig;
  rig.cell.backend->access.replace(nullptr);
  const SecuredRig::Somebody ada = rig.somebody("/person/ada");
  const v1::StatusRequest status;
  EXPECT_EQ(called(ada, "/meridian.v1.Admin/Status", &status), "0 ");
  EXPECT_THAT(rig.http(ada).get("/v1/status"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(called(ada, "/meridian.v1.Admin/Metrics"),
              StartsWith("7 metrics.read: denied: this cell has no policy"));
  EXPECT_TRUE(rig.cell.backend->access.is_bootstrap());
}

TEST(AccessTest, streams_of_the_system_are_written_by_nobody) {
  ApiRig rig;
  const Asker local = rig.backend->access.asker(nullptr);
  door::EventDraft event;
  event.stream = "orders-1";
  EXPECT_TRUE(check_drafts(local, {event}).has_value());
  event.stream = "$policy";
  door::DeletionDraft deletion;
  deletion.stream = "$policy";
  for (const door::CommandDraft& draft :
       {door::CommandDraft(event), door::CommandDraft(deletion)}) {
    const Status refused = check_drafts(local, {draft});
    ASSERT_FALSE(refused.has_value());
    EXPECT_THAT(refused.error().message, HasSubstr("kept for the system"));
  }
}

TEST(AccessTest, a_change_of_policy_ends_what_is_open_within_seconds) {
  SecuredRig rig;
  const SecuredRig::Somebody reader = rig.somebody("/service/reader");
  grpc::ClientContext context;
  SecuredRig::limit(context);
  auto follower = v1::Feed::NewStub(reader.channel)->Follow(&context, v1::FeedRequest());
  v1::FeedBatch batch;
  ASSERT_TRUE(follower->Read(&batch));
  TlsClient events = rig.http(reader);
  EXPECT_THAT(events.get("/v1/subscribe"), StartsWith("HTTP/1.1 200 "));
  const io::MonotonicTime begin = rig.cell.clock->monotonic();
  rig.replace_policy(one_ledger);
  while (follower->Read(&batch)) continue;
  const grpc::Status status = follower->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("no grant is about " + reader.id));
  EXPECT_THAT(events.read(), HasSubstr("permission_denied"));
  EXPECT_TRUE(events.is_closed());
  EXPECT_LT(rig.cell.clock->monotonic() - begin, io::seconds(5));
}

}  // namespace
}  // namespace meridian::api
