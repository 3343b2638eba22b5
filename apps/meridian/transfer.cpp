#include <fmt/format.h>

#include "api/convert.h"
#include "flags.h"
#include "ids.h"
#include "output.h"
#include "request_signer.h"
#include "run_with.h"

namespace meridian::app {

namespace {

struct Options {
  ClientOptions client;
  std::string id, debit, credit, amount, post, cancel, show, user_data;
  std::uint32_t ledger = 0, timeout = 0;
  std::uint16_t code = 0;
  bool pending = false, sign = false;
  std::vector<std::string> flags;
  bool json = false;
};

Result<Exit> show(Client& client, const Options& options) {
  v1::LookupRequest request;
  request.add_ids(api::format_u128(TRY(parse_id(options.show, "--show"))));
  const v1::LookupTransfersReply reply =
      TRY(client.call(*client.transfers, &v1::Transfers::Stub::Lookup, request));
  if (reply.transfers().empty())
    return fail(Code::not_found,
                fmt::format("there is no transfer {}. `meridian outcome --transfer` "
                            "tells whether one with this id was refused",
                            options.show));
  const OrderedJson json = TRY(json_of(reply.transfers(0)));
  if (options.json) {
    print_json(json);
    return Exit::ok;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, value] : json.items())
    rows.push_back({name, value.is_string() ? value.get<std::string>() : value.dump()});
  fmt::print("{}", format_table(rows, {}));
  return Exit::ok;
}

Result<v1::Transfer> transfer_of(const Options& options, u128 id) {
  v1::Transfer transfer;
  transfer.set_id(api::format_u128(id));
  std::uint32_t flags = TRY(parse_transfer_flags(options.flags));
  const auto put_id = [](const std::string& text, std::string_view name) -> Result<std::string> {
    if (text.empty()) return std::string();
    return api::format_u128(TRY(parse_id(text, name)));
  };
  transfer.set_debit_account_id(TRY(put_id(options.debit, "--debit")));
  transfer.set_credit_account_id(TRY(put_id(options.credit, "--credit")));
  transfer.set_user_data_128(TRY(put_id(options.user_data, "--user-data")));
  const bool resolves = !options.post.empty() || !options.cancel.empty();
  if (!options.amount.empty()) {
    transfer.set_amount(TRY(put_id(options.amount, "--amount")));
  } else if (!options.post.empty()) {
    transfer.set_amount(api::format_u128(u128_max));  // all of it
  } else if (!resolves) {
    return fail(Code::invalid_argument,
                "--amount is missing. give it in the ledger's smallest units");
  }
  if (resolves) {
    const bool posts = !options.post.empty();
    transfer.set_pending_id(TRY(put_id(posts ? options.post : options.cancel, "--post or --void")));
    flags |= posts ? ledger::transfer_flags::post_pending_transfer
                   : ledger::transfer_flags::void_pending_transfer;
  } else if (options.debit.empty() || options.credit.empty()) {
    return fail(Code::invalid_argument, "--debit and --credit name the two accounts. give both");
  }
  if (options.pending) flags |= ledger::transfer_flags::pending;
  transfer.set_timeout(options.timeout);
  transfer.set_ledger(options.ledger);
  transfer.set_code(options.code);
  transfer.set_flags(flags);
  return transfer;
}

Result<Exit> run(Client& client, const Options& options) {
  if (!options.show.empty()) return show(client, options);
  const std::unique_ptr<io::Entropy> entropy = io::os_entropy();
  const u128 id = options.id.empty() ? time_ordered_id(client.clock(), *entropy)
                                     : TRY(parse_id(options.id, "--id"));
  Result<v1::Transfer> transfer = transfer_of(options, id);
  if (!transfer) {
    report(transfer.error());
    return Exit::usage;
  }
  if (options.sign) {
    const ledger::Transfer command = TRY(api::parse_transfer(*transfer, "transfer"));
    TRY(sign_calls(client, {command}));
  }
  v1::CreateTransfersRequest request;
  *request.add_transfers() = std::move(*transfer);
  const v1::CommandResult result =
      TRY(write_one(client, *client.transfers, &v1::Transfers::Stub::Create, request,
                    v1::OutcomeRequest::TRANSFER, id));
  if (options.json) {
    OrderedJson out = json_of(result);
    out["id"] = to_decimal(id);
    out["signed"] = options.sign;
    print_json(out);
  } else {
    print_line(fmt::format("transfer {}: {}", to_decimal(id), result.name()));
  }
  return is_created_or_exists(result) ? Exit::ok : Exit::refused;
}

}  // namespace

void add_transfer(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  CLI::App& transfer = *app.add_subcommand(
      "transfer", "Move an amount from a credit to a debit account, or show it");
  transfer.add_option("--id", options->id, "128-bit id; a time-ordered one if not given")
      ->check(check_id);
  transfer.add_option("--debit", options->debit, "Account to debit")->check(check_id);
  transfer.add_option("--credit", options->credit, "Account to credit")->check(check_id);
  transfer.add_option("--amount", options->amount, "In the ledger's smallest units")
      ->check(check_id);
  transfer.add_option("--ledger", options->ledger, "Ledger of both accounts");
  transfer.add_option("--code", options->code, "Why: a number of yours, not 0");
  auto* pending =
      transfer.add_flag("--pending", options->pending, "Reserve only; post or void it later");
  transfer
      .add_option("--timeout-pending", options->timeout,
                  "Seconds after which a pending transfer is voided")
      ->needs(pending);
  auto* post =
      transfer.add_option("--post", options->post, "Post this pending transfer")->check(check_id);
  auto* cancel =
      transfer.add_option("--void", options->cancel, "Void this pending transfer")->check(check_id);
  auto* shown = transfer.add_option("--show", options->show, "Show this transfer")->check(check_id);
  post->excludes(pending)->excludes(cancel)->excludes(shown);
  cancel->excludes(pending)->excludes(shown);
  transfer.add_option("--flag", options->flags, flag_help(false));
  transfer.add_option("--user-data", options->user_data, "128 bits of yours; never personal data")
      ->check(check_id);
  add_sign_option(transfer, options->sign);
  transfer.add_flag("--json", options->json, "Print the result as JSON");
  transfer.footer(
      "Answers when the transfer is durable. If the answer gets lost, the ledger is asked what "
      "became\n"
      "of it; if that fails too, the exit code is 5: repeat the command with the --id it names.\n\n"
      "Examples:\n"
      "  meridian transfer --debit 1 --credit 2 --amount 500 --ledger 978 --code 1\n"
      "  meridian transfer --debit 1 --credit 2 --amount 500 --ledger 978 --code 1 --pending --id "
      "77\n"
      "  meridian transfer --post 77 --amount 300\n"
      "  meridian transfer --debit 1 --credit 2 --amount 500 --ledger 978 --code 1 --sign\n"
      "  meridian transfer --show 77");
  on_call(transfer, invocation, options, run);
}

}  // namespace meridian::app
