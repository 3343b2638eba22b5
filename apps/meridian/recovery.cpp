// `meridian recovery`: what to do when records that were signed are lost (docs/decisions/0011).
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
#include <future>
#include <memory>

#include "commands.h"
#include "data_directory.h"
#include "generation.h"
#include "io/executor.h"
#include "ledger/command.h"
#include "ledger/header.h"
#include "metrics/registry.h"
#include "node.h"
#include "output.h"
#include "replica/cosigned_head.h"
#include "replica/replica.h"
#include "storage/record_store.h"

namespace meridian::app {

namespace {

constexpr std::uint64_t kept_file_size_max = std::uint64_t{1} << 32;

struct Options {
  NodeOptions node;
  std::string accept_loss;
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
  DataDirectory data = TRY(open_to_look(options.directory, options.passphrase_file));
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

std::string kept_path(const Generation& next) {
  return fmt::format("{}/{}", generations_path, next.number - 1);
}

Status keep_file(io::Disk& disk, const std::string& path, const std::string& folder) {
  if (!TRY(disk.exists(path))) return {};
  const Buffer bytes = TRY(io::read_file(disk, path, kept_file_size_max));
  return io::replace_file(disk, folder + "/" + path, bytes);
}

/// What proves the loss: the head that was signed, and segments that hold lost records.
Status keep_evidence(io::Disk& disk, const Generation& next, std::uint64_t stored) {
  const std::string folder = kept_path(next);
  for (const std::string& made :
       {std::string(generations_path), folder, folder + "/headers", folder + "/payloads"})
    TRY(disk.make_directory(made));
  TRY(keep_file(disk, std::string(replica::CosignedHead::path), folder));
  for (std::uint64_t record = next.opening->first; record < stored;) {
    const std::uint64_t segment = record / storage::segment_records;
    for (const char* kind : {"headers", "payloads"})
      TRY(keep_file(disk, fmt::format("{}/{:016x}.seg", kind, segment), folder));
    record = (segment + 1) * storage::segment_records;
  }
  for (const std::string& made :
       {folder + "/headers", folder + "/payloads", folder, std::string(generations_path)})
    TRY(disk.sync_directory(made));
  return disk.sync_directory("");
}

/// Nothing is signed under the new origin yet. Only if it is the old generation's still.
Status blank_cosigned(io::Disk& disk, const Generation& next) {
  const std::string path(replica::CosignedHead::path);
  const Buffer now = TRY(io::read_file(disk, path, kept_file_size_max));
  const Buffer kept = TRY(io::read_file(disk, kept_path(next) + "/" + path, kept_file_size_max));
  if (now != kept) return {};
  return io::replace_file(disk, path, Buffer(now.size()));
}

/// Threads and replica of the new generation, for as long as it takes to open it.
class Opening {
 public:
  Status open(Node& node) {
    replica::ReplicaConfig config;
    config.cell = node.cell;
    config.generation = node.generation.number;
    replica_ = TRY(replica::Replica::open(
        {*node.disk, *node.clock, *node.entropy, *node.keys, metrics_,
         [](const std::string& notice) { fmt::print(stderr, "meridian: {}\n", notice); }},
        config, {*log_, *apply_, *prove_, *checkpoint_}, {},
        [](const Error& error) { fmt::print(stderr, "meridian: {}\n", error.message); }));
    return {};
  }
  /// The record that opens the generation: found, if an earlier attempt got so far, or made.
  Result<std::uint64_t> record(const Node& node) {
    const Loss& loss = *node.generation.opening;
    for (std::uint64_t at = loss.first; at < replica_->visible_records(); ++at) {
      const Buffer bytes = TRY(replica_->header(ledger::RecordIndex{at}));
      const ledger::Header header = TRY(ledger::Header::decode(bytes));
      if (opens(header, node.generation.number)) return at;
    }
    ledger::OpenGeneration command{};
    command.cell = node.cell;
    command.generation = node.generation.number;
    command.predecessor_size = loss.signed_size;
    command.predecessor_root = loss.signed_root;
    command.feature_level = ledger::feature_level_newest;
    command.lost_count = loss.signed_size - loss.first;
    auto request = std::make_unique<ledger::Request>();
    request->attester = ledger::Attester::replica;
    request->add(ledger::CommandKind::open_generation,
                 {reinterpret_cast<const Byte*>(&command), sizeof command});
    const replica::Answer answer = TRY(submit(std::move(request)));
    if (answer.results.front().outcome != ledger::Outcome::created)
      return fail(Code::internal, "the ledger refused the record that opens the generation");
    return raw(answer.first_record);
  }
  /// Signed and durable: the generation is open.
  Result<std::string> sign() {
    std::promise<Result<std::string>> signed_note;
    replica_->checkpoint([&](Result<std::string> note) { signed_note.set_value(std::move(note)); });
    return signed_note.get_future().get();
  }
  std::string origin() const { return replica_->origin(); }

