#include <gtest/gtest.h>

#include "books/book.h"

#include <string>

#include "books/posting_plan.h"

namespace meridian::books {
namespace {

std::string error_of(std::string_view text, BookOptions options = {}) {
  auto book = Book::open(text, "b.journal", std::move(options));
  return book ? "no error" : book.error().message;
}

std::string balances_of(std::string_view text) {
  auto book = Book::open(text, "b.journal", {});
  return book ? book->balances_tsv() : book.error().message;
}

/// `debit<credit units symbol` lines of every transaction, transactions apart by a blank line.
std::string transfers_of(std::string_view text) {
  auto book = Book::open(text, "b.journal", {.name = "home"});
  if (!book) return book.error().message;
  PlanReader reader(*book);
  std::string out;
  while (true) {
    auto next = reader.next();
    if (!next) return next.error().message;
    if (!*next) return out;
    for (const PlannedTransfer& transfer : (*next)->transfers) {
      const BookAccount& debit = book->accounts()[raw(transfer.debit)];
      out += debit.name + " < " + book->accounts()[raw(transfer.credit)].name + " " +
             to_decimal(transfer.units) + " " + book->commodities()[raw(debit.commodity)].symbol +
             "\n";
    }
    out += "\n";
  }
}

std::vector<std::string> identities_of(std::string_view text) {
  auto book = Book::open(text, "b.journal", {.name = "home"});
  EXPECT_TRUE(book.has_value()) << book.error().message;
  std::vector<std::string> out;
  if (!book) return out;
  PlanReader reader(*book);
  while (auto next = *reader.next()) out.push_back(next->identity);
  return out;
}

TEST(Book, an_unbalanced_transaction_is_refused_with_its_line_and_leftover) {
  EXPECT_EQ(error_of("; c\n2024-01-01 x\n  a  10.00 A\n  b  -9.99 A\n"),
            "b.journal:2: the transaction does not balance, off by 0.01 A: correct an amount, or "
            "leave one out to have it inferred");
  EXPECT_EQ(error_of("2024-01-01 x\n  a  3 A\n  b  1 B\n"),
            "b.journal:1: the transaction does not balance, off by 3 A, 1 B: correct an amount, or "
            "leave one out to have it inferred");
  EXPECT_EQ(error_of("2024-01-01 x\n  a  3 A\n  b  -1 B\n  c  2 C @ 1 B\n"),
            "b.journal:1: the transaction does not balance, off by 3 A, 1 B: correct an amount, or "
            "leave one out to have it inferred");
  EXPECT_EQ(error_of("2024-01-01 x\n  a  1 A\n"),
            "b.journal:1: the transaction does not balance, off by 1 A: correct an amount, or "
            "leave one out to have it inferred");
}

TEST(Book, a_total_price_is_paid_also_for_nothing) {
  EXPECT_EQ(balances_of("2024-01-01 x\n  a  0 X @@ 5 B\n  b\n"), "b\tB\t-5\n");
  EXPECT_EQ(balances_of("2024-01-01 x\n  a  0 X @@ 5 B\n  b  -5 B\n"), "b\tB\t-5\n");
  EXPECT_EQ(balances_of("2024-01-01 x\n  a  0 X @ 5 B\n  b\n"), "");
  EXPECT_EQ(
      error_of("2024-01-01 x\n  a  0 X @@ 5 B\n  b  -3 A\n"),
      "b.journal:1: the transaction does not balance, off by -3 A, 5 B: correct an amount, or "
      "leave one out to have it inferred");
  EXPECT_EQ(transfers_of("2024-01-01 x\n  a  0 X @@ 5 B\n  b\n"), "Equity:Conversion < b 5 B\n\n");
}

TEST(Book, rounding_is_tolerated_at_the_decimals_of_the_whole_book) {
  const std::string rounded = "2024-01-01 x\n  a  3 X @ 3.333 B\n  b  -10.00 B\n";
  const std::string refusal =
      "b.journal:1: the transaction does not balance, off by -0.001 B: correct an amount, or leave "
      "one out to have it inferred";
  EXPECT_EQ(balances_of(rounded), "a\tX\t3\nb\tB\t-10\n");
  EXPECT_EQ(balances_of(rounded + "2024-01-02 y\n  a  1 X @ 1.0001 B\n  b\n").substr(0, 1), "a");
  EXPECT_EQ(error_of(rounded + "2024-01-02 y\n  a  1.001 B\n  b\n"), refusal);
  EXPECT_EQ(error_of(rounded + "P 2024-01-01 Z 1.0001 B\n"), refusal);
  EXPECT_EQ(error_of(rounded + "commodity 1.0000 B\n"), refusal);
  EXPECT_EQ(error_of("2024-01-01 x\n  a  3 X @ 3.2 B\n  b  -10.00 B\ncommodity 1. B\n"),
            "no error");
  EXPECT_EQ(error_of("2024-01-01 x\n  a  3 X @ 3.33 B\n  b  -1 Y @ 9.9896 B\n"),
            "b.journal:1: the transaction does not balance, off by 0.0004 B: correct an amount, or "
            "leave one out to have it inferred");
}

TEST(Book, amounts_are_inferred_in_every_commodity_and_at_cost) {
  EXPECT_EQ(balances_of("2024-01-01 x\n  a  1 A\n  b  -2 B\n  c  3 C @ 0.5 D\n  d\n"),
            "a\tA\t1\nb\tB\t-2\nc\tC\t3\nd\tA\t-1\nd\tB\t2\nd\tD\t-1.5\n");
  EXPECT_EQ(balances_of("2024-01-01 x\n  a  -2 A @@ 3 B\n  b\n"), "a\tA\t-2\nb\tB\t3\n");
  EXPECT_EQ(balances_of("2024-01-01 x\n  a  2.431000000000 V @ 98.73 B\n  b\n"),
            "a\tV\t2.431\nb\tB\t-240.01263\n");
  EXPECT_EQ(balances_of("2024-01-01 x\n  a\n"), "");
}

TEST(Book, two_unpriced_commodities_of_opposite_sign_are_an_exchange) {
  EXPECT_EQ(balances_of("2024-01-01 x\n  a  3 X\n  a  4 X\n  b  -1 Y\n  c  2 Z\n  c  -2 Z\n"),
            "a\tX\t7\nb\tY\t-1\n");
  EXPECT_EQ(transfers_of("2024-01-01 x\n  a  3 X\n  b  -1 Y\n"),
            "a < Equity:Conversion 3 X\nEquity:Conversion < b 1 Y\n\n");
}

TEST(Book, assertions_hold_in_order_of_date) {
  const std::string late = "2024-01-02 x\n  a  1 A = 2 A\n  b\n";
  EXPECT_EQ(error_of(late + "2024-01-01 y\n  a  1 A\n  b\n"), "no error");
  EXPECT_EQ(error_of(late + "2024-01-02 y\n  a  1 A\n  b\n"),
            "b.journal:2: balance assertion fails: 'a' holds 1 A on 2024-01-02, not 2 A: correct "
            "the assertion or the postings before it");
  EXPECT_EQ(error_of(late + "2024-01-03 y\n  a  1 A  ; date:2024-01-01\n  b\n"), "no error");
  EXPECT_EQ(error_of("2024-01-01 x\n  a  1.001 A = 1.00 A\n  b\n"),
            "b.journal:2: balance assertion fails: 'a' holds 1.001 A on 2024-01-01, not 1 A: "
            "correct the assertion or the postings before it");
}

TEST(Book, assertions_may_be_sole_and_with_children) {
  const std::string head = "2024-01-01 x\n  a:c  1 A\n  a:c:d  1 B\n  ab  5 A\n  b\n";
  EXPECT_EQ(error_of(head + "2024-01-02 y\n  a:c  0 A = 1 A\n  a:c  0 A == 1 A\n"), "no error");
  EXPECT_EQ(error_of(head + "2024-01-02 y\n  a  0 A =* 1 A\n  a  0 A = 0 A\n"), "no error");
  EXPECT_EQ(error_of(head + "2024-01-02 y\n  a  0 A ==* 1 A\n"),
            "b.journal:7: balance assertion fails: 'a' with its children holds 1 B on 2024-01-02, "
            "not 0 B: correct the assertion or the postings before it");
  EXPECT_EQ(error_of(head + "2024-01-02 y\n  a  0 = 0\n"), "no error");
}

TEST(Book, the_scale_of_a_commodity_is_of_the_whole_book_and_stays) {
  const std::string text =
      "2024-01-01 x\n  a  1.5 A\n  b\n\n2024-01-02 x\n  a  1.000 A\n  b\n2024-01-02 x\n  a  1 B @ "
      "0.1234 A\n  b\ncommodity 1.00 B\n";
  auto book = Book::open(text, "b.journal", {});
  ASSERT_TRUE(book.has_value());
  EXPECT_EQ(book->commodities()[raw(book->commodity("A"))].scale, 4);
  EXPECT_EQ(book->commodities()[raw(book->commodity("B"))].scale, 2);
  auto again = Book::open(text, "b.journal", {.name = "", .scales = {{"A", 6}}});
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->commodities()[raw(again->commodity("A"))].scale, 6);
  EXPECT_EQ(error_of(text, {.name = "", .scales = {{"A", 3}}}),
            "b.journal:8: an amount of 'A' has 4 decimals, but this book was imported with 3: "
            "write at most 3, or import under another book name");
}

TEST(Book, sums_that_do_not_fit_are_errors) {
  const std::string huge(38, '9');
  EXPECT_EQ(error_of("2024-01-01 x\n  a  " + huge + " A\n  a  " + huge + " A\n  b\n"),
            "b.journal:1: amount too large: an exact amount has at most 38 digits and 28 decimals");
}

TEST(PostingPlan, a_conversion_goes_through_the_conversion_account) {
  EXPECT_EQ(transfers_of("2024-01-01 x\n  a  2 A @ 1.50 B\n  b  -3.00 B\n"),
            "a < Equity:Conversion 2 A\nEquity:Conversion < b 300 B\n\n");
  EXPECT_EQ(transfers_of("2024-01-01 x\n  a  3 X @ 3.333 B\n  b  -10.00 B\n  c  10 B\n  d\n"),
            "Equity:Conversion < b 9999 B\nc < b 1 B\nc < d 9999 B\na < Equity:Conversion 3 X\n\n");
}

TEST(PostingPlan, postings_are_matched_in_fewer_transfers_than_postings) {
  EXPECT_EQ(transfers_of("2024-01-01 x\n  e  7 A\n  d  3 A\n  b  -6 A\n  a\n"),
            "d < a 3 A\ne < a 1 A\ne < b 6 A\n\n");
}

TEST(PostingPlan, an_account_never_posts_to_itself) {
  EXPECT_EQ(transfers_of("2024-01-01 x\n  a  5 A\n  a  -5 A\n"), "\n");
  EXPECT_EQ(transfers_of("2024-01-01 x\n  a  5 A\n  a  -2 A\n  b\n"), "a < b 3 A\n\n");
  EXPECT_EQ(transfers_of("2024-01-01 x\n  a  5 A\n  a  2 A\n  b\n"), "a < b 2 A\na < b 5 A\n\n");
}

TEST(PostingPlan, a_zero_posting_names_its_account_without_a_transfer) {
  auto book = Book::open("2024-01-01 x\n  a  0.00 A\n", "b.journal", {});
  ASSERT_TRUE(book.has_value());
  auto plan = *PlanReader(*book).next();
  ASSERT_TRUE(plan.has_value());
  EXPECT_TRUE(plan->transfers.empty());
  ASSERT_EQ(plan->accounts.size(), 1u);
  EXPECT_EQ(book->accounts()[raw(plan->accounts[0])].name, "a");
}

TEST(PostingPlan, identity_is_of_the_economic_content_and_counts_equals) {
  const auto first = identities_of("2024-01-01 x\n  a  1.00 A\n  b\n");
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0], "home\n2024-01-01\na\t1\tA\nb\t-1\tA\n0");
  EXPECT_EQ(identities_of("2024/1/1 * (7) other text ; c\n  b  -1 A\n  a  1 A = 1 A\n"), first);
  const auto extended = identities_of(
      "2023-01-01 z\n  c  1 B\n  d\n2024-01-01 x\n  a  1.00 A\n  b\n"
      "2024-01-01 x\n  a  1.00 A\n  b\n");
  ASSERT_EQ(extended.size(), 3u);
  EXPECT_EQ(extended[1], first[0]);
  EXPECT_EQ(extended[2], "home\n2024-01-01\na\t1\tA\nb\t-1\tA\n1");
}

TEST(PostingPlan, an_earlier_transaction_does_not_change_the_transfers_of_a_later_one) {
  const std::string last = "2024-01-02 x\n  e  7 A\n  d  3 A\n  b  -6 A\n  a  3 B\n  c\n";
  const std::string before = "2024-01-01 x\n  c  1 B\n  a\n  b  1 A\n  z  -1 A\n";
  const std::string alone = transfers_of(last);
  EXPECT_TRUE(transfers_of(before + last).ends_with("\n\n" + alone));
}

}  // namespace
}  // namespace meridian::books
