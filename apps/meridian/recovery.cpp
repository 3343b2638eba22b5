// `meridian recovery`: what to do when records that were signed are lost (docs/decisions/0011), or
// an entry of the log stops every replica (0022).
//
//   inspect ──> nothing lost: serve goes on
//      └──────> lost FIRST..LAST: restore a backup, or
//               new-generation --accept-loss FIRST..LAST
//                 keep evidence in generations/N ─> file `generation`: N+1 opening ─> blank
//                 `cosigned` ─> the open_generation record ─> sign under the new origin ─> N+1
//
// A stop anywhere is gone on from by the same command.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "commands.h"
#include "data_directory.h"
#include "generation.h"
#include "new_generation.h"
#include "node.h"
#include "offline_acts.h"
#include "on_run.h"
#include "output.h"
#include "recovery_skip.h"

namespace meridian::app {

namespace {

struct Options {
  NodeOptions node;
  std::string accept_loss;
  std::string approval;  ///< File that two people signed.
  bool json = false;
};

/// What a look at the directory gives.
struct Inspection {
  Generation generation;
  audit::Report report;
  std::vector<std::string> damage;  ///< Findings that are not about what is lost.
  std::optional<Loss> loss;
  bool can_open = false;  ///< A new generation; it would begin behind all that survived.
};

Result<Inspection> look(const NodeOptions& options) {
  DataDirectory data = TRY(open_to_look(options.directory, options));
  Inspection seen;
  seen.generation = TRY(read_generation(*data.disk));
  seen.report = TRY(verify(
      data,
      [&](const audit::Finding& finding) {
        if (finding.is_loss) return;
        seen.damage.push_back(finding.record
                                  ? fmt::format("record {}: {}", *finding.record, finding.what)
                                  : finding.what);
      },
      [](std::uint64_t, std::uint64_t) {}));
  const audit::Report& report = seen.report;
  if (report.signed_records > report.log_end)
    seen.loss = Loss{report.log_end, report.signed_records, report.signed_root};
  seen.can_open = seen.loss && seen.loss->first > 0 && seen.damage.empty() && report.log_executed;
  return seen;
}

OrderedJson json_of(const Inspection& seen) {
  OrderedJson out;
  out["generation"] = seen.generation.number;
  out["opening"] = seen.generation.opening.has_value();
  out["signed_records"] = seen.report.signed_records;
  out["signed_root"] = to_hex(seen.report.signed_root);
  out["records_in_segments"] = seen.report.stored_records;
  out["records_in_log"] = seen.report.log_end;
  out["surviving_records"] = seen.loss ? seen.loss->first : seen.report.records;
  if (seen.loss)
    out["lost"] = {{"first", seen.loss->first},
                   {"last", seen.loss->last()},
                   {"count", seen.loss->signed_size - seen.loss->first}};
  else
    out["lost"] = nullptr;
  out["damage"] = seen.damage;
  out["can_open_generation"] = seen.can_open;
  return out;
}

void print(const Inspection& seen) {
  const audit::Report& report = seen.report;
  print_line(fmt::format("generation {}: this replica signed a head of {} records, root {}",
                         seen.generation.number, report.signed_records,
                         to_hex(report.signed_root)));
  print_line(fmt::format("{} records are in the segments, the log gives the state up to {}",
                         report.stored_records, report.log_end));
  for (const std::string& damage : seen.damage) print_line("DAMAGED: " + damage);
  if (!seen.loss) {
    print_line("no signed record is lost");
    return;
  }
  const Loss& loss = *seen.loss;
  print_line(fmt::format("LOST: records {}, signed and not there to go on from", loss.range()));
  if (report.stored_records > loss.first)
    print_line(
        fmt::format("  of them {} to {} can still be read in the segments; without their "
                    "log entries the state cannot go on from them",
                    loss.first, report.stored_records - 1));
  print_line("restore a newer copy of the directory if there is one. else, to go on without them:");
  print_line(
      fmt::format("  meridian recovery new-generation --data DIR --accept-loss {}", loss.range()));
}

Result<Exit> inspect(const Options& options) {
  const Inspection seen = TRY(look(options.node));
  if (options.json) {
    print_json(json_of(seen));
  } else {
    print(seen);
  }
  return seen.loss || !seen.damage.empty() ? Exit::damaged : Exit::ok;
}

// --- opening a new generation ---

Status check_accepted(const Options& options, const Loss& loss) {
  if (options.accept_loss == loss.range()) return {};
  return fail(Code::failed_precondition,
              options.accept_loss.empty()
                  ? fmt::format("records {} would be given up for good. to accept that, add "
                                "--accept-loss {}",
                                loss.range(), loss.range())
                  : fmt::format("--accept-loss {} is not what is lost, which is {}. nothing was "
                                "changed",
                                options.accept_loss, loss.range()));
}

/// Decides and makes durable that generation `number + 1` is being opened, if two people want it.
Status begin(Node& node, const Inspection& seen, const std::string& approval) {
  TRY(use_act_file(*node.disk, node.cell,
                   opening_of(node.generation.number + 1, seen.loss->range()), approval));
  return decide_generation(node, *seen.loss, seen.report.stored_records);
}

Result<Exit> new_generation(const Options& options) {
  Inspection seen;
  NodeOptions node_options = options.node;
  {
    DataDirectory data = TRY(open_to_look(options.node.directory, options.node));
    seen.generation = TRY(read_generation(*data.disk));
    node_options.dev = TRY(data.disk->exists(dev_passphrase_path));
  }
  if (seen.generation.opening) {
    TRY(check_accepted(options, *seen.generation.opening));
  } else {
    seen = TRY(look(options.node));
    if (!options.json) print(seen);
    if (!seen.loss)
      return fail(Code::failed_precondition,
                  "no signed record is lost: there is no reason for a new generation");
    if (!seen.can_open)
      return fail(Code::data_loss,
                  "there is more damage than records that are lost: a new generation would hide "
                  "it. restore what is named above from a backup first");
    TRY(check_accepted(options, *seen.loss));
  }
  Node node = TRY(open_node(node_options));
  if (node.generation != seen.generation)
    return fail(Code::failed_precondition, "the directory changed meanwhile. try again");
  if (!node.generation.opening) TRY(begin(node, seen, options.approval));
  const Loss loss = *node.generation.opening;
  const OpenedGeneration opened = TRY(open_generation(node));
  if (options.json) {
    OrderedJson out{{"generation", node.generation.number},
                    {"origin", opened.origin},
                    {"record", opened.record}};
    out["lost_first"] = loss.is_none() ? OrderedJson(nullptr) : OrderedJson(loss.first);
    out["lost_last"] = loss.is_none() ? OrderedJson(nullptr) : OrderedJson(loss.last());
    out["checkpoint"] = opened.note;
    print_json(out);
    return Exit::ok;
  }
  print_line(fmt::format("generation {} is open: record {} names what is lost. its origin is {}",
                         node.generation.number, opened.record, opened.origin));
  print_line(
      fmt::format("receipts of records below {} stay valid under the policy of the earlier "
                  "generation; give out a new one with `meridian log policy`",
                  loss.first));
  print_line(fmt::format("what proves the loss is kept in {}",
                         node.disk->display(kept_path(node.generation))));
  return Exit::ok;
}

// --- skipping an entry ---

Result<Exit> skip(const SkipOptions& options) {
  const Skipped skipped = TRY(skip_entry(options));
  const replica::SkippedEntry& entry = skipped.entry;
  if (options.json) {
    print_json({{"index", std::to_string(entry.index)},
                {"digest", to_hex(entry.digest)},
                {"in_log", skipped.is_in_log}});
    return Exit::ok;
  }
  print_line(
      fmt::format("this replica skips entry {} from its next start on. run the same command "
                  "on every other replica of the cell before any of them is started",
                  entry.index));
  if (!skipped.is_in_log)
    print_line("its log does not hold the entry yet: it is skipped once it comes");
  return Exit::ok;
}

void add_skip(CLI::App& recovery, Invocation& invocation) {
  auto options = std::make_shared<SkipOptions>();
  CLI::App& command = *recovery.add_subcommand(
      "skip", "Skip an entry of the log that no replica of the cell can apply");
  command
      .add_option("--data,--data-dir", options->directory, "The data directory, not being served")
      ->required();
  add_key_access(command, *options,
                 "File whose content opens the keys (not needed after serve --dev)");
  command
      .add_option("--index", options->index, "Index of the entry, as the replica's error names it")
      ->required();
  command.add_option("--digest", options->digest, "Its digest, as the replica's error names it")
      ->required();
  command
      .add_option("--approval", options->approval,
                  "What two people signed, if the node served people who are known")
      ->type_name("FILE");
  command.add_flag("--json", options->json, "Print JSON");
  command.footer(
      "For an entry that stops every replica, again at each start, with the newest version too.\n"
      "What was in it never happens: its commands get no record and no answer. In its place "
      "stands\n"
      "a record entry_skipped with its index, term and digest, so that receipts and proofs show\n"
      "that it was skipped. Skip it on all replicas or on none: one that applied what others\n"
      "skipped has other records, and is stopped by them.\n\n"
      "Example: meridian recovery skip --data ./ledger --index 1207 --digest 9f2c...");
  on_run(command, invocation, options, skip);
}

void add_common(CLI::App& command, Options& options) {
  command.add_option("--data", options.node.directory, "The data directory, not being served")
      ->required();
  add_key_access(command, options.node,
                 "File whose content opens the keys (not needed after serve --dev)");
  command.add_flag("--json", options.json, "Print JSON");
}

}  // namespace

void add_recovery(CLI::App& app, Invocation& invocation) {
  CLI::App& recovery = *app.add_subcommand(
      "recovery", "When records that were signed are lost, or an entry stops every replica");
  recovery.require_subcommand(1);

  auto looking = std::make_shared<Options>();
  CLI::App& inspect_command =
      *recovery.add_subcommand("inspect", "Say exactly what is lost; changes nothing");
  add_common(inspect_command, *looking);
  inspect_command.footer(
      "Verifies the whole ledger and compares it with the tree head that was signed last.\n"
      "Exit code 4 if something is lost or damaged.\n\n"
      "Example: meridian recovery inspect --data ./ledger --json");
  on_run(inspect_command, invocation, looking, inspect);

  auto opening = std::make_shared<Options>();
  CLI::App& open_command =
      *recovery.add_subcommand("new-generation", "Go on without the records that are lost");
  add_common(open_command, *opening);
  open_command.add_option("--accept-loss", opening->accept_loss,
                          "FIRST..LAST exactly as `recovery inspect` names it");
  open_command
      .add_option("--approval", opening->approval,
                  "What two people signed, if the node served people who are known")
      ->type_name("FILE");
  open_command.footer(
      "The log goes on under a new origin, <deployment>/<cell>/<generation + 1>: its tree begins\n"
      "with all records that survived, and the next record says which ones were signed and are\n"
      "lost. Balances, ids and streams are those of the surviving records: a command whose record\n"
      "is lost may be sent again and is then carried out. The head that was signed and whatever\n"
      "can still be read of the lost records is kept in generations/. Make a copy of the\n"
      "directory first.\n\n"
      "Example: meridian recovery new-generation --data ./ledger --accept-loss 1200..1207");
  on_run(open_command, invocation, opening, new_generation);
  add_skip(recovery, invocation);
}

}  // namespace meridian::app