 private:
  static bool opens(const ledger::Header& header, std::uint64_t generation) {
    if (header.kind != ledger::CommandKind::open_generation) return false;
    const auto& body = std::get<ledger::SystemBody>(header.body);
    return header.outcome == ledger::Outcome::created &&
           ledger::load_command<ledger::OpenGeneration>(body.command.data()).generation ==
               generation;
  }
  Result<replica::Answer> submit(std::unique_ptr<ledger::Request> request) {
    std::promise<Result<replica::Answer>> answered;
    replica_->submit(std::move(request), [&](Result<replica::Answer> answer) {
      answered.set_value(std::move(answer));
    });
    return answered.get_future().get();
  }

  metrics::Registry metrics_;
  std::unique_ptr<io::Executor> log_ = io::os_executor("log"), apply_ = io::os_executor("apply"),
                                prove_ = io::os_executor("prove"),
                                checkpoint_ = io::os_executor("checkpoint");
  std::unique_ptr<replica::Replica> replica_;
};

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

/// Decides and makes durable that generation `number + 1` is being opened.
Status begin(Node& node, const Inspection& seen) {
  Generation next{node.generation.number + 1, seen.loss};
  TRY(keep_evidence(*node.disk, next, seen.report.stored_records));
  TRY(node.keys->add("log"));
  TRY(write_generation(*node.disk, next));
  node.generation = next;
  return {};
}

Result<Exit> new_generation(const Options& options) {
  Inspection seen;
  NodeOptions node_options = options.node;
  {
    DataDirectory data = TRY(open_to_look(options.node.directory, options.node.passphrase_file));
    seen.generation = TRY(read_generation(*data.disk));
    node_options.dev =
        options.node.passphrase_file.empty() && TRY(data.disk->exists(dev_passphrase_path));
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
  if (!node.generation.opening) TRY(begin(node, seen));
  TRY(blank_cosigned(*node.disk, node.generation));

  std::uint64_t record = 0;
  std::string origin, note;
  {
    Opening opening;
    TRY(opening.open(node));
    record = TRY(opening.record(node));
    note = TRY(opening.sign());
    origin = opening.origin();
  }
  const Loss loss = *node.generation.opening;
  node.generation.opening.reset();
  TRY(write_generation(*node.disk, node.generation));
  if (options.json) {
    print_json({{"generation", node.generation.number},
                {"origin", origin},
                {"record", record},
                {"lost_first", loss.first},
                {"lost_last", loss.last()},
                {"checkpoint", note}});
    return Exit::ok;
  }
  print_line(fmt::format("generation {} is open: record {} names what is lost. its origin is {}",
                         node.generation.number, record, origin));
  print_line(
      fmt::format("receipts of records below {} stay valid under the policy of the earlier "
                  "generation; give out a new one with `meridian log policy`",
                  loss.first));
  print_line(fmt::format("what proves the loss is kept in {}",
                         node.disk->display(kept_path(node.generation))));
  return Exit::ok;
}

void add_common(CLI::App& command, Options& options) {
  command.add_option("--data", options.node.directory, "The data directory, not being served")
      ->required();
  command.add_option("--passphrase-file", options.node.passphrase_file,
                     "File whose content opens the keys (not needed after serve --dev)");
  command.add_flag("--json", options.json, "Print JSON");
}

void run_with_report(CLI::App& command, const std::shared_ptr<Options>& options,
                     Invocation& invocation, Result<Exit> (*act)(const Options&)) {
  command.callback([options, &invocation, act] {
    invocation.run = [options, act] {
      const Result<Exit> done = act(*options);
      return done ? *done : report(done.error());
    };
  });
}

}  // namespace

void add_recovery(CLI::App& app, Invocation& invocation) {
  CLI::App& recovery = *app.add_subcommand("recovery", "When records that were signed are lost");
  recovery.require_subcommand(1);

  auto looking = std::make_shared<Options>();
  CLI::App& inspect_command =
      *recovery.add_subcommand("inspect", "Say exactly what is lost; changes nothing");
  add_common(inspect_command, *looking);
  inspect_command.footer(
      "Verifies the whole ledger and compares it with the tree head that was signed last.\n"
      "Exit code 4 if something is lost or damaged.\n\n"
      "Example: meridian recovery inspect --data ./ledger --json");
  run_with_report(inspect_command, looking, invocation, inspect);

  auto opening = std::make_shared<Options>();
  CLI::App& open_command =
      *recovery.add_subcommand("new-generation", "Go on without the records that are lost");
  add_common(open_command, *opening);
  open_command.add_option("--accept-loss", opening->accept_loss,
                          "FIRST..LAST exactly as `recovery inspect` names it");
  open_command.footer(
      "The log goes on under a new origin, <deployment>/<cell>/<generation + 1>: its tree begins\n"
      "with all records that survived, and the next record says which ones were signed and are\n"
      "lost. Balances, ids and streams are those of the surviving records: a command whose record\n"
      "is lost may be sent again and is then carried out. The head that was signed and whatever\n"
      "can still be read of the lost records is kept in generations/. Make a copy of the\n"
      "directory first.\n\n"
      "Example: meridian recovery new-generation --data ./ledger --accept-loss 1200..1207");
  run_with_report(open_command, opening, invocation, new_generation);
}

}  // namespace meridian::app
