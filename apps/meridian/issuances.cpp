// `meridian issuances`: what certificate authorities issued, as the records of a cell have it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "commands.h"
#include "files.h"
#include "mesh/issuance_journal.h"
#include "output.h"
#include "run_with.h"

namespace meridian::app {
namespace {

struct Options {
  ClientOptions client;
  std::string trust_domain;
  std::string output;
  bool json = false;
};

/// A record of entries, whose chain goes on where the one before it ends.
struct Recorded {
  std::uint64_t record_index = 0;
  std::string lines;
  std::vector<mesh::JournalEntry> entries;
};

/// All of them. Errors: data_loss if they are no chain; those of the calls.
Result<std::vector<Recorded>> fetch(Client& client, const std::string& trust_domain) {
  if (!mesh::is_trust_domain(trust_domain))
    return fail(Code::invalid_argument, "--trust-domain: not a trust domain");
  std::vector<Recorded> all;
  mesh::JournalHead head = mesh::empty_journal_head(trust_domain);
  v1::IssuancesRequest request;
  request.set_trust_domain(trust_domain);
  v1::IssuancesReply reply;
  do {
    reply = TRY(client.call(*client.issuances, &v1::Issuances::Stub::List, request));
    for (const v1::RecordedIssuances& one : reply.records()) {
      auto entries = mesh::read_journal_lines(one.lines(), head);
      if (!entries)
        return fail(Code::data_loss,
                    fmt::format("record {}: {}", one.record_index(), entries.error().message));
      if (!entries->empty()) head = {entries->back().number, entries->back().digest};
      all.push_back({one.record_index(), one.lines(), *std::move(entries)});
    }
    if (!reply.end() && reply.next() <= request.position())
      return fail(Code::internal, "the server does not go on");
    request.set_position(reply.next());
  } while (!reply.end());
  return all;
}

Result<Exit> run_list(Client& client, const Options& options) {
  OrderedJson list = OrderedJson::array();
  std::vector<std::vector<std::string>> rows{
      {"entry", "id", "serial", "issued", "until", "record"}};
  for (const Recorded& record : TRY(fetch(client, options.trust_domain))) {
    for (const mesh::JournalEntry& entry : record.entries) {
      const mesh::Issuance& issued = entry.issuance;
      const std::string id = mesh::format_spiffe_id(issued.id);
      list.push_back({{"entry", std::to_string(entry.number)},
                      {"id", id},
                      {"serial", issued.serial},
                      {"issued", iso_seconds(issued.time)},
                      {"until", iso_seconds(issued.not_after)},
                      {"grounds", mesh::describe(issued.grounds)},
                      {"digest", to_hex(entry.digest)},
                      {"record_index", std::to_string(record.record_index)}});
      rows.push_back({std::to_string(entry.number), id, issued.serial, iso_seconds(issued.time),
                      iso_seconds(issued.not_after), std::to_string(record.record_index)});
    }
  }
  if (options.json)
    print_json(list);
  else if (list.empty())
    print_line(fmt::format("no journal of {} is on record", options.trust_domain));
  else
    fmt::print("{}", format_table(rows, {0, 5}));
  return Exit::ok;
}

Result<Exit> run_export(Client& client, const Options& options) {
  std::string text = mesh::format_journal_start(options.trust_domain);
  std::uint64_t count = 0;
  for (const Recorded& record : TRY(fetch(client, options.trust_domain))) {
    text += record.lines;
    count += record.entries.size();
  }
  TRY(write_output(options.output, text));
  print_line(fmt::format("{}: {} entries of the journal of {}, as the records have it",
                         options.output, count, options.trust_domain));
  return Exit::ok;
}

void add_domain(CLI::App& command, Options& options) {
  command.add_option("--trust-domain", options.trust_domain, "Of the authority")
      ->required()
      ->type_name("DOMAIN");
}

}  // namespace

void add_issuances(CLI::App& app, Invocation& invocation) {
  CLI::App& group = *app.add_subcommand("issuances", "What certificate authorities issued");
  group.require_subcommand(1);
  auto listed = std::make_shared<Options>();
  CLI::App& list = *group.add_subcommand("list", "List what records say of it");
  add_domain(list, *listed);
  list.add_flag("--json", listed->json, "Print JSON");
  list.footer(
      "An authority's journal becomes records by `ca serve --record-to` or `ca record`. A serial "
      "number that was\nseen in use and stands here nowhere was not issued by the authority: its "
      "key was stolen.\n\n"
      "Example: meridian issuances list --trust-domain eu-west.bank.example --identity ./auditor");
  on_call(list, invocation, listed, run_list);
  auto exported = std::make_shared<Options>();
  CLI::App& file = *group.add_subcommand("export", "Write the journal that the records have");
  add_domain(file, *exported);
  file.add_option("--out", exported->output, "Where to")->required()->type_name("FILE");
  file.footer(
      "Byte for byte the authority's own journal as far as it was handed in: to compare, or to "
      "give it back one\nthat it lost (docs/security/identities.md).\n\n"
      "Example: meridian issuances export --trust-domain eu-west.bank.example --out journal");
  on_call(file, invocation, exported, run_export);
}

}  // namespace meridian::app
