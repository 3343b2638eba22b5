#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "child.h"
#include "client.h"
#include "flags.h"
#include "ids.h"
#include "import.h"
#include "ledger/command.h"
#include "names.h"
#include "output.h"
#include "sample_books.h"

namespace meridian::app {
namespace {

using ::testing::HasSubstr;

TEST(ParseId, decimal_and_hexadecimal_mean_the_same_number) {
  EXPECT_EQ(*parse_id("255", "id"), u128{255});
  EXPECT_EQ(*parse_id("0xff", "id"), u128{255});
  EXPECT_EQ(*parse_id("0xFF", "id"), u128{255});
  EXPECT_EQ(*parse_id("340282366920938463463374607431768211455", "id"), u128_max);
  EXPECT_EQ(*parse_id("0xffffffffffffffffffffffffffffffff", "id"), u128_max);
}

TEST(ParseId, what_is_no_id_is_refused_by_name) {
  for (const char* text :
       {"", "x", "0x", "0xg", "-1", "1 ", "340282366920938463463374607431768211456",
        "0x100000000000000000000000000000000"}) {
    const Result<u128> id = parse_id(text, "--debit");
    ASSERT_FALSE(id) << text;
    EXPECT_THAT(id.error().message, HasSubstr("--debit"));
  }
}

TEST(ParseId, the_check_of_the_command_line_says_the_same) {
  EXPECT_EQ(check_id("255"), "");
  EXPECT_EQ(check_id("0xff"), "");
  for (const char* text : {"", "x", "0x", "0xg", "-1", "1 "})
    EXPECT_EQ("--debit: " + check_id(text), parse_id(text, "--debit").error().message) << text;
}

TEST(Ids, later_ids_are_greater_and_never_the_reserved_ones) {
  const auto clock = io::os_clock();
  const auto entropy = io::os_entropy();
  const u128 first = time_ordered_id(*clock, *entropy);
  EXPECT_NE(first >> 80, 0u);
  for (int i = 0; i < 1'000; ++i) {
    const u128 id = time_ordered_id(*clock, *entropy);
    EXPECT_GE(id >> 80, first >> 80);
    EXPECT_NE(id, u128_max);
  }
}

TEST(Flags, names_are_the_bits_of_the_ledger) {
  EXPECT_EQ(*parse_account_flags({"history", "linked"}),
            ledger::account_flags::history | ledger::account_flags::linked);
  EXPECT_EQ(*parse_account_flags({"requires_signature"}),
            ledger::account_flags::requires_signature);
  EXPECT_FALSE(parse_account_flags({""}).has_value()) << "a bit without a name";
  EXPECT_EQ(*parse_transfer_flags({"imported"}), ledger::transfer_flags::imported);
  EXPECT_EQ(flag_words(ledger::transfer_flags::pending | ledger::transfer_flags::closing_credit),
            "pending closing_credit");
  EXPECT_THAT(parse_account_flags({"frozen"}).error().message, HasSubstr("history"));
}

TEST(Table, columns_line_up_by_characters_not_bytes) {
  EXPECT_EQ(format_table({{"Küche", "1.50", "EUR"}, {"Bad", "100", "€"}}, {1}),
            "Küche  1.50  EUR\nBad     100  €\n");
}

TEST(BalanceText, is_exact_and_has_no_trailing_zeros) {
  EXPECT_EQ(*balance_text(150, 0, 2), "1.5");
  EXPECT_EQ(*balance_text(0, 2, 2), "-0.02");
  EXPECT_EQ(*balance_text(7, 7, 2), "0");
  EXPECT_FALSE(balance_text(u128_max, 0, 2));
}

TEST(ServingLine, is_found_in_what_serve_prints) {
  const auto line =
      parse_serving_line("meridian: serving grpc 127.0.0.1:1 http [::1]:22 (3 records)");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->grpc, "127.0.0.1:1");
  EXPECT_EQ(line->http, "[::1]:22");
  EXPECT_FALSE(parse_serving_line(""));
  EXPECT_FALSE(parse_serving_line("meridian: serving grpc x"));
}

TEST(Jsonl, a_line_is_a_transaction_of_one_or_more_commands) {
  const auto one = parse_jsonl_line(
      R"({"create_transfer":{"id":"9","debit_account_id":"1","credit_account_id":"2",)"
      R"("amount":"100","ledger":700,"code":1}})");
  ASSERT_TRUE(one) << one.error().message;
  ASSERT_EQ(one->commands_size(), 1);
  EXPECT_EQ(to_u128(one->commands(0).create_transfer().amount()), 100u);
  const auto two = parse_jsonl_line(
      R"({"transaction":[{"create_account":{"id":"1","ledger":7,"code":1}},)"
      R"({"append_event":{"event_id":"5","stream":"a-[1]","type":"t","data":{"x": [1,  2]}}}]})");
  ASSERT_TRUE(two) << two.error().message;
  ASSERT_EQ(two->commands_size(), 2);
  EXPECT_EQ(two->commands(0).create_account().flags(), 0u) << "the server links them";
  EXPECT_EQ(two->commands(1).append_event().data(), R"({"x": [1,  2]})");
}

TEST(Jsonl, what_is_wrong_is_named) {
  const auto message = [](std::string_view line) {
    const auto parsed = parse_jsonl_line(line);
    return parsed ? std::string("accepted") : parsed.error().message;
  };
  EXPECT_THAT(message("{"), HasSubstr("no JSON"));
  EXPECT_THAT(message("[]"), HasSubstr("one object"));
  EXPECT_THAT(message(R"({"a":1,"b":2})"), HasSubstr("one member"));
  EXPECT_THAT(message(R"({"transaction":[]})"), HasSubstr("at least one"));
  EXPECT_THAT(message(R"({"create_account":{"ledgr":1}})"), HasSubstr("ledgr"));
}

TEST(DerivedIds, differ_by_secret_label_identity_and_number) {
  const Buffer a(32, 1);
  const Buffer b(32, 2);
  const u128 id = derived_id(a, "event", "x", 0);
  EXPECT_EQ(id, derived_id(a, "event", "x", 0));
  EXPECT_NE(id, derived_id(b, "event", "x", 0));
  EXPECT_NE(id, derived_id(a, "transfer", "x", 0));
  EXPECT_NE(id, derived_id(a, "event", "y", 0));
  EXPECT_NE(id, derived_id(a, "event", "x", 1));
}

TEST(BookEvents, fold_to_names_and_refuse_what_import_never_wrote) {
  KnownBook book;
  const std::string secret(64, 'a');
  ASSERT_TRUE(fold_book_event(
      book, book_opened,
      R"({"version":1,"book":"b","conversion_account":"E","secret":")" + secret + "\"}"));
  ASSERT_TRUE(
      fold_book_event(book, commodity_declared, R"({"symbol":"EUR","ledger":3,"scale":2})"));
  ASSERT_TRUE(fold_book_event(book, account_opened, R"({"name":"a","commodity":"EUR","id":"77"})"));
  EXPECT_EQ(book.events, 3u);
  EXPECT_EQ(book.commodities.at("EUR").ledger, 3u);
  EXPECT_EQ(book.accounts.at({"a", "EUR"}), u128{77});
  EXPECT_FALSE(fold_book_event(book, book_opened, R"({"version":2})"));
  EXPECT_FALSE(fold_book_event(book, commodity_declared, R"({"symbol":"X","ledger":0,"scale":2})"));
  EXPECT_FALSE(fold_book_event(book, account_opened, "7"));
  EXPECT_FALSE(fold_book_event(book, "other", "{}"));
}

