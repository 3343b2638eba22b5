// `meridian bench`: how fast a running server is, everything included.
#include <fmt/format.h>
#include <unistd.h>

#include "files.h"
#include "ids.h"
#include "load.h"
#include "output.h"
#include "run_with.h"

namespace meridian::app {

namespace {

struct Options {
  ClientOptions client;
  LoadKind kind = LoadKind::transfers;
  std::uint32_t batch = 0, clients = 0, bytes = 256;
  std::uint64_t accounts = 10'000, count = 0, server_pid = 0, per_second = 0;
  std::string ids = "random";
  bool json = false;
};

/// What proc(5) says of a process: a file without a size, to be read in one go.
Result<std::string> read_stat(std::uint64_t pid) {
  const std::unique_ptr<io::Disk> disk = TRY(io::os_disk("/"));
  const std::unique_ptr<io::File> file =
      TRY(disk->open(fmt::format("proc/{}/stat", pid), io::OpenMode::read));
  Buffer bytes(4'096);
  bytes.resize(TRY(file->read_at(0, bytes)));
  return std::string(as_text(bytes));
}

/// CPU seconds that a process of this machine has used; 0 if it cannot be told.
double cpu_seconds(std::uint64_t pid) {
  if (pid == 0) return 0;
  const Result<std::string> read = read_stat(pid);
  if (!read) return 0;
  const std::string_view stat = *read;
  const std::size_t after_name = stat.rfind(')');
  if (after_name == std::string::npos) return 0;
  double ticks = 0;
  std::size_t field = 2;
  for (std::size_t at = after_name + 2; at < stat.size() && field < 15; ++field) {
    const std::size_t end = std::min(stat.find(' ', at), stat.size());
    if (field == 13 || field == 14)  // utime, stime (proc(5), counted after the name)
      ticks += static_cast<double>(low64(parse_decimal(stat.substr(at, end - at)).value_or(0)));
    at = end + 1;
  }
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double percentile_ms(const std::vector<std::uint64_t>& sorted, double part) {
  if (sorted.empty()) return 0;
  const auto at = static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1));
  return static_cast<double>(sorted[at]) / 1e6;
}

Status settle(Client& client) {
  grpc::ClientContext context;
  client.set_deadline(context, client.clock().monotonic() + io::seconds(600));
  v1::SettleReply reply;
  const grpc::Status status = client.admin->Settle(&context, v1::SettleRequest(), &reply);
  if (!status.ok()) return to_error(status);
  return {};
}

/// How the rate went over the run: it should stay flat as the ledger grows.
class Curve {
 public:
  Curve(Client& client, std::uint64_t total)
      : client_(client),
        slice_(std::max<std::uint64_t>(total / slices, 1)),
        began_(client.clock().monotonic()) {}

  void add(std::uint64_t count) {
    done_ += count;
    if (done_ < (points_.size() + 1) * slice_) return;
    const io::MonotonicTime now = client_.clock().monotonic();
    const double seconds = static_cast<double>(now - began_) / 1e9;
    points_.push_back({{"done", done_},
                       {"per_second", static_cast<std::uint64_t>(
                                          static_cast<double>(done_ - counted_) / seconds)}});
    counted_ = done_;
    began_ = now;
  }
  const OrderedJson& points() const { return points_; }

