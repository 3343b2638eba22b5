// `meridian demo`: three regions on this machine, one of them killed under load, and everything
// that was acknowledged counted afterwards.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "demo_books.h"
#include "demo_cell.h"
#include "demo_count.h"
#include "demo_failover.h"
#include "demo_stage.h"
#include "demo_trust.h"
#include "files.h"
#include "interrupt.h"
#include "live_view.h"
#include "output.h"

namespace meridian::app {

namespace {

constexpr std::string_view witness_name = "stand-in.example/w1";
constexpr std::string_view witness_organisation = "Stand-In-On-This-Machine";

struct Options {
  bool keep = false;
  std::string directory;
  bool json = false;
};

struct Figures {
  FailoverFigures failover;
  std::uint64_t acknowledged = 0, records = 0;
  Counted counted;  ///< Summed over the regions.
  std::string root;
  std::string receipt_level, witnessed_level;
  double seconds = 0;
};

class Demo {
 public:
  explicit Demo(Stage& stage) : stage_(stage) {}
  /// Errors: what kept the demo from going on. A claim that does not hold is no error.
  Status run();
  const Figures& figures() const { return figures_; }
  /// For people; empty: all hold.
  const std::vector<std::string>& failed_claims() const { return failed_; }

 private:
  void claim(bool holds, std::string otherwise);
  Result<std::string> make_witness();
  Status start_regions();
  Status lose_a_region();
  Status count();
  Status get_receipt();
  Status get_witnessed();
  Status verify_offline();
  Status damage_copy();
  void sum_up();

