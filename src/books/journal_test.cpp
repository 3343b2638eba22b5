#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "books/journal.h"

namespace meridian::books {
namespace {

std::vector<Transaction> read_all(std::string_view text) {
  JournalReader reader(text, "b.journal");
  std::vector<Transaction> out;
  while (true) {
    auto next = reader.next();
    EXPECT_TRUE(next.has_value()) << next.error().message;
    if (!next || !*next) return out;
    out.push_back(**std::move(next));
  }
}

std::string error_of(std::string_view text) {
  JournalReader reader(text, "b.journal");
  while (true) {
    auto next = reader.next();
    if (!next) return next.error().message;
    if (!*next) return "no error";
  }
}

std::string with_amount(std::string_view amount) {
  return "2024-01-01 x\n  a  " + std::string(amount) + "\n  b\n";
}

TEST(Journal, a_bad_heading_is_refused_with_file_line_and_remedy) {
  EXPECT_EQ(error_of("2024-02-30 x\n"),
            "b.journal:1: date '2024-02-30' is not in the calendar: correct month or day");
  EXPECT_EQ(error_of("\n2024-1/2 x\n"),
            "b.journal:2: date '2024-1/2' mixes separators: use the same one twice");
  EXPECT_EQ(error_of("1/2 x\n"),
            "b.journal:1: date '1/2' has no year: write it, or put a 'Y 2024' directive above");
  EXPECT_EQ(error_of("24/1/2 x\n"),
            "b.journal:1: date '24/1/2' is not a date: write it like 2024-01-31");
  EXPECT_EQ(error_of("2024\n"), "b.journal:1: date '2024' is not a date: write it like 2024-01-31");
  EXPECT_EQ(error_of("2024-01-\n"),
            "b.journal:1: date '2024-01-' is not a date: write it like 2024-01-31");
  EXPECT_EQ(error_of("2024-01-01* x\n"), "b.journal:1: '* x' after the date: put a space there");
  EXPECT_EQ(error_of("2024-01-01= x\n"),
            "b.journal:1: date ' x' is not a date: write it like 2024-01-31");
  EXPECT_EQ(error_of("2024-01-01 * (12 x\n"), "b.journal:1: code '(12 x' is not closed: add ')'");
}

TEST(Journal, what_would_change_postings_and_is_not_understood_is_refused_by_name) {
  EXPECT_EQ(error_of("; c\ninclude other.journal\n"),
            "b.journal:2: 'include' is not supported: import each file by itself, or join them");
  EXPECT_EQ(error_of("!include x\n"),
            "b.journal:1: 'include' is not supported: import each file by itself, or join them");
  EXPECT_EQ(error_of("alias a=b\n"),
            "b.journal:1: 'alias' is not supported: write the full account names");
  EXPECT_EQ(error_of("= expenses\n  a  1\n"),
            "b.journal:1: an automated transaction (=) is not supported: write out what it would "
            "add");
  EXPECT_EQ(error_of("~ monthly\n  a  1\n"),
            "b.journal:1: a periodic transaction (~) is not supported: budgets are not postings, "
            "remove it");
  EXPECT_EQ(error_of("2024-01-01 x\n  (a)  1\n"),
            "b.journal:2: virtual posting '(a)' is not supported: only real postings can be kept "
            "as double entry, remove it or its brackets");
  EXPECT_EQ(error_of("2024-01-01 x\n  [a]  1\n"),
            "b.journal:2: virtual posting '[a]' is not supported: only real postings can be kept "
            "as double entry, remove it or its brackets");
  EXPECT_EQ(error_of(with_amount("1 A {2 B}")),
            "b.journal:2: lot '{2 B}' is not supported: write what was paid as '@ PRICE' or '@@ "
            "TOTAL'");
  EXPECT_EQ(error_of(with_amount("= 5 A")),
            "b.journal:2: a balance assignment ('= 5 A') is not supported: write the posting's "
            "amount before the '='");
  EXPECT_EQ(error_of(with_amount("(1 + 2) A")),
            "b.journal:2: expression '(1 + 2) A' is not supported: write its value");
  EXPECT_EQ(error_of(with_amount("*2")),
            "b.journal:2: multiplier '*2' is not supported: only automated transactions have one, "
            "write the amount");
  EXPECT_EQ(error_of("A assets\n"),
            "b.journal:1: a default account (A) is not supported: give every transaction all its "
            "postings");
  EXPECT_EQ(error_of("C 1 Kb = 1024 b\n"),
            "b.journal:1: a commodity conversion (C) is not supported: write amounts in one unit");
  EXPECT_EQ(error_of("i 2024-01-01 09:00 work\n"),
            "b.journal:1: timeclock entries are not supported: remove them");
  EXPECT_EQ(error_of("apply tag x\n"),
            "b.journal:1: only 'apply account NAME' and 'apply year YYYY' are supported");
  EXPECT_EQ(error_of("end apply\n"),
            "b.journal:1: 'end apply' has no open 'apply' before it: remove it");
  EXPECT_EQ(error_of("frobnicate\n"),
            "b.journal:1: 'frobnicate' is not understood: expected a transaction (a date), a "
            "directive (account, commodity, D, P, Y, decimal-mark, payee, tag, apply), or a "
            "comment (;)");
  EXPECT_EQ(error_of("account a\n  alias b\n"),
            "b.journal:2: 'alias' below 'account' is not supported: remove it (known here: note "
            "type check)");
}

TEST(Journal, a_bad_posting_is_refused_with_file_line_and_remedy) {
  EXPECT_EQ(error_of("2024-01-01 x\n  a\n  b 3 A\n  c  1 A\n"),
            "b.journal:3: 'b 3 A' and 'a' (line 2) both lack an amount: write all but one, two "
            "spaces after the account name");
  EXPECT_EQ(error_of("2024-01-01 x\n  a  1\n\n  b\n"),
            "b.journal:4: indented line 'b' outside of a transaction: remove the blank line above "
            "it, or the indentation");
  EXPECT_EQ(error_of("2024-01-01 x\n  a ; note\n"),
            "b.journal:2: ';' in the account name 'a ; note': put two spaces before a comment");
  EXPECT_EQ(error_of("2024-01-01 x\n  a  1 A x\n"),
            "b.journal:2: 'x' after the amount: expected '@', '=' or a comment (;)");
  EXPECT_EQ(error_of(with_amount("1 A @")),
            "b.journal:2: price: a number is missing: an amount is written '10.50 EUR'");
  EXPECT_EQ(error_of(with_amount("1 A @ 2 A")),
            "b.journal:2: the price is in the commodity it prices, 'A': price it in another one");
  EXPECT_EQ(error_of(with_amount("1 A = ")),
            "b.journal:2: balance assertion: a number is missing: an amount is written '10.50 "
            "EUR'");
  EXPECT_EQ(error_of("2024-01-01 x\n  a  1  ; date:2024-13-01\n"),
            "b.journal:2: date '2024-13-01' is not in the calendar: correct month or day");
  EXPECT_EQ(error_of(std::string("2024-01-01 x\xff\n")),
            "b.journal:1: byte 0xff in column 13 is not UTF-8: convert the file, for example with "
            "iconv -t utf-8");
  EXPECT_EQ(error_of(std::string("2024-01-01 x\x01\n")),
            "b.journal:1: control character 0x01 in column 13: remove it");
}

TEST(Journal, limits_are_errors) {
  EXPECT_EQ(error_of("2024-01-01 " + std::string(70000, 'x')),
            "b.journal:1: a line of 70011 bytes: split it, a line has at most 65536");
  std::string postings = "2024-01-01 x\n";
  for (std::size_t i = 0; i <= Limits::postings_max; ++i) postings += "  a  1\n";
  EXPECT_EQ(error_of(postings),
            "b.journal:4002: more than 4000 postings in one transaction: split it");
  std::string comments = "2024-01-01 x\n";
  for (int i = 0; i < 10; ++i) comments += "  ; " + std::string(60000, 'x') + "\n";
  EXPECT_EQ(error_of(comments), "b.journal:6: more than 262144 bytes in one transaction: split it");
  EXPECT_EQ(error_of("2024-01-01 x\n  " + std::string(1025, 'a') + "  1\n"),
            "b.journal:2: account name '" + std::string(60, 'a') +
                "...' has 1025 bytes: shorten it to at most 1024");
}

TEST(Journal, bad_directives_are_refused) {
  EXPECT_EQ(error_of("commodity $1000\n"),
            "b.journal:1: no decimal mark in '$1000': write one, also for no decimals, as in "
            "'1,000. USD'");
  EXPECT_EQ(error_of("commodity EUR\n  format 1.00 USD\n"),
            "b.journal:2: format '1.00 USD' is not of the commodity 'EUR': write the same symbol");
  EXPECT_EQ(error_of("commodity EUR\n  alias E\n"),
            "b.journal:2: 'alias' below 'commodity' is not supported: remove it (known here: "
            "format note nomarket)");
  EXPECT_EQ(error_of("D 1000 USD\n"),
            "b.journal:1: D '1000 USD': write an amount with symbol and decimal mark, as in 'D "
            "1,000.00 USD'");
  EXPECT_EQ(error_of("decimal-mark ;\n"),
            "b.journal:1: decimal-mark '': write 'decimal-mark .' or 'decimal-mark ,'");
  EXPECT_EQ(error_of("Y 24\n"),
            "b.journal:1: '24' is not a year: write four digits, as in 'Y 2024'");
  EXPECT_EQ(error_of("P 2024-01-01 $ x\n"),
            "b.journal:1: a number is missing: an amount is written '10.50 EUR'");
  EXPECT_EQ(error_of("P 2024-01-01 3 $1\n"),
            "b.journal:1: no commodity symbol at '3 $1': put symbols with digits, blanks or marks "
            "in double quotes");
}

TEST(Journal, all_parts_of_a_transaction_are_read) {
  const auto read = read_all(
      "\xEF\xBB\xBF; head\r\n"
      "2024/01/05=1/9 ! (no 7) Bakery Hahn | bread ; weekly\r\n"
      "    ; second line\r\n"
      "    * assets:cash in hand    -3.50 EUR = 20 EUR  ; date:1/7, paid\r\n"
      "    expenses:food\t$4 @@ 3.50 EUR  \r\n"
      "\r\n");
  ASSERT_EQ(read.size(), 1u);
  const Transaction& transaction = read[0];
  EXPECT_EQ(transaction.line, 2u);
  EXPECT_EQ(text(transaction.date), "2024-01-05");
  ASSERT_TRUE(transaction.secondary_date.has_value());
  EXPECT_EQ(text(*transaction.secondary_date), "2024-01-09");
  EXPECT_EQ(transaction.mark, Mark::pending);
  EXPECT_EQ(transaction.code, "no 7");
  EXPECT_EQ(transaction.payee(), "Bakery Hahn");
  EXPECT_EQ(transaction.note(), "bread");
  EXPECT_EQ(transaction.comment, "weekly\nsecond line");
  EXPECT_EQ(transaction.text,
            "2024/01/05=1/9 ! (no 7) Bakery Hahn | bread ; weekly\n"
            "    ; second line\n"
            "    * assets:cash in hand    -3.50 EUR = 20 EUR  ; date:1/7, paid\n"
            "    expenses:food\t$4 @@ 3.50 EUR");
  ASSERT_EQ(transaction.postings.size(), 2u);
  const Posting& cash = transaction.postings[0];
  EXPECT_EQ(cash.line, 4u);
  EXPECT_EQ(cash.mark, Mark::cleared);
  EXPECT_EQ(cash.account, "assets:cash in hand");
  EXPECT_EQ(text(*cash.amount), "-3.5 EUR");
  EXPECT_EQ(text(cash.assertion->amount), "20 EUR");
  EXPECT_FALSE(cash.assertion->is_sole);
  EXPECT_EQ(text(*cash.date), "2024-01-07");
  EXPECT_EQ(cash.comment, "date:1/7, paid");
  const Posting& food = transaction.postings[1];
  EXPECT_EQ(food.account, "expenses:food");
  EXPECT_EQ(text(*food.amount), "4 $");
  EXPECT_TRUE(food.price->is_total);
  EXPECT_EQ(text(food.price->amount), "3.5 EUR");
}

TEST(Journal, assertions_prices_and_posting_dates_have_all_their_forms) {
  const auto read = read_all(
      "2024.1.2\n"
      "  a  1 A @ 2 B == 3 A @ 4 B\n"
      "  a  1 A (@@) 2 B =* 3 A\n"
      "  a  1 A (@) 2 B ==* 3 A ; [2024-01-09=2024-01-10]\n"
      "  b   ; update:x [no]\n"
      "2024-01-03 without blank line above\n"
      "2024-01-04 ; only a comment\n");
  ASSERT_EQ(read.size(), 3u);
  const auto& postings = read[0].postings;
  ASSERT_EQ(postings.size(), 4u);
  EXPECT_FALSE(postings[0].price->is_total);
  EXPECT_TRUE(postings[0].assertion->is_sole);
  EXPECT_FALSE(postings[0].assertion->with_children);
  EXPECT_TRUE(postings[1].price->is_total);
  EXPECT_FALSE(postings[1].assertion->is_sole);
  EXPECT_TRUE(postings[1].assertion->with_children);
  EXPECT_FALSE(postings[2].price->is_total);
  EXPECT_TRUE(postings[2].assertion->is_sole);
  EXPECT_TRUE(postings[2].assertion->with_children);
  EXPECT_EQ(text(*postings[2].date), "2024-01-09");
  EXPECT_FALSE(postings[3].amount.has_value());
  EXPECT_FALSE(postings[3].date.has_value());
  EXPECT_TRUE(read[1].postings.empty());
  EXPECT_EQ(read[2].description, "");
}

TEST(Journal, a_bracketed_date_is_found_behind_brackets_that_hold_none) {
  const auto read = read_all(
      "2024-01-01 x\n"
      "  a  1  ; [] [5] [x] [1-2 [=1/2] [[1/3=1/4]] [1/5]\n"
      "  b  1  ; [1/6\n"
      "  c\n");
  ASSERT_EQ(read.size(), 1u);
  ASSERT_TRUE(read[0].postings[0].date.has_value());
  EXPECT_EQ(text(*read[0].postings[0].date), "2024-01-03");
  EXPECT_FALSE(read[0].postings[1].date.has_value());
}

TEST(Journal, a_comment_full_of_brackets_is_read_in_time) {
  std::string brackets;
  while (brackets.size() < 60'000) brackets += "[1";
  const std::string once = "2024-01-01 x\n  a  1 A ; " + brackets + "-x]\n  b\n";
  std::string journal;
  // In time quadratic in the line, 2.6 s each, this runs into the test's limit of 300 s.
  for (int i = 0; i < 200; ++i) journal += once;
  EXPECT_EQ(read_all(journal).size(), 200u);
}

TEST(Journal, comments_and_directives_between_transactions_are_read) {
  const auto read = read_all(
      "* org heading\n** deeper\n# hash\n% percent\n| bar\n  ; indented\n   \n"
      "comment\n2024-99-99 not read \xff\n  end comment\n"
      "account assets:cash  ; type: C\n  ; note\n  note mine\n"
      "commodity $1,000.00\ncommodity \"ADR X\"\n  ; c\ncommodity INR\n  format INR 1,00,000.00\n"
      "payee Bakery\n  alias B\ntag project\nN $\n"
      "P 2024-01-01 \"ADR X\" $3.14159\nP 2024/1/1 12:30:00 EUR $1.1\n"
      "D 1.000,00 EUR\n"
      "Y2023\napply year 2024\napply account top:sub\n"
      "1/2 dated by year\n  a  1,50\n  b\n"
      "end apply account\nend apply year\n"
      "1/3 later\n  a  2 $\n  b\ncomment\nto the end of the file\n");
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(text(read[0].date), "2024-01-02");
  EXPECT_EQ(read[0].postings[0].account, "top:sub:a");
  EXPECT_EQ(text(*read[0].postings[0].amount), "1.5 EUR");
  EXPECT_EQ(text(read[1].date), "2023-01-03");
  EXPECT_EQ(read[1].postings[0].account, "a");
}

TEST(Journal, a_reader_stays_at_its_end_after_an_error) {
  JournalReader reader("include x\n2024-01-01 y\n", "b.journal");
  EXPECT_FALSE(reader.next().has_value());
  auto after = reader.next();
  ASSERT_TRUE(after.has_value());
  EXPECT_FALSE(after->has_value());
}

}  // namespace
}  // namespace meridian::books
