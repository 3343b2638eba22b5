#include <fmt/format.h>

#include "ledger/describe.h"
#include "output.h"
#include "run_with.h"

namespace meridian::app {

namespace {

struct StatusOptions {
  ClientOptions client;
  bool json = false;
};
struct OutcomeOptions {
  ClientOptions client;
  std::string transfer, event, account;
  bool json = false;
};

Result<Exit> run_status(Client& client, const StatusOptions& options) {
  const v1::StatusReply reply =
      TRY(client.call(*client.admin, &v1::Admin::Stub::Status, v1::StatusRequest()));
  OrderedJson out;
  out["version"] = reply.version();
  out["cell"] = ledger::opaque_hex(to_u128(reply.cell()));
  out["records"] = reply.records();
  out["accounts"] = reply.accounts();
  out["streams"] = reply.streams();
  out["pendings"] = reply.pendings();
  out["last_entry_index"] = reply.last_entry_index();
  out["checkpoint_record"] = reply.checkpoint_record();
  out["debt_bytes"] = reply.debt_bytes();
  out["at_capacity"] = reply.at_capacity();
  if (options.json) {
    print_json(out);
    return Exit::ok;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, value] : out.items())
    rows.push_back({name, value.is_string() ? value.get<std::string>() : value.dump()});
  fmt::print("{}", format_table(rows, {}));
  return Exit::ok;
}

Result<Exit> run_outcome(Client& client, const OutcomeOptions& options) {
  const auto [kind, text] =
      !options.transfer.empty() ? std::pair(v1::OutcomeRequest::TRANSFER, options.transfer)
      : !options.event.empty()  ? std::pair(v1::OutcomeRequest::EVENT, options.event)
                                : std::pair(v1::OutcomeRequest::ACCOUNT, options.account);
  const u128 id = TRY(parse_id(text, "id"));
  const std::optional<v1::CommandResult> result = TRY(client.outcome(kind, id));
  if (options.json) {
    OrderedJson out = result ? json_of(*result) : OrderedJson::object();
    out["known"] = result.has_value();
    print_json(out);
  } else if (result) {
    print_line(fmt::format("{}: record {} at {}", result->name(), result->record_index(),
                           ledger::iso_time(result->timestamp())));
  } else {
    print_line("unknown: it never reached the ledger. send it again with the same id");
  }
  return result ? Exit::ok : Exit::refused;
}

}  // namespace

void add_status(CLI::App& app, Invocation& invocation) {
  auto status = std::make_shared<StatusOptions>();
  CLI::App& asking = *app.add_subcommand("status", "Show what the server holds");
  asking.add_flag("--json", status->json, "Print JSON");
  on_call(asking, invocation, status, run_status);

  auto outcome = std::make_shared<OutcomeOptions>();
  CLI::App& outcomes =
      *app.add_subcommand("outcome", "Tell what became of a command whose answer got lost");
  CLI::Option_group& which = *outcomes.add_option_group("which", "The command, one of");
  which.add_option("--transfer", outcome->transfer, "Id of a transfer");
  which.add_option("--event", outcome->event, "Id of an event");
  which.add_option("--account", outcome->account, "Id of an account");
  which.require_option(1);
  outcomes.add_flag("--json", outcome->json, "Print JSON");
  outcomes.footer(
      "Exit code 0 if the ledger knows the id, 1 if it never arrived.\n\n"
      "Example: meridian outcome --transfer 77");
  on_call(outcomes, invocation, outcome, run_outcome);
}

}  // namespace meridian::app
