// Whole journals: those of the repository, and outside ones where they are present.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "books/book.h"
#include "books/posting_plan.h"

namespace meridian::books {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

/// Posts every plan into plain integers and shows the result as Book::balances_tsv does.
std::string post_everything(const Book& book) {
  std::vector<i128> units(book.accounts().size());
  PlanReader reader(book);
  while (true) {
    auto next = reader.next();
    EXPECT_TRUE(next.has_value()) << next.error().message;
    if (!next || !*next) break;
    for (const PlannedTransfer& transfer : (*next)->transfers) {
      EXPECT_NE(transfer.units, u128{0});
      units[raw(transfer.debit)] += static_cast<i128>(transfer.units);
      units[raw(transfer.credit)] -= static_cast<i128>(transfer.units);
    }
  }
  std::vector<std::string> lines;
  std::map<CommodityIndex, i128> ledgers;
  for (std::size_t i = 0; i < units.size(); ++i) {
    const BookAccount& account = book.accounts()[i];
    ledgers[account.commodity] += units[i];
    if (units[i] == 0 || account.name == book.options().conversion_account) continue;
    const Commodity& commodity = book.commodities()[raw(account.commodity)];
    lines.push_back(account.name + "\t" + commodity.symbol + "\t" +
                    Decimal::of(units[i], commodity.scale)->text() + "\n");
  }
  for (const auto& [commodity, sum] : ledgers) {
    EXPECT_EQ(sum, i128{0}) << book.commodities()[raw(commodity)].symbol;
  }
  std::sort(lines.begin(), lines.end());
  std::string out;
  for (const std::string& line : lines) out += line;
  return out;
}

void expect_balances(const fs::path& journal, const fs::path& expected) {
  SCOPED_TRACE(journal.string());
  const std::string text = read_file(journal);
  ASSERT_FALSE(text.empty());
  const auto book = Book::open(text, journal.filename().string(), {.name = "test"});
  ASSERT_TRUE(book.has_value()) << book.error().message;
  std::vector<std::string> lines;
  std::istringstream in(read_file(expected));
  for (std::string line; std::getline(in, line);) lines.push_back(line + "\n");
  ASSERT_FALSE(lines.empty());
  std::sort(lines.begin(), lines.end());
  std::string sorted;
  for (const std::string& line : lines) sorted += line;
  EXPECT_EQ(book->balances_tsv(), sorted);
  EXPECT_EQ(post_everything(*book), sorted);
}

TEST(BooksData, the_sample_books_of_the_repository_end_with_the_expected_balances) {
  const fs::path folder = fs::path(MERIDIAN_SOURCE_DIR) / "samples/books";
  int count = 0;
  for (const auto& file : fs::directory_iterator(folder)) {
    if (file.path().extension() != ".journal") continue;
    expect_balances(file.path(), folder / "expected" / (file.path().stem().string() + ".tsv"));
    ++count;
  }
  EXPECT_GE(count, 2);
}

TEST(BooksData, outside_journals_end_with_the_balances_that_hledger_computed) {
  const char* from_environment = std::getenv("MERIDIAN_SHARED_DATA");
  const fs::path shared = from_environment != nullptr
                              ? fs::path(from_environment)
                              : fs::path(MERIDIAN_SOURCE_DIR) / "../shared/data";
  const fs::path folder = shared / "journals";
  if (!fs::is_directory(folder)) GTEST_SKIP() << "no journals in " << folder;
  for (const auto& file : fs::directory_iterator(folder)) {
    if (file.path().extension() != ".journal") continue;
    expect_balances(file.path(),
                    folder / "expected" / (file.path().stem().string() + ".hledger.tsv"));
  }
}

}  // namespace
}  // namespace meridian::books