  Stage& stage_;
  std::unique_ptr<io::Clock> clock_ = io::os_clock();
  io::MonotonicTime began_ = clock_->monotonic();
  std::string witness_address_, witness_vkey_;
  std::optional<ChildWitness> witness_;
  std::optional<DemoCell> cell_;
  std::unique_ptr<DemoLoad> load_;
  Figures figures_;
  std::vector<std::string> failed_;
};

void Demo::claim(bool holds, std::string otherwise) {
  if (!holds) failed_.push_back(std::move(otherwise));
}

/// Its key is made before the regions start, which name it; it runs only later.
Result<std::string> Demo::make_witness() {
  const std::string directory = stage_.at("witness");
  const std::unique_ptr<Child> init = TRY(Child::start(
      {"witness", "init", "--dir", directory, "--name", std::string(witness_name), "--dev"}, true,
      stage_.at("witness.log")));
  witness_vkey_ = init->read_line().value_or("");
  if (init->wait() != 0)
    return fail(Code::internal, "the witness was not made: see " + stage_.at("witness.log"));
  return fmt::format("http://{}={}", witness_address_, witness_vkey_);
}

Status Demo::start_regions() {
  stage_.say("Three regions, one cell.",
             fmt::format("Three processes of this binary, on loopback; every message between them "
                         "is held back {} ms, as over 3,000 km. A write is answered when two "
                         "regions have it on disk.",
                         DemoCell::one_way_ms));
  std::vector<std::string> addresses = TRY(free_addresses(DemoCell::address_count + 1));
  witness_address_ = std::move(addresses.back());
  addresses.pop_back();
  const std::string witness = TRY(make_witness());
  cell_.emplace(stage_, std::move(addresses), witness);
  stage_.show_command(cell_->arguments(0));
  stage_.line(
      fmt::format("  and the same for {} and {}", DemoCell::regions[1], DemoCell::regions[2]));
  TRY(cell_->start_all());
  for (const ViewLine& line : replica_lines(TRY(cell_->wait_leader()))) stage_.line(line.text);
  return {};
}

Status Demo::lose_a_region() {
  stage_.say("A load, and a region is lost.",
             fmt::format("{} transfers a second are asked for, between {} accounts. Then the "
                         "leader's region is killed without warning, and later started again.",
                         grouped(DemoLoad::per_second), grouped(DemoLoad::accounts)));
  load_ = TRY(DemoLoad::make(cell_->servers()));
  figures_.failover = TRY(Failover(stage_, *cell_, *load_).run());
  figures_.acknowledged = load_->acknowledged();
  const FailoverFigures& failover = figures_.failover;
  claim(failover.resume_ms <= failover.failover_bound_ms,
        fmt::format("writes resumed after {} ms, later than the bound of {} ms that the cell "
                    "exports",
                    failover.resume_ms, failover.failover_bound_ms));
  claim(failover.leader_after != failover.killed, "the dead region leads");
  return {};
}

Status Demo::count() {
  stage_.say("Every acknowledged transfer, counted.",
             "On each region: each id looked up, all transfers of the log counted, each balance "
             "compared with what the client had asked for.");
  const CellView view = TRY(cell_->wait_equal());
  figures_.records = view.rows.front().records;
  figures_.root = view.rows.front().root;
  const Expected expected(load_->plan(), load_->batches());
  claim(expected.count() == figures_.acknowledged && figures_.acknowledged > 0,
        "the client lost count of what was acknowledged");
  std::vector<std::vector<std::string>> rows{
      {"region", "acknowledged", "found", "lost", "duplicated", "unexpected", "wrong balances"}};
  const std::vector<Result<Counted>> all = count_replicas(cell_->servers(), expected);
  TRY(Stage::check_not_stopped());
  for (std::size_t i = 0; i < DemoCell::region_count; ++i) {
    const std::string region(DemoCell::regions[i]);
    if (!all[i]) return with_context(all[i].error(), "counting on " + region);
    const Counted& counted = *all[i];
    rows.push_back({region, grouped(expected.count()), grouped(counted.found),
                    grouped(counted.lost), grouped(counted.duplicated), grouped(counted.unexpected),
                    grouped(counted.wrong_balances)});
    claim(counted.is_sound(),
          fmt::format("{}: {} lost, {} duplicated, {} unexpected transfers, {} wrong balances",
                      region, counted.lost, counted.duplicated, counted.unexpected,
                      counted.wrong_balances));
    figures_.counted.found += counted.found;
    figures_.counted.lost += counted.lost;
    figures_.counted.duplicated += counted.duplicated;
    figures_.counted.unexpected += counted.unexpected;
    figures_.counted.wrong_balances += counted.wrong_balances;
  }
  fmt::print(stage_.out(), "{}", format_table(rows, {1, 2, 3, 4, 5, 6}));
  stage_.line(fmt::format("One tree of {} records on all three regions, root {}",
                          grouped(figures_.records), figures_.root));
  return {};
}

Status Demo::get_receipt() {
  stage_.say("A receipt, verified without any server.",
             "One transfer: its record, its path in the Merkle tree, the signed tree head. Two "
             "regions signed: `global`.");
  const std::vector<Acknowledged>& batches = load_->batches();
  const u128 id = load_id(load_->plan(), batches[batches.size() / 2].first);
  const std::string file = stage_.at("paid.tlog-proof"), policy = stage_.at("cell.policy");
  TRY(stage_.run({{"receipt", "get", "--transfer", to_decimal(id), "-o", file},
                  Exit::ok,
                  cell_->servers_text()}));
  TRY(stage_.run({{"log", "policy", "-o", policy}, Exit::ok, cell_->servers_text()}));
  figures_.receipt_level =
      level_of(TRY(stage_.run({{"receipt", "verify", file, "--policy", policy}, Exit::ok, "", 9})));
  claim(figures_.receipt_level == "global",
        fmt::format("the receipt verifies as `{}`, not as `global`", figures_.receipt_level));
  return {};
}

/// On this machine a witness proves nothing, and the text must say so.
Status Demo::get_witnessed() {
  stage_.say("A witness, so that the operator cannot tell two stories.",
             "A STAND-IN for an outside party: this one is run here, by the same people, so it "
             "protects from nothing. A real one is another organisation's. It sees signed tree "
             "heads only, and cosigns what extends the last.");
  const std::string policy = stage_.at("cell.policy"), trusted = stage_.at("trusted.policy");
  const std::string file = stage_.at("witnessed.tlog-proof");
  witness_ =
      TRY(start_witness(stage_.at("witness"), policy, witness_address_, stage_.at("witness.log")));
  stage_.show_command(
      {"witness", "serve", "--dir", stage_.at("witness"), "--dev", "--policy", policy});
  stage_.line("  " + witness_->ready_line);
  const u128 id = load_id(load_->plan(), load_->batches().back().first);
  TRY(stage_.run({{"receipt", "get", "--transfer", to_decimal(id), "--witnessed", "-o", file},
                  Exit::ok,
                  cell_->servers_text()}));
  TRY(stage_.run({{"witness", "policy", policy, "--witness", witness_vkey_, "--organisation",
                   std::string(witness_organisation), "-o", trusted},
                  Exit::ok}));
  stage_.line(
      "The first receipt has no witness, so this policy refuses it; the second satisfies "
      "it:");
  TRY(stage_.run(
      {{"receipt", "verify", stage_.at("paid.tlog-proof"), "--policy", trusted}, Exit::refused}));
  figures_.witnessed_level = level_of(
      TRY(stage_.run({{"receipt", "verify", file, "--policy", trusted}, Exit::ok, "", 11})));
  claim(figures_.witnessed_level == "global+witnessed",
        fmt::format("the receipt with a witness verifies as `{}`, not as `global+witnessed`",
                    figures_.witnessed_level));
  return {};
}

Status Demo::verify_offline() {
  stage_.say("A region's whole ledger, verified offline; and one flipped byte.",
             "All regions are stopped. Headers, Merkle tree, signed root; balances refolded from "
             "the records.");
  TRY(cell_->stop_all());
  TRY(stage_.run({{"verify", "--data", cell_->data(0)}, Exit::ok}));
  return damage_copy();
}

Status Demo::damage_copy() {
  std::error_code error;
  const std::string copy = stage_.at("copy");
  std::filesystem::copy(cell_->data(0), copy, std::filesystem::copy_options::recursive, error);
  if (error) return fail(Code::internal, "copying the ledger: " + error.message());
  const std::unique_ptr<io::Disk> disk = TRY(open_directory(copy));
  const std::string path = "headers/" + TRY(disk->list("headers")).front();
  const std::unique_ptr<io::File> file = TRY(disk->open(path, io::OpenMode::read_write));
  const std::uint64_t at = TRY(file->size()) / 2;
  Byte byte = 0;
  if (TRY(file->read_at(at, {&byte, 1})) != 1) return fail(Code::internal, "the copy is empty");
  byte = static_cast<Byte>(byte ^ 1);
  TRY(file->write_at(at, {&byte, 1}));
  stage_.line(fmt::format("flipped bit 0 of byte {} of copy/{}", at, path));
  TRY(stage_.run({{"verify", "--data", copy}, Exit::damaged, "", 4}));
  std::filesystem::remove_all(copy, error);
  return {};
}

void Demo::sum_up() {
  const FailoverFigures& failover = figures_.failover;
  stage_.say("What was claimed, and what was counted.", "");
  const std::vector<std::vector<std::string>> rows{
      {"killed", failover.killed + ", the leader; then " + failover.leader_after + " led"},
      {"writes resumed after", fmt::format("{} ms; the bound that the cell exports: {} ms",
                                           failover.resume_ms, failover.failover_bound_ms)},
      {"back and caught up in",
       fmt::format("{} ms, {} entries", failover.catch_up_ms, grouped(failover.missed_entries))},
      {"acknowledged", grouped(figures_.acknowledged) + " transfers"},
      {"lost", fmt::format("{} of them, on three regions", figures_.counted.lost)},
      {"duplicated", fmt::format("{}", figures_.counted.duplicated)},
      {"wrong balances", fmt::format("{}", figures_.counted.wrong_balances)},
      {"roots", fmt::format("equal: {} records, {}", grouped(figures_.records),
                            figures_.root.substr(0, 16))},
      {"receipt", figures_.receipt_level},
      {"receipt, stand-in witness", figures_.witnessed_level},
      {"all this took", fmt::format("{:.0f} s", figures_.seconds)}};
  fmt::print(stage_.out(), "{}", format_table(rows, {}));
  for (const std::string& claim : failed_) stage_.line("FAILED: " + claim);
  if (failed_.empty()) stage_.line("\nAll claims hold. Next: `meridian --help`, README.md.");
}

Status Demo::run() {
  TRY(start_regions());
  TRY(lose_a_region());
  TRY(count());
  TRY(get_receipt());
  TRY(get_witnessed());
  TRY(verify_offline());
  TRY(show_books(stage_));
  TRY(show_trust(stage_));
  figures_.seconds = static_cast<double>(clock_->monotonic() - began_) / 1e9;
  sum_up();
  return {};
}

OrderedJson to_json(const Demo& demo) {
  const Figures& figures = demo.figures();
  OrderedJson out;
  out["regions"] = DemoCell::region_count;
  out["killed"] = figures.failover.killed;
  out["leader_after"] = figures.failover.leader_after;
  out["resume_ms"] = figures.failover.resume_ms;
  out["failover_bound_ms"] = figures.failover.failover_bound_ms;
  out["missed_entries"] = figures.failover.missed_entries;
  out["catch_up_ms"] = figures.failover.catch_up_ms;
  out["acknowledged"] = figures.acknowledged;
  out["found_on_all_regions"] = figures.counted.found;
  out["lost"] = figures.counted.lost;
  out["duplicated"] = figures.counted.duplicated;
  out["unexpected"] = figures.counted.unexpected;
  out["wrong_balances"] = figures.counted.wrong_balances;
  out["records"] = figures.records;
  out["root"] = figures.root;
  out["receipt_level"] = figures.receipt_level;
  out["witnessed_receipt_level"] = figures.witnessed_level;
  out["seconds"] = figures.seconds;
  out["failed_claims"] = demo.failed_claims();
  return out;
}

Result<Exit> run(const Options& options) {
  Stage stage(TRY(WorkDirectory::make(options.directory)), options.json ? stderr : stdout);
  const std::string path = stage.work().path();
  Demo demo(stage);
  const Status done = demo.run();
  if (done && options.json) print_json(to_json(demo));
  const bool is_stopped = Interrupt::came().has_value();
  const bool failed = !done || !demo.failed_claims().empty();
  if (options.keep || !options.directory.empty() || (failed && !is_stopped)) {
    stage.work().keep();
    fmt::print(stderr, "kept: {}\n", path);
  }
  if (!done) return done.error();
  if (failed)
    return fail(Code::failed_precondition,
                fmt::format("{} claims of the demo do not hold: {}", demo.failed_claims().size(),
                            fmt::join(demo.failed_claims(), "; ")));
  return Exit::ok;
}

/// What was begun is ended before a signal has its way.
Exit run_or_be_stopped(const Options& options) {
  const Interrupt interrupt;
  const Result<Exit> done = run(options);
  if (const std::optional<int> signal = Interrupt::came()) {
    fmt::print(stderr, "meridian: stopped; the processes of the demo are ended\n");
    Interrupt::end_by(*signal);
  }
  return done ? *done : report(done.error());
}

}  // namespace

void add_demo(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  CLI::App& demo = *app.add_subcommand(
      "demo", "Three regions here, one killed under load, everything counted; under a minute");
  CLI::Option* keep =
      demo.add_option("--keep", options->directory, "Keep what it leaves, in DIR if one is named");
  keep->expected(0, 1)->type_name("[DIR]");
  demo.add_flag("--json", options->json, "Print the figures as JSON; the story goes to stderr");
  demo.footer(
      "Works in a temporary directory with servers of its own on free loopback ports; kills only\n"
      "those, and ends them on Ctrl-C; safe to repeat. Exit code 1, and what failed by name, if "
      "anything\n"
      "that it claims does not hold.\n\n"
      "Examples:\n"
      "  meridian demo\n"
      "  meridian demo --json --keep ./after");
  demo.callback([options, keep, &invocation] {
    options->keep = keep->count() > 0;
    invocation.run = [options] { return run_or_be_stopped(*options); };
  });
}

}  // namespace meridian::app
