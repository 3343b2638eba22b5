// The names of imported books: which accounts and commodities they have, under which opaque ids.
//
// A book's metadata is an event stream of the ledger, `book-NAME`, of sealed payloads: names never
// stand in headers. Its first event `book_opened` keeps the random secret from which ids of the
// book's transactions and transfers are derived, so no id is an unkeyed digest of a text.
//   book_opened         {"version":1,"book","secret" (64 hex digits),"conversion_account"}
//   commodity_declared  {"symbol","ledger","scale"}
//   account_opened      {"name","commodity" (symbol),"id" (decimal)}
// Ledger numbers are one for each commodity of each book. Who takes some appends `ledgers_taken`
// {"last"} to the stream `ledgers` in the same transaction, at the revision it has seen: of two
// imports at the same moment one is refused and chooses again.
// Transactions stand in `journal-NAME`, one `transaction_posted` event each, data = their text.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/u128.h"
#include "client.h"

namespace meridian::app {

inline constexpr std::string_view book_category = "book";
inline constexpr std::string_view journal_category = "journal";
inline constexpr std::string_view book_opened = "book_opened";
inline constexpr std::string_view commodity_declared = "commodity_declared";
inline constexpr std::string_view account_opened = "account_opened";
inline constexpr std::string_view transaction_posted = "transaction_posted";

inline constexpr std::string_view ledgers_stream = "ledgers";
inline constexpr std::string_view ledgers_taken = "ledgers_taken";

/// Which ledger numbers were taken, by any book.
struct LedgerNumbers {
  std::uint32_t last = 0;
  std::uint64_t events = 0;  ///< In the stream: the next revision.
};

struct KnownCommodity {
  std::uint32_t ledger = 0;
  std::uint8_t scale = 0;
};

struct KnownBook {
  std::string name;
  Buffer secret;
  std::string conversion_account;
  std::uint64_t events = 0;                           ///< In its stream: the next revision.
  std::map<std::string, KnownCommodity> commodities;  ///< By symbol.
  std::map<std::pair<std::string, std::string>, u128> accounts;  ///< (name, symbol) -> id
};

/// Folds one metadata event. Errors: data_loss naming what the event lacks.
Status fold_book_event(KnownBook& book, std::string_view type, std::string_view data);

/// All books of the server, by name. With `name` only that one (or none).
Result<std::map<std::string, KnownBook>> read_books(Client& client);

/// Errors: data_loss if the stream was not written by imports.
Result<LedgerNumbers> read_ledger_numbers(Client& client);

/// Reads all events of a source in order, page by page.
Status read_all(Client& client, v1::ReadRequest request,
                const std::function<Status(const v1::RecordedEvent&)>& visit);

/// An account of a book as a command line names it.
struct NamedAccount {
  std::string book, name, commodity;
  u128 id = 0;
  std::uint8_t scale = 0;
};
/// The accounts that match: by id, or by name, narrowed by book and commodity if not empty.
/// Errors: not_found if none does and `text` is no id. An id that no book knows gives one account
/// without names and scale 0.
Result<std::vector<NamedAccount>> find_accounts(Client& client, std::string_view text,
                                                std::string_view book, std::string_view commodity);

/// debits - credits of `units` at `scale`, as text: "-0.02". Errors: out_of_range past 38 digits.
Result<std::string> balance_text(u128 debits, u128 credits, std::uint8_t scale);

}  // namespace meridian::app