 private:
  static constexpr std::uint64_t slices = 20;
  Client& client_;
  const std::uint64_t slice_;
  io::MonotonicTime began_;
  std::uint64_t done_ = 0, counted_ = 0;
  OrderedJson points_ = OrderedJson::array();
};

LoadPlan plan_of(const Options& options, Client& client) {
  const std::unique_ptr<io::Entropy> entropy = io::os_entropy();
  const bool transfers = options.kind == LoadKind::transfers;
  LoadPlan plan;
  plan.kind = options.kind;
  plan.count = options.count != 0 ? options.count : (transfers ? 1'000'000u : 200'000u);
  plan.batch = options.batch != 0 ? options.batch : (transfers ? 8'189u : 1'000u);
  plan.in_flight = options.clients != 0 ? options.clients : 4;
  plan.accounts = options.accounts;
  plan.random_ids = options.ids == "random";
  plan.event_bytes = options.bytes;
  plan.per_second = options.per_second;
  const u128 base = time_ordered_id(client.clock(), *entropy);
  plan.first_account = (base >> 40) << 40;  // room for all accounts below
  plan.seed = high64(base);
  return plan;
}

Result<Exit> run(Client& client, const Options& options) {
  const LoadPlan plan = plan_of(options, client);
  const bool transfers = plan.kind == LoadKind::transfers;
  if (transfers) {
    fmt::print(stderr, "making {} accounts\n", plan.accounts);
    TRY(make_accounts(client, plan));
  }
  TRY(settle(client));

  fmt::print(stderr, "sending {} {} in batches of {}, {} in flight\n", plan.count,
             transfers ? "transfers" : "events", plan.batch, plan.in_flight);
  const double cpu_before = cpu_seconds(options.server_pid);
  const io::MonotonicTime start = client.clock().monotonic();
  Curve curve(client, plan.count);
  const LoadResult load =
      TRY(run_load(client, plan, [&](const Acknowledged& batch) { curve.add(batch.count); }));
  TRY(settle(client));
  const double seconds = static_cast<double>(client.clock().monotonic() - start) / 1e9;
  const double cpu = cpu_seconds(options.server_pid) - cpu_before;
  const v1::StatusReply status =
      TRY(client.call(*client.admin, &v1::Admin::Stub::Status, v1::StatusRequest()));

  const char* rate_name = transfers ? "transfers_per_second" : "events_per_second";
  OrderedJson out;
  out[rate_name] = static_cast<std::uint64_t>(static_cast<double>(load.done) / seconds);
  out["count"] = load.done;
  out["refused"] = load.refused;
  out["seconds"] = seconds;
  out["seconds_settling"] = seconds - load.seconds;
  out["batch"] = plan.batch;
  out["in_flight"] = plan.in_flight;
  out[transfers ? "accounts" : "streams"] = plan.accounts;
  out["ids"] = options.ids;
  out["latency_ms"] = {{"p50", percentile_ms(load.latencies_ns, 0.5)},
                       {"p90", percentile_ms(load.latencies_ns, 0.9)},
                       {"p99", percentile_ms(load.latencies_ns, 0.99)},
                       {"p999", percentile_ms(load.latencies_ns, 0.999)},
                       {"max", percentile_ms(load.latencies_ns, 1)}};
  out["requests_repeated"] = load.repeated;
  out["debt_bytes_left"] = status.debt_bytes();
  if (options.server_pid != 0) {
    out["server_cpu_seconds"] = cpu;
    out["server_cpu_us_each"] =
        cpu * 1e6 / static_cast<double>(std::max<std::uint64_t>(load.done, 1));
  }
  if (options.json) {
    out["curve"] = curve.points();
    print_json(out);
  } else {
    std::vector<std::vector<std::string>> rows;
    for (const auto& [name, value] : out.items())
      rows.push_back({name, value.is_string() ? value.get<std::string>() : value.dump()});
    fmt::print("{}", format_table(rows, {}));
  }
  return load.refused == 0 ? Exit::ok : Exit::refused;
}

void add_load(CLI::App& bench, Invocation& invocation, LoadKind kind, const char* name,
              const char* help) {
  auto options = std::make_shared<Options>();
  options->kind = kind;
  const bool transfers = kind == LoadKind::transfers;
  CLI::App& command = *bench.add_subcommand(name, help);
  command.add_option(
      "--count", options->count,
      transfers ? "How many; 1,000,000 if not given" : "How many; 200,000 if not given");
  command
      .add_option("--batch", options->batch,
                  transfers ? "Per request; 8189 if not given" : "Per request; 1000 if not given")
      ->check(CLI::Range(1, transfers ? 8'190 : 2'000));
  command.add_option("--clients", options->clients, "Requests in flight; 4 if not given")
      ->check(CLI::Range(1, 1'024));
  command.add_option("--per-second", options->per_second,
                     "No faster than this; as fast as it goes if not given");
  command
      .add_option("--accounts", options->accounts, transfers ? "Accounts, made first" : "Streams")
      ->capture_default_str()
      ->check(CLI::Range(std::uint64_t{2}, std::uint64_t{1} << 32));
  command.add_option("--ids", options->ids, "random or sequential")
      ->capture_default_str()
      ->check(CLI::IsMember({"random", "sequential"}));
  if (!transfers)
    command.add_option("--bytes", options->bytes, "Data of each event")
        ->capture_default_str()
        ->check(CLI::Range(0, 500'000));
  command.add_option("--server-pid", options->server_pid,
                     "Process id of the server on this machine: reports its CPU time");
  command.add_flag("--json", options->json, "Print JSON");
  const std::string examples =
      transfers ? "  meridian bench transfers --count 10000000 --accounts 1000000\n"
                  "  meridian bench transfers --batch 1 --clients 64 --count 200000"
                : "  meridian bench events --count 1000000\n"
                  "  meridian bench events --bytes 4096 --batch 100";
  command.footer(
      "The time ends when everything is durable, proven and merged: no compaction debt is left.\n"
      "Latency is that of a request, from sending to its answer, repeats included.\n\n"
      "Examples:\n" +
      examples);
  on_call(command, invocation, options, run);
}

}  // namespace

void add_bench(CLI::App& app, Invocation& invocation) {
  CLI::App& bench = *app.add_subcommand("bench", "Measure a running server");
  bench.require_subcommand(1);
  add_load(bench, invocation, LoadKind::transfers, "transfers",
           "Transfers between random accounts");
  add_load(bench, invocation, LoadKind::events, "events", "Events on many streams");
}

}  // namespace meridian::app
