// The two importers, apart from their command line.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "books/posting_plan.h"
#include "client.h"
#include "names.h"
#include "output.h"

namespace meridian::app {

struct JournalImport {
  std::string book;
  std::uint64_t transactions = 0;  ///< In the file.
  std::uint64_t posted = 0;        ///< New in the ledger.
  std::uint64_t known = 0;         ///< Posted before.
  std::uint64_t transfers = 0;     ///< Of those posted now.
  std::uint64_t accounts_opened = 0;
  std::uint64_t commodities_declared = 0;
  std::uint64_t differing = 0;  ///< Known under another text, which the ledger keeps.
};

/// Posts what the ledger does not have yet of a journal. `warn` gets one line per transaction whose
/// text differs from what was posted (the first few); `progress` (done, of).
/// Errors: those of Book::open (nothing was done); of the ledger, with file and line: what was
/// posted until then stays, and importing again goes on from there.
Result<JournalImport> import_journal(
    Client& client, const std::string& text, const std::string& file_name, const std::string& book,
    const std::function<void(const std::string&)>& warn,
    const std::function<void(std::uint64_t, std::uint64_t)>& progress);

/// The id of thing `number` of a transaction: HMAC-SHA-256(secret, label 0 identity 0 number).
u128 derived_id(Bytes secret, std::string_view label, std::string_view identity,
                std::uint32_t number);
/// The commands that post `plan`: its event, then its transfers.
v1::Transaction transaction_of(const books::Book& book, const KnownBook& known,
                               const books::PostingPlan& plan);

struct JsonlImport {
  std::uint64_t lines = 0, created = 0, existing = 0, refused = 0;
};
/// One line as a transaction. Errors: invalid_argument naming the member that is wrong.
Result<v1::Transaction> parse_jsonl_line(std::string_view line);
/// `refused(line number, command name, outcome)`. Errors: invalid_argument with `file:line:` before
/// anything was sent; of the connection.
Result<JsonlImport> import_jsonl(
    Client& client, const std::string& text, const std::string& file_name,
    const std::function<void(std::uint64_t, const std::string&)>& refused);

}  // namespace meridian::app
