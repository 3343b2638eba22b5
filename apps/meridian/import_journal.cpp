// Posting a journal: first its names (accounts, commodities), then its transactions in order.
//
// Every step is one transaction of the ledger, so a stop anywhere leaves whole steps; what was
// posted is found again by ids derived from the book's secret and the transaction's identity.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <unordered_map>

#include "api/convert.h"
#include "base/assert.h"
#include "crypto/sha256.h"
#include "ids.h"
#include "import.h"

namespace meridian::app {

namespace {

constexpr std::size_t request_bytes_target = 400 << 10;
constexpr int request_commands_max = 6'000;
constexpr std::size_t event_overhead = 600;  // what an event takes beside its text
constexpr std::uint32_t posting_code = 1;    // transfers and accounts of books
constexpr int races_max = 32;                // other imports that take names or ledger numbers
constexpr std::uint64_t differing_shown_max = 10;

class JournalImporter {
 public:
  JournalImporter(Client& client, const std::string& text, const std::string& file_name,
                  std::function<void(const std::string&)> warn,
                  std::function<void(std::uint64_t, std::uint64_t)> progress)
      : client_(client),
        text_(text),
        file_name_(file_name),
        warn_(std::move(warn)),
        progress_(std::move(progress)),
        entropy_(io::os_entropy()) {}

  Result<JournalImport> run(const std::string& book);

 private:
  struct Sent {
    std::uint32_t line;
    int commands;
  };

  Result<books::Book> open_book();
  /// False if another import changed the book meanwhile: read it again.
  Result<bool> declare(const books::Book& book);
  v1::TransactionCommand metadata(const std::string& stream, std::string_view type,
                                  const nlohmann::json& data);
  v1::TransactionCommand take_ledgers(std::uint32_t last);
  Result<bool> send_metadata(v1::Transaction transaction);
  Status read_posted();
  Status post_all(const books::Book& book);
  bool is_posted(const books::PostingPlan& plan, u128 event_id);
  Status send();

  Client& client_;
  const std::string& text_;
  const std::string& file_name_;
  std::function<void(const std::string&)> warn_;
  std::function<void(std::uint64_t, std::uint64_t)> progress_;
  std::unique_ptr<io::Entropy> entropy_;

  KnownBook known_;
  LedgerNumbers ledgers_;  ///< Before this book takes more.
  JournalImport result_;
  std::unordered_map<u128, std::string, U128Hash> posted_;  ///< Event id -> text, "" if forgotten.

