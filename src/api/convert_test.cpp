#include "api/convert.h"

#include <gtest/gtest.h>

#include <random>

namespace meridian::api {
namespace {

u128 random_u128(std::mt19937_64& random) {
  // Every length from 0 to 16 bytes.
  return make_u128(random(), random()) >> (8 * (random() % 16)) >> (random() % 8);
}

TEST(Convert, every_length_of_integer_round_trips) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2'000; ++i) {
    u128 value = random_u128(random);
    std::string bytes = format_u128(value);
    EXPECT_TRUE(bytes.empty() || bytes.back() != '\0');
    EXPECT_EQ(*parse_u128(bytes, "id"), value);
    EXPECT_EQ(*parse_u128(bytes + std::string(16 - bytes.size(), '\0'), "id"), value);
  }
  EXPECT_EQ(format_u128(0), "");
  EXPECT_EQ(parse_u128(std::string(17, '\0'), "id").error().message,
            "id: 17 bytes, at most 16 are allowed");
}

TEST(Convert, accounts_and_transfers_round_trip) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 500; ++i) {
    ledger::Account account{};
    account.id = random_u128(random);
    account.credits_posted = random_u128(random);
    account.user_data_128 = random_u128(random);
    account.user_data_64 = random();
    account.ledger = static_cast<std::uint32_t>(random());
    account.code = static_cast<std::uint16_t>(random());
    account.flags = static_cast<std::uint16_t>(random());
    account.timestamp = random();
    v1::Account account_message;
    fill(account, account_message);
    EXPECT_EQ(*parse_account(account_message, ""), account);

    ledger::Transfer transfer{};
    transfer.id = random_u128(random);
    transfer.debit_account_id = random_u128(random);
    transfer.credit_account_id = random_u128(random);
    transfer.amount = random_u128(random);
    transfer.pending_id = random_u128(random);
    transfer.user_data_32 = static_cast<std::uint32_t>(random());
    transfer.timeout = static_cast<std::uint32_t>(random());
    transfer.ledger = static_cast<std::uint32_t>(random());
    transfer.code = static_cast<std::uint16_t>(random());
    transfer.flags = static_cast<std::uint16_t>(random());
    transfer.timestamp = random();
    v1::Transfer transfer_message;
    fill(transfer, transfer_message);
    EXPECT_EQ(*parse_transfer(transfer_message, ""), transfer);
  }
}

TEST(Convert, errors_name_the_element_and_the_field) {
  v1::CreateTransfersRequest transfers;
  for (int i = 0; i < 4; ++i) transfers.add_transfers();
  transfers.mutable_transfers(3)->set_code(70'000);
  EXPECT_EQ(pack(transfers).error().message, "transfers[3].code: 70000 is above 65535");
  transfers.mutable_transfers(1)->set_amount(std::string(20, 'x'));
  EXPECT_EQ(pack(transfers).error().message,
            "transfers[1].amount: 20 bytes, at most 16 are allowed");
  EXPECT_EQ(pack(v1::CreateAccountsRequest{}).error().message,
            "accounts: empty, nothing was asked for");
  v1::CreateAccountsRequest many;
  for (int i = 0; i < 8'191; ++i) many.add_accounts();
  EXPECT_EQ(pack(many).error().code, Code::invalid_argument);
  many.mutable_accounts()->RemoveLast();
  EXPECT_EQ(pack(many)->size(), std::size_t{8'190} * 128);
}

TEST(Convert, packed_commands_must_be_whole) {
  EXPECT_FALSE(check_packed("").has_value());
  EXPECT_FALSE(check_packed(std::string(127, '\0')).has_value());
  EXPECT_TRUE(check_packed(std::string(128, '\0')).has_value());
  EXPECT_FALSE(check_packed(std::string(std::size_t{8'191} * 128, '\0')).has_value());
}

TEST(Convert, a_transaction_is_one_chain_and_the_next_one_another) {
  v1::TransactRequest request;
  for (int t = 0; t < 2; ++t) {
    v1::Transaction& transaction = *request.add_transactions();
    transaction.add_commands()->mutable_create_account();
    transaction.add_commands()->mutable_append_event();
    transaction.add_commands()->mutable_create_transfer();
  }
  Result<Drafts> drafts = parse_transact(request);
  ASSERT_TRUE(drafts.has_value()) << drafts.error().message;
  ASSERT_EQ(drafts->commands.size(), 6U);
  for (std::size_t first : {0U, 3U}) {
    EXPECT_EQ(std::get<ledger::Account>(drafts->commands[first]).flags,
              ledger::account_flags::linked);
    EXPECT_TRUE(std::get<door::EventDraft>(drafts->commands[first + 1]).linked);
    EXPECT_EQ(std::get<ledger::Transfer>(drafts->commands[first + 2]).flags, 0);
  }
  EXPECT_EQ(drafts->kinds[4], ledger::CommandKind::append_event);

  request.mutable_transactions(1)->mutable_commands(2)->mutable_create_transfer()->set_flags(1);
  EXPECT_EQ(parse_transact(request).error().message.substr(0, 16), "transactions[1]:");
  request.mutable_transactions(0)->add_commands();
  EXPECT_EQ(parse_transact(request).error().message,
            "transactions[0].commands[3]: none of create_account, create_transfer, append_event, "
            "delete_stream is set");
}

TEST(Convert, a_request_of_too_many_transactions_is_refused_at_the_first_command_too_many) {
  v1::TransactRequest request;
  for (int t = 0; t < 3; ++t) {
    v1::Transaction& transaction = *request.add_transactions();
    for (int i = 0; i < 8'000; ++i) transaction.add_commands()->mutable_create_transfer();
  }
  // Never converted: a draft takes a hundred times the bytes of an empty command.
  request.mutable_transactions(2)->mutable_commands(0)->Clear();
  EXPECT_EQ(parse_transact(request).error().message,
            "transactions: 16000 commands, a request holds at most 8190; send them in parts");
  request.mutable_transactions()->DeleteSubrange(1, 2);
  EXPECT_EQ(parse_transact(request)->commands.size(), 8'000U);
}

TEST(Convert, the_exceptions_of_a_packed_reply_are_those_not_created) {
  replica::Answer answer{};
  answer.results.resize(3);
  for (auto& result : answer.results) result.outcome = ledger::Outcome::created;
  answer.results[1].outcome = ledger::outcome(ledger::TransferOutcome::exceeds_credits);
  v1::PackedReply reply;
  fill(answer, reply);
  ASSERT_EQ(reply.exceptions().size(), 8U);
  ByteReader reader(as_bytes(reply.exceptions()));
  EXPECT_EQ(reader.u32(), 1U);
  EXPECT_EQ(reader.u32(), 54U);
}

TEST(Convert, a_reply_of_large_events_is_cut_short_and_says_where_to_go_on) {
  cell::ReadPage page;
  for (std::uint64_t i = 0; i < 10; ++i) {
    cell::ReadEvent event;
    event.header.body = ledger::EventBody{.revision = i};
    event.event.data.resize(400 << 10);
    page.events.push_back(std::move(event));
  }
  page.end = true;
  page.next = 10;
  cell::ReadQuery query;
  query.source = cell::ReadQuery::Source::stream;
  v1::ReadReply reply;
  fill(page, query, reply);
  EXPECT_EQ(reply.events_size(), 7);
  EXPECT_EQ(reply.next(), 7U);
  EXPECT_FALSE(reply.end());
}

}  // namespace
}  // namespace meridian::api
