// Requests that come with a signature: kept with what they did, or refused with nothing done.
#include "api/request_signature.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "api/convert.h"
#include "api/internal/acts_rig.h"

namespace meridian::api {
namespace {

using door::SignedCommand;
using ledger::Account;
using ledger::Transfer;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class RequestSignatureTest : public ActsTest {
 protected:
  RequestSignatureTest() {
    rig_.cell.backend->access.replace(MeshRig::everything());
    EXPECT_EQ(create(clerk_, std::vector{account(1, ledger::account_flags::requires_signature),
                                         account(2)}),
              "created created");
    header(first_record_ + 1);  // from then on records() counts both
  }
  static Account account(u128 id, std::uint16_t flags = 0) {
    Account made{};
    made.id = id;
    made.ledger = 1;
    made.code = 1;
    made.flags = flags;
    return made;
  }
  static Transfer transfer(u128 id, u128 amount = 5) {
    Transfer made{};
    made.id = id;
    made.debit_account_id = 1;
    made.credit_account_id = 2;
    made.amount = amount;
    made.ledger = 1;
    made.code = 1;
    return made;
  }
  std::int64_t now_s() const {
    return static_cast<std::int64_t>(rig_.cell.clock->now().time) / 1'000'000'000;
  }
  struct Wish {
    u128 cell = 7;
    std::string by{};  ///< Empty: whoever signs.
    std::int64_t off_s = 0;
  };
  std::string sign(const SecuredRig::Somebody& who, std::vector<SignedCommand> commands,
                   const Wish& wish) const {
    const std::int64_t at_s = now_s() + wish.off_s;
    const std::string text = *door::format_signed_text(
        {wish.cell, wish.by.empty() ? who.id : wish.by, at_s, std::move(commands)});
    return fmt::format(
        "{} {}", at_s,
        mesh::sign_detached_jws(std::array{who.shown.certificate}, who.shown.key, text));
  }
  std::string sign(const SecuredRig::Somebody& who, std::vector<SignedCommand> commands) const {
    return sign(who, std::move(commands), {});
  }

  template <typename Command>
  static std::string packed(const std::vector<Command>& commands) {
    return {reinterpret_cast<const char*>(commands.data()), commands.size() * sizeof(Command)};
  }
  /// "created exceeds_credits", or the status.
  template <typename Command>
  std::string create(const SecuredRig::Somebody& who, const std::vector<Command>& commands,
                     const std::string& signature = {}) {
    constexpr bool are_accounts = std::is_same_v<Command, Account>;
    v1::PackedRequest request;
    request.set_commands(packed(commands));
    grpc::ClientContext context;
    SecuredRig::limit(context);
    if (!signature.empty()) context.AddMetadata(std::string(signature_key), signature);
    v1::PackedReply reply;
    grpc::Status status;
    if constexpr (are_accounts)
      status = v1::Accounts::NewStub(who.channel)->CreatePacked(&context, request, &reply);
    else
      status = v1::Transfers::NewStub(who.channel)->CreatePacked(&context, request, &reply);
    if (!status.ok()) return words(status);
    first_record_ = reply.position().record_index();
    std::vector<std::string> names(commands.size(), "created");
    for (std::size_t at = 0; at < reply.exceptions().size(); at += 8) {
      std::uint32_t pair[2];
      std::memcpy(pair, reply.exceptions().data() + at, sizeof pair);
      names[pair[0]] = ledger::outcome_name(
          are_accounts ? ledger::CommandKind::create_account : ledger::CommandKind::create_transfer,
          static_cast<ledger::Outcome>(pair[1]));
    }
    return fmt::format("{}", fmt::join(names, " "));
  }
  ledger::Header header(std::uint64_t record) {
    std::promise<void> visible;
    rig_.cell.cell->replica().when_visible(record + 1, [&](auto) { visible.set_value(); });
    visible.get_future().wait();
    return *ledger::Header::decode(*rig_.cell.cell->replica().header(ledger::RecordIndex{record}));
  }
  std::uint64_t records() { return rig_.cell.cell->replica().position().records; }
  grpc::Status kept(u128 transfer_id, v1::SignatureReply& reply) {
    v1::ReceiptRequest request;
    request.set_transfer_id(format_u128(transfer_id));
    grpc::ClientContext context;
    SecuredRig::limit(context);
    return v1::Proofs::NewStub(ada_.channel)->Signature(&context, request, &reply);
  }
  std::string metric(const std::string& outcome) const {
    const std::string text = rig_.cell.metrics.text();
    const std::string name = "meridian_request_signatures_total{outcome=\"" + outcome + "\"} ";
    const std::size_t at = text.find(name);
    return at == text.npos ? "none"
                           : text.substr(at + name.size(), text.find('\n', at) - at - name.size());
  }

  std::uint64_t first_record_ = 0;
};

TEST_F(RequestSignatureTest, what_was_signed_is_kept_and_named_in_each_header) {
  EXPECT_EQ(create(clerk_, std::vector{transfer(10), transfer(11)}),
            "debit_account_requires_signature debit_account_requires_signature");
  const std::string signature = sign(clerk_, {transfer(10), transfer(11)});
  EXPECT_EQ(create(clerk_, std::vector{transfer(10), transfer(11)}, signature), "created created");
  v1::SignatureReply reply;
  ASSERT_TRUE(kept(11, reply).ok());
  EXPECT_EQ(reply.record_index() + 1, first_record_) << "the answer says nothing of the evidence";
  const mesh::SignedJws jws = *mesh::open_jws(reply.jws());
  EXPECT_EQ(jws.chain[0], clerk_.shown.certificate);
  const door::SignedRequest request = *door::parse_signed_text(jws.payload);
  EXPECT_EQ(request.by, clerk_.id);
  for (std::uint64_t record = first_record_; record < first_record_ + 2; ++record) {
    const ledger::Header made = header(record);
    EXPECT_EQ(made.attester, ledger::Attester::client_signature);
    EXPECT_EQ(made.signature_digest, crypto::sha256(as_bytes(reply.jws())));
    EXPECT_TRUE(door::check_signed_record(request, made).has_value());
  }
  EXPECT_EQ(metric("good"), "1");
  EXPECT_EQ(kept(12, reply).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(rig_.http(ada_).get("/v1/signatures?transfer=11"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr(reply.jws())));
}

TEST_F(RequestSignatureTest, sent_again_it_is_kept_once) {
  const std::string signature = sign(clerk_, {transfer(10)});
  EXPECT_EQ(create(clerk_, std::vector{transfer(10)}, signature), "created");
  v1::SignatureReply first, second;
  ASSERT_TRUE(kept(10, first).ok());
  EXPECT_EQ(create(clerk_, std::vector{transfer(10)}, signature), "exists");
  ASSERT_TRUE(kept(10, second).ok());
  EXPECT_EQ(first.record_index(), second.record_index());
}

TEST_F(RequestSignatureTest, what_is_not_good_is_refused_and_counted_and_nothing_is_done) {
  const auto thief = rig_.somebody("/service/thief");
  MeshRig::Shown foreign = rig_.mesh.issue_foreign("/service/clerk");
  SecuredRig::Somebody stranger{foreign, clerk_.id, {}, clerk_.channel};
  const std::vector one{transfer(10)};
  const std::string good = sign(clerk_, {transfer(10)});
  const std::uint64_t before = records();
  const auto refused = [&](const SecuredRig::Somebody& who, const std::string& signature,
                           const std::string& why, const std::string& outcome) {
    EXPECT_THAT(create(who, one, signature), AllOf(HasSubstr(why), HasSubstr("nothing was done")));
    EXPECT_EQ(metric(outcome), "1") << why;
  };
  refused(clerk_, sign(clerk_, {transfer(10, 6)}), "signed something else", "wrong");
  refused(thief, good, "who signs has to be who sends it", "of_another");
  EXPECT_THAT(create(clerk_, one, sign(clerk_, {transfer(10)}, {.cell = 8})),
              HasSubstr("signed something else"))
      << "another cell";
  EXPECT_THAT(create(clerk_, one, sign(clerk_, {transfer(10)}, {.by = thief.id})),
              HasSubstr("signed something else"))
      << "in another name";
  EXPECT_THAT(create(clerk_, one, sign(clerk_, {transfer(10), transfer(11)})),
              HasSubstr("signed something else"))
      << "one is left out";
  EXPECT_THAT(create(clerk_, std::vector{transfer(11), transfer(10)},
                     sign(clerk_, {transfer(10), transfer(11)})),
              HasSubstr("signed something else"))
      << "in another order";
  refused(clerk_, sign(clerk_, {transfer(10)}, {.off_s = -320}), "sign again", "not_of_now");
  EXPECT_THAT(create(clerk_, one, sign(clerk_, {transfer(10)}, {.off_s = 320})),
              HasSubstr("sign again"));
  const std::string moved = "1" + good;  // another time than was signed
  EXPECT_THAT(create(clerk_, one, moved), HasSubstr("sign again"));
  refused(clerk_, sign(stranger, {transfer(10)}), "no trust bundle", "untrusted");
  refused(clerk_, "x", "seconds since 1970", "malformed");
  EXPECT_THAT(create(clerk_, one, good.substr(0, good.size() - 1)), HasSubstr("no signature of"));
  // The certificate of another with the signature of one's own key.
  const std::string of_ada = sign(ada_, {transfer(10)}, {.by = clerk_.id});
  EXPECT_THAT(create(clerk_, one, of_ada), HasSubstr("who signs has to be who sends it"));
  EXPECT_EQ(records(), before) << "nothing was written";
  EXPECT_EQ(create(clerk_, one, good), "created") << "the reasons were the right ones";
  const auto counted = rig_.cell.cell->door().take_refusals();
  ASSERT_NE(counted, nullptr);
  const auto bad = ledger::load_command<ledger::DoorRefusals>(counted->commands.data());
  EXPECT_EQ(bad.reason, 6u);
}

TEST_F(RequestSignatureTest, another_certificate_of_the_caller_signs_until_it_is_denied) {
  const SecuredRig::Somebody other = rig_.somebody("/service/clerk");
  EXPECT_EQ(create(clerk_, std::vector{transfer(10)}, sign(other, {transfer(10)})), "created");
  const auto list = mesh::DenyList::make(
      MeshRig::west, 1, {{other.shown.certificate.serial(), "stolen", rig_.server->now()}});
  ASSERT_TRUE(list.has_value() && rig_.server->replace_deny_list(*list));
  EXPECT_THAT(create(clerk_, std::vector{transfer(11)}, sign(other, {transfer(11)})),
              HasSubstr("deny list"));
  EXPECT_EQ(metric("untrusted"), "1");
  EXPECT_EQ(create(clerk_, std::vector{transfer(11)}, sign(clerk_, {transfer(11)})), "created");
}

TEST_F(RequestSignatureTest, accounts_are_signed_and_transactions_of_both) {
  EXPECT_EQ(create(clerk_, std::vector{account(3)}, sign(clerk_, {account(3)})), "created");
  EXPECT_EQ(header(first_record_).attester, ledger::Attester::client_signature);
  v1::TransactRequest request;
  auto& transaction = *request.add_transactions();
  fill(account(4), *transaction.add_commands()->mutable_create_account());
  fill(transfer(20), *transaction.add_commands()->mutable_create_transfer());
  Account linked = account(4, ledger::account_flags::linked);
  grpc::ClientContext context;
  SecuredRig::limit(context);
  context.AddMetadata(std::string(signature_key), sign(clerk_, {linked, transfer(20)}));
  v1::CreateReply reply;
  const auto status =
      v1::Transactions::NewStub(clerk_.channel)->Transact(&context, request, &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(reply.results_size(), 2);
  EXPECT_EQ(reply.results(0).name(), "created");
  EXPECT_EQ(reply.results(1).name(), "created");
  EXPECT_EQ(reply.results(0).record_index(), reply.position().record_index());
  EXPECT_EQ(header(reply.results(1).record_index()).kind, ledger::CommandKind::create_transfer);
}

TEST_F(RequestSignatureTest, a_chain_that_is_left_open_does_not_take_the_evidence_in) {
  Transfer open = transfer(10);
  open.flags = ledger::transfer_flags::linked;
  EXPECT_EQ(create(clerk_, std::vector{open}, sign(clerk_, {open})), "linked_event_chain_open");
  v1::SignatureReply reply;
  v1::ReceiptRequest request;
  request.set_record_index(first_record_);
  grpc::ClientContext context;
  SecuredRig::limit(context);
  EXPECT_TRUE(v1::Proofs::NewStub(ada_.channel)->Signature(&context, request, &reply).ok())
      << "of what was refused too";
}

v1::NewEvent paid(u128 id) {
  v1::NewEvent event;
  event.set_event_id(format_u128(id));
  event.set_stream("order-1");
  event.set_type("paid");
  event.set_data("{\"by\": \"Ada\", \"all\": true}");
  event.set_subject("Ada");
  event.set_signature_salt("0123456789abcdefghijklmnopqrstuv");
  return event;
}
SignedCommand meant(const v1::NewEvent& event) {
  return *door::signed_event(*parse_event(event, "event"));
}

class SignedEventsTest : public RequestSignatureTest {
 protected:
  std::string append(const v1::NewEvent& event, const std::string& signature) {
    v1::AppendRequest request;
    *request.add_events() = event;
    grpc::ClientContext context;
    SecuredRig::limit(context);
    if (!signature.empty()) context.AddMetadata(std::string(signature_key), signature);
    v1::CreateReply reply;
    const grpc::Status status =
        v1::Streams::NewStub(clerk_.channel)->Append(&context, request, &reply);
    if (!status.ok()) return words(status);
    record_ = reply.results(0).record_index();
    return reply.results(0).name();
  }
  v1::RecordedEvent read(std::uint64_t record) {
    header(record);  // it is visible then
    v1::ReadRequest request;
    request.set_all(true);
    request.set_position(record);
    request.set_limit(1);
    grpc::ClientContext context;
    SecuredRig::limit(context);
    context.AddMetadata("meridian-purpose", "a test");
    v1::ReadReply reply;
    const grpc::Status status = v1::Streams::NewStub(ada_.channel)->Read(&context, request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply.events_size() == 1 ? reply.events(0) : v1::RecordedEvent();
  }
  std::uint64_t record_ = 0;
};

TEST_F(SignedEventsTest, what_was_signed_is_kept_and_can_be_compared_by_who_reads_it) {
  const v1::NewEvent event = paid(5);
  ASSERT_EQ(append(event, sign(clerk_, {meant(event)})), "created");
  const ledger::Header made = header(record_);
  EXPECT_EQ(made.attester, ledger::Attester::client_signature);
  v1::ReceiptRequest of;
  of.set_event_id(event.event_id());
  grpc::ClientContext context;
  SecuredRig::limit(context);
  v1::SignatureReply kept;
  ASSERT_TRUE(v1::Proofs::NewStub(ada_.channel)->Signature(&context, of, &kept).ok());
  const mesh::SignedJws jws = *mesh::open_jws(kept.jws());
  EXPECT_THAT(jws.payload, AllOf(StartsWith("meridian-request 2\n"), Not(HasSubstr("order-1")),
                                 Not(HasSubstr("Ada"))));
  const door::SignedRequest request = *door::parse_signed_text(jws.payload);
  EXPECT_TRUE(door::check_signed_record(request, made).has_value());
  const v1::RecordedEvent recorded = read(record_);
  EXPECT_EQ(recorded.data(), event.data());
  EXPECT_EQ(recorded.signature_salt(), event.signature_salt());
  ASSERT_EQ(recorded.signature_about_size(), 1);
  crypto::Digest salt{};
  std::ranges::copy(as_bytes(recorded.signature_salt()), salt.begin());
  EXPECT_TRUE(equal(as_bytes(recorded.signature_about(0)), door::signed_about(salt, "Ada")));
  EXPECT_THAT(rig_.http(ada_).ask("GET /v1/streams/order-1 HTTP/1.1\r\nHost: a\r\n"
                                  "Meridian-Purpose: a test\r\n\r\n"),
              AllOf(HasSubstr(R"("signature_salt":"MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY=")"),
                    HasSubstr(R"("signature_about":[")")));
  EXPECT_EQ(append(event, sign(clerk_, {meant(event)})), "exists") << "with the same salt";
}

TEST_F(SignedEventsTest, what_was_changed_on_the_way_is_refused) {
  const v1::NewEvent event = paid(5);
  const std::string good = sign(clerk_, {meant(event)});
  const std::uint64_t before = records();
  const auto refused = [&](const std::function<void(v1::NewEvent&)>& change) {
    v1::NewEvent other = event;
    change(other);
    EXPECT_THAT(append(other, good), AllOf(StartsWith("7 "), HasSubstr("signed something else"),
                                           HasSubstr("nothing was done")));
  };
  refused([](v1::NewEvent& other) { other.set_data("{\"by\": \"Bob\", \"all\": true}"); });
  refused([](v1::NewEvent& other) { other.set_stream("order-2"); });
  refused([](v1::NewEvent& other) { other.set_type("unpaid"); });
  refused([](v1::NewEvent& other) { other.set_subject("Bob"); });
  refused([](v1::NewEvent& other) { other.set_metadata("1"); });
  refused([](v1::NewEvent& other) { other.set_event_id("\7"); });
  refused([](v1::NewEvent& other) { other.set_retention(3); });
  refused([](v1::NewEvent& other) { other.set_expected(v1::EXPECTED_REVISION_NONE); });
  refused([](v1::NewEvent& other) { other.add_more()->set_content("x"); });
  refused([](v1::NewEvent& other) { other.mutable_signature_salt()->at(0) = 'x'; });
  EXPECT_EQ(metric("wrong"), "10");
  v1::NewEvent unsalted = event;
  unsalted.clear_signature_salt();
  EXPECT_THAT(append(unsalted, good),
              AllOf(StartsWith("3 "), HasSubstr("signature_salt of event 5 has to be 32 random")));
  EXPECT_EQ(metric("unsupported"), "1");
  EXPECT_THAT(append(event, ""), AllOf(StartsWith("3 "), HasSubstr("no signature came with")))
      << "it is not taken unsigned";
  EXPECT_EQ(records(), before) << "nothing was written";
  v1::NewEvent respaced = event;
  respaced.set_data("{\"all\":true,\"by\":\"Ada\"}");
  EXPECT_EQ(append(respaced, good), "created") << "the same JSON";
}

TEST_F(SignedEventsTest, a_transaction_of_both_touches_an_account_that_requires_signatures) {
  const v1::NewEvent event = paid(6);
  v1::TransactRequest request;
  auto& transaction = *request.add_transactions();
  fill(transfer(30), *transaction.add_commands()->mutable_create_transfer());
  *transaction.add_commands()->mutable_append_event() = event;
  Transfer linked = transfer(30);
  linked.flags = ledger::transfer_flags::linked;
  grpc::ClientContext context;
  SecuredRig::limit(context);
  context.AddMetadata(std::string(signature_key), sign(clerk_, {linked, meant(event)}));
  v1::CreateReply reply;
  const auto status =
      v1::Transactions::NewStub(clerk_.channel)->Transact(&context, request, &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(reply.results_size(), 2);
  EXPECT_EQ(reply.results(0).name(), "created");
  EXPECT_EQ(reply.results(1).name(), "created");
  v1::SignatureReply kept;
  ASSERT_TRUE(RequestSignatureTest::kept(30, kept).ok());
  const door::SignedRequest signed_ones =
      *door::parse_signed_text(mesh::open_jws(kept.jws())->payload);
  for (const v1::CommandResult& result : reply.results())
    EXPECT_TRUE(door::check_signed_record(signed_ones, header(result.record_index())).has_value());
}

TEST_F(SignedEventsTest, deletions_are_not_signed) {
  v1::DeleteStreamRequest request;
  request.mutable_deletion()->set_event_id("\5");
  request.mutable_deletion()->set_stream("order-1");
  grpc::ClientContext context;
  SecuredRig::limit(context);
  context.AddMetadata(std::string(signature_key), sign(clerk_, {transfer(10)}));
  v1::CreateReply reply;
  EXPECT_THAT(words(v1::Streams::NewStub(clerk_.channel)->Delete(&context, request, &reply)),
              AllOf(StartsWith("3 "), HasSubstr("deletions of streams are not signed")));
}

TEST_F(RequestSignatureTest, positions_in_refusals_are_those_of_the_clients_commands) {
  Transfer card = transfer(10);
  card.user_data_64 = 4'111'111'111'111'111;
  EXPECT_THAT(create(clerk_, std::vector{card}, sign(clerk_, {card})),
              HasSubstr("command 0 looks"));
}

TEST_F(RequestSignatureTest, the_stream_of_evidence_is_nobodys_to_write_or_delete) {
  const std::string event = R"({"event_id":"9","stream":"$signatures","type":"t","data":{}})";
  EXPECT_THAT(post(clerk_, "/v1/events", R"({"events":[)" + event + "]}"),
              Not(StartsWith("HTTP/1.1 200 ")));
  EXPECT_THAT(post(clerk_, "/v1/deletions", R"({"event_id":"9","stream":"$signatures"})"),
              Not(StartsWith("HTTP/1.1 200 ")));
}

TEST(RequestSignatures, in_the_clear_nobody_can_sign) {
  ApiRig rig;
  const auto refused = rig.backend->signatures.check(rig.backend->access.asker(nullptr), nullptr,
                                                     "1 a..b", std::vector<SignedCommand>{});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::failed_precondition);
}

}  // namespace
}  // namespace meridian::api
