#include <fmt/format.h>

#include <algorithm>

#include "api/convert.h"
#include "books/amount.h"
#include "names.h"
#include "output.h"
#include "run_with.h"

namespace meridian::app {

namespace {

struct Options {
  ClientOptions client;
  std::string format = "table", book;
  bool all = false;
  bool json = false;
};

struct Row {
  std::string account, commodity, balance;
};

/// Debits and credits of the accounts with `ids`, in chunks.
Result<std::map<u128, std::pair<u128, u128>>> look_up(Client& client,
                                                      const std::vector<u128>& ids) {
  std::map<u128, std::pair<u128, u128>> found;
  constexpr std::size_t chunk = 4'096;
  for (std::size_t at = 0; at < ids.size(); at += chunk) {
    v1::LookupRequest request;
    for (std::size_t i = at; i < std::min(ids.size(), at + chunk); ++i)
      request.add_ids(api::format_u128(ids[i]));
    const v1::LookupAccountsReply reply =
        TRY(client.call(*client.accounts, &v1::Accounts::Stub::Lookup, request));
    for (const v1::Account& account : reply.accounts())
      found[to_u128(account.id())] = {to_u128(account.debits_posted()),
                                      to_u128(account.credits_posted())};
  }
  return found;
}

Result<std::vector<Row>> rows_of(Client& client, const Options& options) {
  const std::map<std::string, KnownBook> books = TRY(read_books(client));
  if (!options.book.empty() && !books.contains(options.book))
    return fail(Code::not_found,
                fmt::format("there is no book '{}'. import one with `meridian import "
                            "journal FILE --book {}`",
                            options.book, options.book));
  std::vector<u128> ids;
  for (const auto& [name, book] : books)
    for (const auto& [key, id] : book.accounts)
      if (options.book.empty() || options.book == name) ids.push_back(id);
  const auto found = TRY(look_up(client, ids));

  // Books that share an account name and commodity are added up.
  std::map<std::pair<std::string, std::string>, books::Decimal> sums;
  for (const auto& [name, book] : books) {
    if (!options.book.empty() && options.book != name) continue;
    for (const auto& [key, id] : book.accounts) {
      if (!options.all && key.first == book.conversion_account) continue;
      const auto at = found.find(id);
      if (at == found.end()) continue;
      const auto [debits, credits] = at->second;
      const bool is_negative = credits > debits;
      const u128 units = is_negative ? credits - debits : debits - credits;
      const auto signed_units = static_cast<books::i128>(units);
      if (units > u128_max / 2)
        return fail(Code::out_of_range,
                    fmt::format("the balance of '{}' has more than 38 digits. see "
                                "`meridian account show {} --json`",
                                key.first, to_decimal(id)));
      books::Decimal& sum = sums[key];
      const books::Decimal balance = TRY(books::Decimal::of(
          is_negative ? -signed_units : signed_units, book.commodities.at(key.second).scale));
      sum = TRY(books::add(sum, balance));
    }
  }
  std::vector<Row> rows;
  for (const auto& [key, sum] : sums)
    if (!sum.is_zero()) rows.push_back({key.first, key.second, sum.normalized().text()});
  return rows;
}

Result<Exit> run(Client& client, const Options& options) {
  const std::vector<Row> rows = TRY(rows_of(client, options));
  if (options.json) {
    OrderedJson list = OrderedJson::array();
    for (const Row& row : rows)
      list.push_back(
          {{"account", row.account}, {"commodity", row.commodity}, {"balance", row.balance}});
    print_json({{"balances", list}});
    return Exit::ok;
  }
  if (options.format == "table") {
    std::vector<std::vector<std::string>> cells;
    for (const Row& row : rows) cells.push_back({row.account, row.balance, row.commodity});
    fmt::print("{}", format_table(cells, {1}));
    return Exit::ok;
  }
  std::vector<std::string> lines;
  for (const Row& row : rows)
    lines.push_back(fmt::format("{}\t{}\t{}\n", row.account, row.commodity, row.balance));
  std::sort(lines.begin(), lines.end());
  for (const std::string& line : lines) fmt::print("{}", line);
  return Exit::ok;
}

}  // namespace

void add_balances(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  CLI::App& balances = *app.add_subcommand("balances", "Balances of imported books");
  balances.add_option("--format", options->format, "tsv or table")
      ->capture_default_str()
      ->check(CLI::IsMember({"tsv", "table"}));
  balances.add_option("--book", options->book, "Only this book; all of them added up if not given");
  balances.add_flag("--all", options->all,
                    "Also the conversion accounts, which take what prices convert");
  balances.add_flag("--json", options->json, "Print JSON");
  balances.footer(
      "A balance is debits less credits, exact to the last digit; zero balances are left out.\n"
      "tsv prints account<TAB>commodity<TAB>balance, sorted by bytes: what `hledger balance` has, "
      "since\n"
      "conversion accounts (Equity:Conversion) are left out unless --all is given.\n\n"
      "Example: meridian balances --book household --format tsv");
  on_call(balances, invocation, options, run);
}

}  // namespace meridian::app
