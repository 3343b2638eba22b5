#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/convert.h"
#include "files.h"
#include "ledger/describe.h"
#include "on_run.h"
#include "output.h"
#include "proof/policy.h"
#include "proof/receipt.h"
#include "receipt_file.h"
#include "run_with.h"

namespace meridian::app {

namespace {

struct GetOptions {
  ClientOptions client;
  std::string transfer, event, account, output;
  std::optional<std::uint64_t> record;
  std::uint32_t witnesses = 0;
  bool witnessed = false;
  bool json = false;
};
struct VerifyOptions {
  std::string file, policy;
  bool json = false;
};

Result<Exit> run_get(Client& client, const GetOptions& options) {
  v1::ReceiptRequest request;
  if (!options.transfer.empty())
    request.set_transfer_id(api::format_u128(TRY(parse_id(options.transfer, "--transfer"))));
  if (!options.event.empty())
    request.set_event_id(api::format_u128(TRY(parse_id(options.event, "--event"))));
  if (!options.account.empty())
    request.set_account_id(api::format_u128(TRY(parse_id(options.account, "--account"))));
  if (options.record) request.set_record_index(*options.record);
  request.set_witnesses(options.witnessed ? std::max(options.witnesses, 1U) : options.witnesses);
  const v1::ReceiptReply reply =
      TRY(client.call(*client.proofs, &v1::Proofs::Stub::Receipt, request));
  if (options.output.empty() || options.output == "-") {
    fmt::print("{}", reply.receipt());
    return Exit::ok;
  }
  TRY(write_output(options.output, reply.receipt()));
  const proof::Receipt receipt = TRY(proof::parse_receipt(reply.receipt()));
  const proof::Checkpoint checkpoint = TRY(proof::parse_checkpoint(receipt.checkpoint.text));
  if (options.json) {
    print_json({{"file", options.output},
                {"record_index", std::to_string(raw(receipt.index))},
                {"tree_size", std::to_string(raw(checkpoint.head.size))},
                {"origin", checkpoint.origin}});
  } else {
    print_line(fmt::format("{}: record {} under a signed tree of {} records", options.output,
                           raw(receipt.index), raw(checkpoint.head.size)));
  }
  return Exit::ok;
}

Result<Exit> run_verify(const VerifyOptions& options) {
  const Result<JudgedReceipt> judged = judge_receipt(options.file, options.policy);
  if (!judged) return judged.error();
  const proof::Evidence& evidence = judged->evidence;
  const ledger::Header& header = judged->header;
  const OrderedJson record = OrderedJson::parse(ledger::to_json(header), nullptr, false);
  if (options.json) {
    OrderedJson out;
    out["valid"] = true;
    out["level"] = proof::level_name(evidence);
    out["global"] = evidence.global;
    out["witnessed"] = evidence.witnessed;
    out["origin"] = evidence.checkpoint.origin;
    out["tree_size"] = std::to_string(raw(evidence.checkpoint.head.size));
    out["root"] = to_hex(evidence.checkpoint.head.root);
    out["record"] = record;
    print_json(out);
    return Exit::ok;
  }
  print_line("valid");
  print_line(proof::describe(evidence));
  print_line("The record:");
  for (const auto& [name, value] : record.items())
    print_line(
        fmt::format("  {}: {}", name, value.is_string() ? value.get<std::string>() : value.dump()));
  if (header.attester == ledger::Attester::client_signature)
    print_line("The client signed it: `meridian evidence verify` says who, and what.");
  return Exit::ok;
}

}  // namespace

void add_receipt(CLI::App& app, Invocation& invocation) {
  CLI::App& receipt = *app.add_subcommand("receipt", "Get a proof of a record; verify one offline");
  receipt.require_subcommand(1);

  auto get = std::make_shared<GetOptions>();
  CLI::App& getting = *receipt.add_subcommand("get", "Fetch the receipt of a record");
  CLI::Option_group& which = *getting.add_option_group("which", "The record, one of");
  which.add_option("--transfer", get->transfer, "The one that made this transfer")->check(check_id);
  which.add_option("--event", get->event, "The one that appended this event")->check(check_id);
  which.add_option("--account", get->account, "The one that made this account")->check(check_id);
  which.add_option("--record", get->record, "By its index");
  which.require_option(1);
  getting.add_flag("--witnessed", get->witnessed,
                   "Wait (20 s at most) until an outside witness has cosigned its checkpoint");
  getting.add_option("--witnesses", get->witnesses, "The same with so many witnesses");
  getting.add_option("-o,--output", get->output, "File to write; stdout if not given");
  getting.add_flag("--json", get->json, "With -o: print what was written as JSON");
  getting.footer(
      "A receipt is a C2SP tlog-proof: the record's header, its path in the Merkle tree and a "
      "signed\n"
      "checkpoint. Keep it with the policy (`meridian log policy`): both verify offline, for "
      "ever.\n\n"
      "Where the server has outside witnesses (serve --witness), every receipt carries the\n"
      "cosignatures there are for it; a record of this second has none yet. --witnessed waits.\n\n"
      "Examples:\n"
      "  meridian receipt get --record 12 -o twelve.tlog-proof\n"
      "  meridian receipt get --transfer 77 --witnessed -o paid.tlog-proof");
  on_call(getting, invocation, get, run_get);

  auto verify = std::make_shared<VerifyOptions>();
  CLI::App& verifying =
      *receipt.add_subcommand("verify", "Check a receipt against a policy, offline");
  verifying.add_option("FILE", verify->file, "The receipt")->required();
  verifying.add_option("--policy", verify->policy, "Whom you trust (C2SP tlog-policy)")->required();
  verifying.add_flag("--json", verify->json, "Print JSON");
  verifying.footer(
      "Needs no server. Says what the receipt proves to whoever trusts the policy, and shows the\n"
      "record. Exit code 1: not enough trusted signatures; 4: the receipt was changed.\n\n"
      "Example: meridian receipt verify twelve.tlog-proof --policy ledger.policy");
  on_run(verifying, invocation, verify, run_verify);
}

}  // namespace meridian::app