  v1::TransactRequest request_;
  std::vector<Sent> sent_;
  std::size_t request_bytes_ = 0;
  int request_commands_ = 0;
};

std::string journal_stream(const std::string& book) {
  return std::string(journal_category) + "-" + book;
}

Result<books::Book> JournalImporter::open_book() {
  const std::map<std::string, KnownBook> books = TRY(read_books(client_));
  ledgers_ = TRY(read_ledger_numbers(client_));
  // Books that were imported before numbers were taken in a stream of their own.
  for (const auto& [name, book] : books)
    for (const auto& [symbol, commodity] : book.commodities)
      ledgers_.last = std::max(ledgers_.last, commodity.ledger);
  const auto at = books.find(result_.book);
  known_ = at != books.end() ? at->second : KnownBook{};
  known_.name = result_.book;

  books::BookOptions options;
  options.name = result_.book;
  if (known_.events > 0) options.conversion_account = known_.conversion_account;
  for (const auto& [symbol, commodity] : known_.commodities)
    options.scales[symbol] = commodity.scale;
  return books::Book::open(text_, file_name_, std::move(options));
}

std::string book_stream(const std::string& book) { return std::string(book_category) + "-" + book; }

void expect_revision(v1::NewEvent& event, std::uint64_t events) {
  if (events == 0) {
    event.set_expected(v1::EXPECTED_REVISION_NONE);
  } else {
    event.set_expected(v1::EXPECTED_REVISION_EXACT);
    event.set_revision(events - 1);
  }
}

v1::TransactionCommand JournalImporter::metadata(const std::string& stream, std::string_view type,
                                                 const nlohmann::json& data) {
  v1::TransactionCommand command;
  v1::NewEvent& event = *command.mutable_append_event();
  event.set_event_id(api::format_u128(time_ordered_id(client_.clock(), *entropy_)));
  event.set_stream(stream);
  event.set_type(std::string(type));
  event.set_content_type("application/json");
  event.set_data(data.dump());
  return command;
}

v1::TransactionCommand JournalImporter::take_ledgers(std::uint32_t last) {
  v1::TransactionCommand command =
      metadata(std::string(ledgers_stream), ledgers_taken, {{"last", last}});
  expect_revision(*command.mutable_append_event(), ledgers_.events);
  return command;
}

Result<bool> JournalImporter::send_metadata(v1::Transaction transaction) {
  // The first event holds the book: another import at the same time is refused by its revision.
  expect_revision(*transaction.mutable_commands(0)->mutable_append_event(), known_.events);
  v1::TransactRequest request;
  *request.add_transactions() = transaction;
  const v1::CreateReply reply =
      TRY(client_.write(*client_.transactions, &v1::Transactions::Stub::Transact, request));
  for (const v1::CommandResult& result : reply.results()) {
    if (result.name() == "wrong_expected_revision" || result.name() == "stream_not_found")
      return false;
    if (result.name() == "exists") break;  // sent again after its answer got lost
    if (!is_created(result) && result.name() != "linked_event_failed")
      return fail(Code::failed_precondition, fmt::format("the names of book '{}' were refused: {}",
                                                         known_.name, result.name()));
  }
  for (const v1::TransactionCommand& command : transaction.commands()) {
    if (!command.has_append_event()) continue;
    const v1::NewEvent& event = command.append_event();
    if (event.stream() == ledgers_stream) continue;
    TRY(fold_book_event(known_, event.type(), event.data()));
    if (event.type() == account_opened) ++result_.accounts_opened;
    if (event.type() == commodity_declared) ++result_.commodities_declared;
  }
  return true;
}

Result<bool> JournalImporter::declare(const books::Book& book) {
  v1::Transaction transaction;
  std::size_t bytes = 0;
  const auto add = [&](std::string_view type, const nlohmann::json& data) {
    *transaction.add_commands() = metadata(book_stream(known_.name), type, data);
    bytes += transaction.commands().rbegin()->ByteSizeLong() + event_overhead;
  };
  std::map<std::string, std::uint32_t> ledgers;
  for (const auto& [symbol, commodity] : known_.commodities) ledgers[symbol] = commodity.ledger;

  if (known_.events == 0) {
    std::array<Byte, 32> secret{};
    entropy_->fill(secret);
    add(book_opened, {{"version", 1},
                      {"book", known_.name},
                      {"secret", to_hex(secret)},
                      {"conversion_account", book.options().conversion_account}});
  }
  std::uint32_t ledger_last = ledgers_.last;
  for (const books::Commodity& commodity : book.commodities()) {
    if (known_.commodities.contains(commodity.symbol)) continue;
    ledgers[commodity.symbol] = ++ledger_last;
    add(commodity_declared,
        {{"symbol", commodity.symbol}, {"ledger", ledger_last}, {"scale", commodity.scale}});
  }
  if (ledger_last != ledgers_.last) *transaction.add_commands() = take_ledgers(ledger_last);
  const std::map<std::pair<std::string, std::string>, u128> before = known_.accounts;
  for (const books::BookAccount& account : book.accounts()) {
    const std::string& symbol = book.commodities()[raw(account.commodity)].symbol;
    if (before.contains({account.name, symbol})) continue;
    const u128 id = time_ordered_id(client_.clock(), *entropy_);
    add(account_opened, {{"name", account.name}, {"commodity", symbol}, {"id", to_decimal(id)}});
    v1::Account& created = *transaction.add_commands()->mutable_create_account();
    created.set_id(api::format_u128(id));
    created.set_ledger(ledgers.at(symbol));
    created.set_code(posting_code);
    if (bytes < request_bytes_target && transaction.commands_size() < request_commands_max)
      continue;
    if (!TRY(send_metadata(std::move(transaction)))) return false;
    transaction = v1::Transaction();
    bytes = 0;
  }
  if (transaction.commands().empty()) return true;
  return send_metadata(std::move(transaction));
}

Status JournalImporter::read_posted() {
  v1::ReadRequest request;
  request.set_stream(journal_stream(known_.name));
  Status status = read_all(client_, request, [&](const v1::RecordedEvent& event) -> Status {
    posted_.emplace(to_u128(event.event_id()), event.forgotten() ? std::string() : event.data());
    return {};
  });
  if (!status && status.error().code == Code::not_found) return {};
  return status;
}

bool JournalImporter::is_posted(const books::PostingPlan& plan, u128 event_id) {
  const auto at = posted_.find(event_id);
  if (at == posted_.end()) return false;
  ++result_.known;
  if (at->second.empty() || at->second == plan.transaction.text) return true;
  if (++result_.differing <= differing_shown_max)
    warn_(fmt::format("{}:{}: posted before with another text, which the ledger keeps", file_name_,
                      plan.transaction.line));
  return true;
}

Status JournalImporter::send() {
  if (sent_.empty()) return {};
  const v1::CreateReply reply =
      TRY(client_.write(*client_.transactions, &v1::Transactions::Stub::Transact, request_));
  if (reply.results_size() != request_commands_)
    return fail(Code::internal, "the server answered with another number of results");
  int at = 0;
  for (const Sent& sent : sent_) {
    const v1::CommandResult& first = reply.results(at);
    if (is_created(first)) {
      ++result_.posted;
      result_.transfers += static_cast<std::uint64_t>(sent.commands - 1);
    } else if (first.name() == "exists") {
      ++result_.known;
    } else {
      const v1::CommandResult* why = &first;
      for (int i = at; i < at + sent.commands; ++i)
        if (reply.results(i).name() != "linked_event_failed") why = &reply.results(i);
      return fail(
          Code::failed_precondition,
          fmt::format("{}:{}: the ledger refused this transaction: {}. the ones before it are "
                      "posted; correct it and import again",
                      file_name_, sent.line, why->name()));
    }
    at += sent.commands;
  }
  request_.Clear();
  sent_.clear();
  request_bytes_ = 0;
  request_commands_ = 0;
  progress_(result_.posted + result_.known, result_.transactions);
  return {};
}

Status JournalImporter::post_all(const books::Book& book) {
  result_.transactions = book.transaction_count();
  books::PlanReader reader(book);
  while (std::optional<books::PostingPlan> plan = TRY(reader.next())) {
    if (is_posted(*plan, derived_id(known_.secret, "event", plan->identity, 0))) continue;
    v1::Transaction transaction = transaction_of(book, known_, *plan);
    const int commands = transaction.commands_size();
    const std::size_t bytes = plan->transaction.text.size() + event_overhead +
                              static_cast<std::size_t>(commands) * ledger::command_size;
    if (request_bytes_ + bytes > request_bytes_target ||
        request_commands_ + commands > request_commands_max)
      TRY(send());
    *request_.add_transactions() = std::move(transaction);
    sent_.push_back({plan->transaction.line, commands});
    request_bytes_ += bytes;
    request_commands_ += commands;
  }
  return send();
}

Result<JournalImport> JournalImporter::run(const std::string& book_name) {
  result_.book = book_name;
  for (int race = 0; race < races_max; ++race) {
    books::Book book = TRY(open_book());
    if (!TRY(declare(book))) continue;
    TRY(read_posted());
    TRY(post_all(book));
    return std::move(result_);
  }
  return fail(Code::unavailable,
              fmt::format("other imports keep taking names or numbers before book '{}'. try again",
                          book_name));
}

}  // namespace

u128 derived_id(Bytes secret, std::string_view label, std::string_view identity,
                std::uint32_t number) {
  Buffer tail{0};
  ByteWriter writer(tail);
  writer.bytes(as_bytes(identity));
  writer.u8(0);
  writer.u32(number);
  const crypto::Digest digest = crypto::HmacKey(secret).mac({as_bytes(label), tail});
  return load_le<u128>(digest.data());
}

v1::Transaction transaction_of(const books::Book& book, const KnownBook& known,
                               const books::PostingPlan& plan) {
  v1::Transaction transaction;
  const books::Date& date = plan.transaction.date;
  const u128 event_id = derived_id(known.secret, "event", plan.identity, 0);
  v1::NewEvent& event = *transaction.add_commands()->mutable_append_event();
  event.set_event_id(api::format_u128(event_id));
  event.set_stream(journal_stream(known.name));
  event.set_type(std::string(transaction_posted));
  event.set_content_type("application/octet-stream");
  event.set_data(plan.transaction.text);
  event.set_subject(std::string(plan.transaction.payee()));

  std::uint32_t number = 0;
  for (const books::PlannedTransfer& planned : plan.transfers) {
    const books::BookAccount& debit = book.accounts()[raw(planned.debit)];
    const books::BookAccount& credit = book.accounts()[raw(planned.credit)];
    const std::string& symbol = book.commodities()[raw(debit.commodity)].symbol;
    v1::Transfer& transfer = *transaction.add_commands()->mutable_create_transfer();
    transfer.set_id(api::format_u128(derived_id(known.secret, "transfer", plan.identity, number)));
    transfer.set_debit_account_id(api::format_u128(known.accounts.at({debit.name, symbol})));
    transfer.set_credit_account_id(api::format_u128(known.accounts.at({credit.name, symbol})));
    transfer.set_amount(api::format_u128(planned.units));
    transfer.set_user_data_128(api::format_u128(event_id));
    if (date.year > 0)
      transfer.set_user_data_32(static_cast<std::uint32_t>(date.year) * 10'000u +
                                date.month * 100u + date.day);
    transfer.set_ledger(known.commodities.at(symbol).ledger);
    transfer.set_code(posting_code);
    ++number;
  }
  return transaction;
}

Result<JournalImport> import_journal(
    Client& client, const std::string& text, const std::string& file_name, const std::string& book,
    const std::function<void(const std::string&)>& warn,
    const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  return JournalImporter(client, text, file_name, warn, progress).run(book);
}

}  // namespace meridian::app
