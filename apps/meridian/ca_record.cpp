// `meridian ca record`: hands an authority's journal in to a cell, once.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "ca_commands.h"
#include "ca_directory.h"
#include "commands.h"
#include "issuance_recorder.h"
#include "output.h"
#include "run_with.h"

namespace meridian::app {
namespace {

struct RecordOptions {
  NodeOptions ca;
  ClientOptions client;
  bool json = false;
};

Result<Exit> run_record(Client& client, const RecordOptions& options) {
  CaDirectory ca = TRY(open_ca(options.ca));
  const mesh::JournalHead head = TRY(hand_in_journal(
      client, ca.trust_domain(), [&ca](std::uint64_t count) { return journal_after(ca, count); }));
  if (options.json)
    print_json({{"trust_domain", ca.trust_domain()},
                {"entries", std::to_string(head.count)},
                {"digest", to_hex(head.digest)}});
  else
    print_line(fmt::format("{}: {} entries are on record, the newest has digest {}",
                           ca.trust_domain(), head.count, to_hex(head.digest)));
  return Exit::ok;
}

}  // namespace

void add_ca_record(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<RecordOptions>();
  CLI::App& record = *group.add_subcommand("record", "Hand the journal in to a cell");
  add_ca_options(record, options->ca);
  record.add_flag("--json", options->json, "Print JSON");
  record.footer(
      "`ca serve --record-to ADDR` does it by itself, every few seconds. What is on record already "
      "is compared\nfirst: if entries were changed or taken out here since, it says so and hands "
      "nothing in. Needs the action\nissuances.record.\n\n"
      "Example: meridian ca record --dir ./ca --passphrase-file ca.pass --server 10.1.0.1:7400");
  on_call(record, invocation, options, run_record);
}

}  // namespace meridian::app
