#include "names.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "api/convert.h"
#include "books/amount.h"

namespace meridian::app {

namespace {

using Json = nlohmann::json;

Error bad_event(const KnownBook& book, std::string_view type, std::string_view why) {
  return fail(Code::data_loss, fmt::format("the stream book-{} holds a {} event {}. it was not "
                                           "written by `meridian import`: use another --book name",
                                           book.name, type, why));
}

}  // namespace

Status fold_book_event(KnownBook& book, std::string_view type, std::string_view data) {
  ++book.events;
  const Json json = Json::parse(data, nullptr, false);
  if (!json.is_object()) return bad_event(book, type, "that is no JSON object");
  const auto text = [&](const char* field) -> std::string {
    const auto at = json.find(field);
    return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  const auto number = [&](const char* field) -> std::uint64_t {
    const auto at = json.find(field);
    return at != json.end() && at->is_number_unsigned() ? at->get<std::uint64_t>() : ~0ULL;
  };
  if (type == book_opened) {
    if (number("version") != 1) return bad_event(book, type, "of a newer version");
    if (!from_hex(text("secret"), book.secret) || book.secret.size() != 32)
      return bad_event(book, type, "without a secret of 32 bytes");
    book.conversion_account = text("conversion_account");
    return {};
  }
  if (type == commodity_declared) {
    const std::uint64_t ledger = number("ledger");
    const std::uint64_t scale = number("scale");
    if (ledger == 0 || ledger > 0xFFFF'FFFF || scale > books::Decimal::scale_max)
      return bad_event(book, type, "without ledger and scale");
    book.commodities[text("symbol")] = {static_cast<std::uint32_t>(ledger),
                                        static_cast<std::uint8_t>(scale)};
    return {};
  }
  if (type == account_opened) {
    const Result<u128> id = parse_decimal(text("id"));
    if (!id || text("name").empty()) return bad_event(book, type, "without name and id");
    book.accounts[{text("name"), text("commodity")}] = *id;
    return {};
  }
  return bad_event(book, type, "of an unknown type");
}

Status read_all(Client& client, v1::ReadRequest request,
                const std::function<Status(const v1::RecordedEvent&)>& visit) {
  request.set_limit(4'096);
  for (;;) {
    const v1::ReadReply reply =
        TRY(client.call(*client.streams, &v1::Streams::Stub::Read, request));
    for (const v1::RecordedEvent& event : reply.events()) TRY(visit(event));
    if (reply.end() || (reply.events().empty() && reply.next() <= request.position())) return {};
    request.set_position(reply.next());
  }
}

Result<std::map<std::string, KnownBook>> read_books(Client& client) {
  std::map<std::string, KnownBook> books;
  v1::ReadRequest request;
  request.set_category(std::string(book_category));
  Status status = read_all(client, request, [&](const v1::RecordedEvent& event) -> Status {
    if (event.stream().size() <= book_category.size() + 1) return {};
    const std::string name = event.stream().substr(book_category.size() + 1);
    KnownBook& book = books[name];
    book.name = name;
    return fold_book_event(book, event.type(), event.data());
  });
  if (!status && status.error().code != Code::not_found) return status.error();
  return books;
}

Result<LedgerNumbers> read_ledger_numbers(Client& client) {
  LedgerNumbers numbers;
  v1::ReadRequest request;
  request.set_stream(std::string(ledgers_stream));
  Status status = read_all(client, request, [&](const v1::RecordedEvent& event) -> Status {
    const Json json = Json::parse(event.data(), nullptr, false);
    const auto last = json.is_object() ? json.find("last") : json.end();
    if (event.type() != ledgers_taken || last == json.end() || !last->is_number_unsigned() ||
        last->get<std::uint64_t>() > 0xFFFF'FFFF)
      return fail(Code::data_loss,
                  fmt::format("the stream {} holds an event that `meridian import` did not write",
                              ledgers_stream));
    numbers.last = std::max(numbers.last, last->get<std::uint32_t>());
    ++numbers.events;
    return {};
  });
  if (!status && status.error().code != Code::not_found) return status.error();
  return numbers;
}

Result<std::vector<NamedAccount>> find_accounts(Client& client, std::string_view text,
                                                std::string_view book, std::string_view commodity) {
  const Result<u128> id = parse_id(text, "account");
  std::vector<NamedAccount> found;
  Result<std::map<std::string, KnownBook>> books = read_books(client);
  // Who may see balances and no events knows accounts by their numbers.
  if (!books && books.error().code == Code::permission_denied && id) books.emplace();
  if (!books) return books.error();
  for (const auto& [name, known] : *books) {
    if (!book.empty() && book != name) continue;
    for (const auto& [key, account] : known.accounts) {
      if (id ? account != *id : key.first != text) continue;
      if (!commodity.empty() && key.second != commodity) continue;
      const auto scale = known.commodities.find(key.second);
      found.push_back({name, key.first, key.second, account,
                       scale != known.commodities.end() ? scale->second.scale : std::uint8_t{0}});
    }
  }
  if (found.empty() && id) found.push_back({{}, {}, {}, *id, 0});
  if (found.empty())
    return fail(
        Code::not_found,
        fmt::format("no imported book has an account '{}'. `meridian balances` lists them", text));
  return found;
}

Result<std::string> balance_text(u128 debits, u128 credits, std::uint8_t scale) {
  const bool is_negative = credits > debits;
  const u128 units = is_negative ? credits - debits : debits - credits;
  if (units > u128_max / 2)
    return fail(Code::out_of_range, "a balance has more than 38 digits. use --json");
  const auto signed_units = static_cast<books::i128>(units);
  const books::Decimal balance =
      TRY(books::Decimal::of(is_negative ? -signed_units : signed_units, scale));
  return balance.normalized().text();
}

}  // namespace meridian::app