TEST(TransactionOf, posts_the_text_sealed_for_the_payee_and_its_transfers) {
  const std::string_view text =
      "2024-01-31 * Café Zwei | lunch\n    expenses:food   12.50 EUR\n    assets:cash\n";
  const auto book = books::Book::open(text, "t", {.name = "b"});
  ASSERT_TRUE(book) << book.error().message;
  books::PlanReader reader(*book);
  const auto plan = reader.next();
  ASSERT_TRUE(plan && *plan);
  KnownBook known;
  known.name = "b";
  known.secret = Buffer(32, 5);
  known.commodities["EUR"] = {4, 2};
  known.accounts[{"expenses:food", "EUR"}] = 11;
  known.accounts[{"assets:cash", "EUR"}] = 12;
  const v1::Transaction transaction = transaction_of(*book, known, **plan);
  ASSERT_EQ(transaction.commands_size(), 2);
  const v1::NewEvent& event = transaction.commands(0).append_event();
  EXPECT_EQ(event.subject(), "Café Zwei");
  EXPECT_EQ(event.stream(), "journal-b");
  EXPECT_THAT(event.data(), HasSubstr("12.50 EUR"));
  const v1::Transfer& transfer = transaction.commands(1).create_transfer();
  EXPECT_EQ(to_u128(transfer.debit_account_id()), 11u);
  EXPECT_EQ(to_u128(transfer.credit_account_id()), 12u);
  EXPECT_EQ(to_u128(transfer.amount()), 1'250u);
  EXPECT_EQ(transfer.ledger(), 4u);
  EXPECT_EQ(transfer.user_data_32(), 20'240'131u);
  EXPECT_EQ(transfer.user_data_128(), event.event_id());
}

TEST(SampleBooks, are_embedded_whole) {
  ASSERT_EQ(sample_books().size(), 2u);
  for (const SampleBook& sample : sample_books()) {
    const auto book = books::Book::open(sample.text, sample.file_name, {});
    EXPECT_TRUE(book) << book.error().message;
  }
}

}  // namespace
}  // namespace meridian::app
