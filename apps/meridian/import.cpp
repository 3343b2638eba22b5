#include "import.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "files.h"
#include "on_run.h"

namespace meridian::app {

namespace {

struct Options {
  ClientOptions client;
  std::string file, book;
  bool json = false;
};

void warn(const std::string& line) { fmt::print(stderr, "meridian: {}\n", line); }

Result<Exit> run_journal(const Options& options) {
  const std::string text = TRY(read_input(options.file));
  const auto client = TRY(Client::connect(options.client));
  const std::string book =
      options.book.empty() ? std::filesystem::path(options.file).stem().string() : options.book;
  const bool is_watched = ::isatty(2) == 1;
  const io::MonotonicTime start = client->clock().monotonic();
  const JournalImport done = TRY(import_journal(
      *client, text, options.file, book, warn, [&](std::uint64_t finished, std::uint64_t total) {
        if (is_watched) fmt::print(stderr, "\r{} of {} transactions", finished, total);
      }));
  if (is_watched) fmt::print(stderr, "\r\033[K");
  const double seconds = static_cast<double>(client->clock().monotonic() - start) / 1e9;
  if (options.json) {
    OrderedJson out;
    out["book"] = done.book;
    out["transactions"] = done.transactions;
    out["posted"] = done.posted;
    out["known"] = done.known;
    out["differing"] = done.differing;
    out["transfers"] = done.transfers;
    out["accounts_opened"] = done.accounts_opened;
    out["commodities_declared"] = done.commodities_declared;
    out["seconds"] = seconds;
    print_json(out);
    return Exit::ok;
  }
  print_line(
      fmt::format("book '{}': {} transactions, {} posted now, {} known before; {} transfers, {} "
                  "new accounts; {:.2f} s",
                  done.book, done.transactions, done.posted, done.known, done.transfers,
                  done.accounts_opened, seconds));
  if (done.differing > 0)
    warn(fmt::format(
        "{} transactions were posted before with another text. the amounts are the same; "
        "the ledger keeps the first text",
        done.differing));
  return Exit::ok;
}

Result<Exit> run_jsonl(const Options& options) {
  const std::string text = TRY(read_input(options.file));
  const auto client = TRY(Client::connect(options.client));
  const JsonlImport done = TRY(
      import_jsonl(*client, text, options.file, [&](std::uint64_t line, const std::string& name) {
        warn(fmt::format("{}:{}: refused: {}", options.file, line, name));
      }));
  if (options.json) {
    print_json({{"lines", done.lines},
                {"created", done.created},
                {"existing", done.existing},
                {"refused", done.refused}});
  } else {
    print_line(fmt::format("{} lines: {} commands created, {} existed, {} refused", done.lines,
                           done.created, done.existing, done.refused));
  }
  return done.refused == 0 ? Exit::ok : Exit::refused;
}

}  // namespace

void add_import(CLI::App& app, Invocation& invocation) {
  CLI::App& import = *app.add_subcommand("import", "Post a journal or a file of commands");
  import.require_subcommand(1);

  auto options = std::make_shared<Options>();
  CLI::App& journal =
      *import.add_subcommand("journal", "Post a plain-text journal (hledger, ledger)");
  journal.add_option("FILE", options->file, "The journal")->required();
  journal.add_option("--book", options->book,
                     "Name of the book; the file's name without its ending if not given");
  journal.add_flag("--json", options->json, "Print the result as JSON");
  add_client_options(journal, options->client);
  journal.footer(
      "Each transaction becomes one event (its text, sealed under its payee's key) and its "
      "transfers,\n"
      "all or nothing. Every commodity is a ledger; what prices convert goes through\n"
      "Equity:Conversion. The whole file is checked first: a line that is not understood, or a\n"
      "transaction that does not balance, stops with file, line and reason, and nothing is "
      "posted.\n"
      "Importing again posts only what is new, also after a stop in the middle. Keep the --book "
      "name\n"
      "for all imports of one book. A date, account or amount that changed makes a new "
      "transaction:\n"
      "reverse the old one.\n\n"
      "Example: meridian import journal 2024.journal --book household");
  on_run(journal, invocation, options, run_journal);

  CLI::App& jsonl = *import.add_subcommand("jsonl", "Post commands, one JSON value a line");
  jsonl.add_option("FILE", options->file, "The commands")->required();
  jsonl.add_flag("--json", options->json, "Print the result as JSON");
  add_client_options(jsonl, options->client);
  jsonl.footer(
      "A line is one of\n"
      "  {\"create_account\":{\"id\":\"1\",\"ledger\":700,\"code\":10}}\n"
      "  "
      "{\"create_transfer\":{\"id\":\"9\",\"debit_account_id\":\"1\",\"credit_account_id\":\"2\",\n"
      "                      \"amount\":\"100\",\"ledger\":700,\"code\":1}}\n"
      "  "
      "{\"append_event\":{\"event_id\":\"5\",\"stream\":\"order-17\",\"type\":\"placed\",\"data\":{"
      "\"total\":100}}}\n"
      "  {\"delete_stream\":{\"event_id\":\"6\",\"stream\":\"order-17\"}}\n"
      "  {\"transaction\":[ any of these, ... ]}      all or nothing\n"
      "Fields are those of the HTTP interface (docs/api.md). The file is checked from end to end\n"
      "before anything is sent; lines apply in order; those refused by the ledger are named with\n"
      "their line and the exit code is 1. Ids make it safe to run again.");
  on_run(jsonl, invocation, options, run_jsonl);
}

}  // namespace meridian::app
