#include <fmt/format.h>

#include "api/convert.h"
#include "flags.h"
#include "ids.h"
#include "ledger/command.h"
#include "ledger/describe.h"
#include "names.h"
#include "output.h"
#include "request_signer.h"
#include "run_with.h"

namespace meridian::app {

namespace {

struct CreateOptions {
  ClientOptions client;
  std::string id, user_data;
  std::uint32_t ledger = 0;
  std::uint16_t code = 0;
  std::vector<std::string> flags;
  bool sign = false, json = false;
};
struct ShowOptions {
  ClientOptions client;
  std::string account, book, commodity;
  std::uint32_t limit = 20;
  bool oldest_first = false;
  bool texts = true;
  bool json = false;
};

Status fill_account(const CreateOptions& options, u128 id, v1::Account& account) {
  account.set_id(api::format_u128(id));
  account.set_ledger(options.ledger);
  account.set_code(options.code);
  account.set_flags(TRY(parse_account_flags(options.flags)));
  if (!options.user_data.empty())
    account.set_user_data_128(api::format_u128(TRY(parse_id(options.user_data, "--user-data"))));
  return {};
}

Result<Exit> run_create(Client& client, const CreateOptions& options) {
  const std::unique_ptr<io::Entropy> entropy = io::os_entropy();
  const Result<u128> id =
      options.id.empty() ? time_ordered_id(client.clock(), *entropy) : parse_id(options.id, "--id");
  v1::CreateAccountsRequest request;
  const Status filled =
      id.has_value() ? fill_account(options, *id, *request.add_accounts()) : Status(id.error());
  if (!filled) {
    report(filled.error());
    return Exit::usage;
  }
  if (options.sign) {
    const ledger::Account command = TRY(api::parse_account(request.accounts(0), "account"));
    TRY(sign_calls(client, {command}));
  }
  const v1::CommandResult result =
      TRY(write_one(client, *client.accounts, &v1::Accounts::Stub::Create, request,
                    v1::OutcomeRequest::ACCOUNT, *id));
  if (options.json) {
    OrderedJson out = json_of(result);
    out["id"] = to_decimal(*id);
    print_json(out);
  } else {
    print_line(fmt::format("account {}: {}", to_decimal(*id), result.name()));
  }
  return is_created_or_exists(result) ? Exit::ok : Exit::refused;
}

std::string title(const NamedAccount& account) {
  if (account.name.empty()) return to_decimal(account.id);
  return account.commodity.empty() ? account.name : account.name + " (" + account.commodity + ")";
}

Result<Exit> run_show(Client& client, const ShowOptions& options) {
  const std::vector<NamedAccount> named =
      TRY(find_accounts(client, options.account, options.book, options.commodity));
  bool found = false;
  for (const NamedAccount& account : named) {
    v1::LookupRequest request;
    request.add_ids(api::format_u128(account.id));
    const v1::LookupAccountsReply reply =
        TRY(client.call(*client.accounts, &v1::Accounts::Stub::Lookup, request));
    if (reply.accounts().empty()) continue;
    found = true;
    const v1::Account& state = reply.accounts(0);
    OrderedJson json = TRY(json_of(state));
    if (!account.name.empty())
      json["named"] = {{"book", account.book},
                       {"name", account.name},
                       {"commodity", account.commodity},
                       {"scale", account.scale}};
    if (options.json) {
      print_json(json);
      continue;
    }
    const auto amount = [&](const std::string& debits, const std::string& credits) {
      return balance_text(to_u128(debits), to_u128(credits), account.scale);
    };
    print_line(title(account));
    print_line(fmt::format("  id       {}", to_decimal(account.id)));
    print_line(fmt::format("  ledger   {}, code {}, flags {}", state.ledger(), state.code(),
                           json["flags"].dump()));
    print_line(fmt::format("  debits   {}", TRY(amount(state.debits_posted(), ""))));
    print_line(fmt::format("  credits  {}", TRY(amount(state.credits_posted(), ""))));
    print_line(
        fmt::format("  balance  {}", TRY(amount(state.debits_posted(), state.credits_posted()))));
    if (!state.debits_pending().empty() || !state.credits_pending().empty())
      print_line(fmt::format("  pending  {} debits, {} credits",
                             TRY(amount(state.debits_pending(), "")),
                             TRY(amount(state.credits_pending(), ""))));
  }
  if (found) return Exit::ok;
  return fail(Code::not_found,
              fmt::format("there is no account {}. `meridian balances --all` lists "
                          "those of imported books",
                          options.account));
}

/// First line of the text under which a transfer was posted, or a reason why there is none.
std::string text_of(Client& client, const std::string& event_id) {
  if (event_id.empty()) return "";
  const Result<std::optional<v1::CommandResult>> outcome =
      client.outcome(v1::OutcomeRequest::EVENT, to_u128(event_id));
  if (!outcome || !outcome->has_value()) return "";
  v1::ReadRequest request;
  request.set_all(true);
  request.set_position((*outcome)->record_index());
  request.set_limit(1);
  const Result<v1::ReadReply> reply =
      client.call(*client.streams, &v1::Streams::Stub::Read, request);
  if (!reply || reply->events().empty() || reply->events(0).event_id() != event_id) return "";
  const v1::RecordedEvent& event = reply->events(0);
  if (event.forgotten()) return "(forgotten)";
  return event.data().substr(0, event.data().find('\n'));
}

std::string other_side(const std::map<u128, std::string>& names, u128 id) {
  const auto at = names.find(id);
  return at != names.end() ? at->second : to_decimal(id);
}

Result<Exit> run_statement(Client& client, const ShowOptions& options) {
  const std::vector<NamedAccount> named =
      TRY(find_accounts(client, options.account, options.book, options.commodity));
  if (named.size() > 1)
    return fail(
        Code::invalid_argument,
        fmt::format("'{}' has {} accounts, such as one of book '{}' in '{}'. choose one with "
                    "--book and --commodity",
                    options.account, named.size(), named[0].book, named[0].commodity));
  const NamedAccount& account = named[0];
  v1::AccountFilter filter;
  filter.set_account_id(api::format_u128(account.id));
  filter.set_limit(options.limit);
  filter.set_reversed(!options.oldest_first);
  const v1::AccountTransfersReply reply =
      TRY(client.call(*client.accounts, &v1::Accounts::Stub::Transfers, filter));

  std::map<u128, std::string> names;
  if (!account.name.empty())
    for (const auto& [name, book] : TRY(read_books(client)))
      for (const auto& [key, id] : book.accounts) names[id] = key.first;

  std::vector<std::vector<std::string>> rows{{"date", "debit", "credit", "other account", "text"}};
  for (const v1::Transfer& transfer : reply.transfers()) {
    const std::string text = options.texts ? text_of(client, transfer.user_data_128()) : "";
    const bool is_debit = to_u128(transfer.debit_account_id()) == account.id;
    const u128 other =
        to_u128(is_debit ? transfer.credit_account_id() : transfer.debit_account_id());
    const std::string amount = TRY(balance_text(to_u128(transfer.amount()), 0, account.scale));
    if (options.json) {
      OrderedJson json = TRY(json_of(transfer));
      if (!text.empty()) json["text"] = text;
      print_json(json);
      continue;
    }
    const std::uint32_t day = transfer.user_data_32();
    const std::string date =
        day > 0 && day <= 99'991'231
            ? fmt::format("{:04}-{:02}-{:02}", day / 10'000, day / 100 % 100, day % 100)
            : ledger::iso_time(transfer.timestamp()).substr(0, 10);
    const std::string words =
        flag_words(transfer.flags() & ~std::uint32_t{ledger::transfer_flags::linked});
    const std::string kind = words.empty() ? "" : words + " ";
    rows.push_back({date, is_debit ? amount : "", is_debit ? "" : amount, other_side(names, other),
                    kind + text});
  }
  if (options.json) return Exit::ok;
  print_line(title(account));
  fmt::print("{}", format_table(rows, {1, 2}));
  return Exit::ok;
}

void add_choice(CLI::App& command, ShowOptions& options) {
  command.add_option("ACCOUNT", options.account, "Id (decimal or 0x…) or name in a book")
      ->required();
  command.add_option("--book", options.book, "Only this book");
  command.add_option("--commodity", options.commodity, "Only this commodity");
  command.add_flag("--json", options.json, "Print JSON, one object a line");
}

}  // namespace

void add_account(CLI::App& app, Invocation& invocation) {
  CLI::App& account =
      *app.add_subcommand("account", "Make an account, show it, list its transfers");
  account.require_subcommand(1);

  auto create = std::make_shared<CreateOptions>();
  CLI::App& creation = *account.add_subcommand("create", "Make an account");
  creation.add_option("--id", create->id, "128-bit id; a time-ordered one if not given")
      ->check(check_id);
  creation.add_option("--ledger", create->ledger, "Ledger (currency) number, not 0")->required();
  creation.add_option("--code", create->code, "What kind of account: a number of yours, not 0")
      ->required();
  creation.add_option("--flag", create->flags, flag_help(true));
  creation.add_option("--user-data", create->user_data, "128 bits of yours; never personal data")
      ->check(check_id);
  add_sign_option(creation, create->sign);
  creation.add_flag("--json", create->json, "Print the result as JSON");
  creation.footer(
      "Transfers are between accounts of one ledger. Repeating it with the same --id and fields "
      "changes\nnothing and says `exists`.\n\n"
      "Example: meridian account create --ledger 978 --code 10 --flag "
      "debits_must_not_exceed_credits");
  on_call(creation, invocation, create, run_create);

  auto show = std::make_shared<ShowOptions>();
  CLI::App& showing = *account.add_subcommand("show", "Show an account's balances");
  add_choice(showing, *show);
  showing.footer(
      "A name that several books or commodities have shows each.\n\n"
      "Example: meridian account show assets:cash");
  on_call(showing, invocation, show, run_show);

  auto statement = std::make_shared<ShowOptions>();
  CLI::App& listing =
      *account.add_subcommand("statement", "List an account's transfers, newest first");
  add_choice(listing, *statement);
  listing.add_option("--limit", statement->limit, "At most so many")
      ->capture_default_str()
      ->check(CLI::Range(1, 8'190));
  listing.add_flag("--oldest-first", statement->oldest_first, "In order of posting");
  listing.add_flag("!--no-texts", statement->texts, "Leave out the texts of imported transactions");
  listing.footer(
      "Transfers of imported books show the first line of their transaction, as long as "
      "its payee is\nnot forgotten.\n\n"
      "Example: meridian account statement assets:cash --commodity EUR --limit 5");
  on_call(listing, invocation, statement, run_statement);
}

}  // namespace meridian::app
