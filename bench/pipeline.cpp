// Transfers through one replica in this process, without the network: what each stage costs.
//
// Prints the rate and a table of CPU per transfer and thread, as text or JSON. Everything is on:
// synced before it is answered, sealed, in the Merkle log, and settled (no merge owed) at the end.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>

#include "io/clock.h"
#include "io/disk.h"
#include "io/entropy.h"
#include "io/executor.h"
#include "metrics/registry.h"
#include "replica/replica.h"
#include "storage/key_store.h"

namespace {

using namespace meridian;

struct Options {
  std::string data;
  std::uint64_t accounts = 10'000;
  std::uint64_t count = 1'000'000;
  std::uint64_t batch = 8'189;
  std::uint64_t in_flight = 4;
  bool random_ids = true;
  bool json = false;
};

/// CPU seconds (user and system) of each thread of this process, by name.
std::map<std::string, double> cpu_by_thread() {
  std::map<std::string, double> seconds;
  const double tick = static_cast<double>(sysconf(_SC_CLK_TCK));
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    std::string stat;
    std::getline(std::ifstream(task.path() / "stat"), stat);
    std::istringstream fields(stat.substr(stat.rfind(')') + 2));
    std::string skipped;
    for (int i = 0; i < 11; ++i) fields >> skipped;
    double user = 0;
    double system = 0;
    fields >> user >> system;
    seconds[name] += (user + system) / tick;
  }
  return seconds;
}

/// Submits requests, a bounded number at a time, and counts what was created.
class Submitter {
 public:
  Submitter(replica::Replica& replica, std::uint64_t in_flight)
      : replica_(replica), in_flight_max_(in_flight) {}

  void submit(ledger::CommandKind kind, Buffer commands) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return in_flight_ < in_flight_max_; });
      ++in_flight_;
    }
    auto request = std::make_unique<ledger::Request>();
    request->actor = 1;
    request->runs.push_back({kind, {}, static_cast<std::uint32_t>(commands.size() / 128)});
    request->commands = std::move(commands);
    replica_.submit(std::move(request), [this](Result<replica::Answer> answer) {
      const std::lock_guard lock(mutex_);
      --in_flight_;
      if (!answer) {
        fmt::print(stderr, "refused: {}\n", answer.error().message);
        ++failed_;
      } else {
        for (const auto& result : answer->results)
          result.outcome == ledger::Outcome::created ? ++created_ : ++failed_;
      }
      changed_.notify_all();
    });
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return in_flight_ == 0; });
  }
  std::uint64_t created() const { return created_; }
  std::uint64_t failed() const { return failed_; }

 private:
  replica::Replica& replica_;
  const std::uint64_t in_flight_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t in_flight_ = 0;
  std::uint64_t created_ = 0;
  std::uint64_t failed_ = 0;
};

template <typename Command>
void append(Buffer& out, const Command& command) {
  const auto* bytes = reinterpret_cast<const Byte*>(&command);
  out.insert(out.end(), bytes, bytes + sizeof command);
}

u128 account_id(std::uint64_t number) {
  return make_u128(number * 0x9e3779b97f4a7c15ULL, number + 1);
}

void make_accounts(Submitter& submitter, const Options& options) {
  Buffer batch;
  for (std::uint64_t i = 0; i < options.accounts; ++i) {
    ledger::Account account{};
    account.id = account_id(i);
    account.ledger = 1;
    account.code = 1;
    append(batch, account);
    if (batch.size() / 128 == options.batch || i + 1 == options.accounts)
      submitter.submit(ledger::CommandKind::create_account, std::exchange(batch, {}));
  }
  submitter.wait();
}

void make_transfers(Submitter& submitter, const Options& options) {
  std::mt19937_64 random(42);
  Buffer batch;
  for (std::uint64_t i = 0; i < options.count; ++i) {
    ledger::Transfer transfer{};
    transfer.id = options.random_ids ? make_u128(random(), random()) : u128{i + 1};
    const std::uint64_t debit = random() % options.accounts;
    transfer.debit_account_id = account_id(debit);
    transfer.credit_account_id =
        account_id((debit + 1 + random() % (options.accounts - 1)) % options.accounts);
    transfer.amount = 1 + random() % 1000;
    transfer.ledger = 1;
    transfer.code = 1;
    append(batch, transfer);
    if (batch.size() / 128 == options.batch || i + 1 == options.count)
      submitter.submit(ledger::CommandKind::create_transfer, std::exchange(batch, {}));
  }
  submitter.wait();
}

void settle(replica::Replica& replica) {
  std::mutex mutex;
  std::condition_variable changed;
  bool settled = false;
  replica.settle([&] {
    const std::lock_guard lock(mutex);
    settled = true;
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return settled; });
}

Result<int> run(const Options& options) {
  auto disk = TRY(io::os_disk(options.data));
  auto clock = io::os_clock();
  auto entropy = io::os_entropy();
  metrics::Registry metrics;
  auto keys_opened = storage::KeyStore::open({*disk, *clock, *entropy}, as_bytes("bench"));
  std::unique_ptr<storage::KeyStore> keys =
      keys_opened ? std::move(*keys_opened)
                  : TRY(storage::KeyStore::create({*disk, *clock, *entropy}, as_bytes("bench")));
  auto log = io::os_executor("log");
  auto apply = io::os_executor("apply");
  auto prove = io::os_executor("prove");
  auto checkpoint = io::os_executor("checkpoint");
  replica::ReplicaConfig config;
  config.cell = 7;
  const auto started = clock->monotonic();
  auto replica = TRY(replica::Replica::open(
      {*disk, *clock, *entropy, *keys, metrics,
       [](const std::string& notice) { fmt::print(stderr, "notice: {}\n", notice); }},
      config, {*log, *apply, *prove, *checkpoint}, {},
      [](const Error& error) { fmt::print(stderr, "fatal: {}\n", error.message); }));
  const auto seconds_since = [&](io::MonotonicTime from) {
    return static_cast<double>(static_cast<std::int64_t>(clock->monotonic() - from)) / 1e9;
  };
  const double open_seconds = seconds_since(started);

  Submitter accounts(*replica, options.in_flight);
  make_accounts(accounts, options);
  settle(*replica);
  Submitter transfers(*replica, options.in_flight);
  const auto before = cpu_by_thread();
  const auto begun = clock->monotonic();
  make_transfers(transfers, options);
  const double answered = seconds_since(begun);
  settle(*replica);
  const double settled = seconds_since(begun);
  const auto after = cpu_by_thread();

  const double count = static_cast<double>(options.count);
  nlohmann::ordered_json report{{"open_seconds", open_seconds},
                                {"accounts", options.accounts},
                                {"count", options.count},
                                {"created", transfers.created()},
                                {"failed", transfers.failed()},
                                {"transfers_per_second", count / settled},
                                {"answered_per_second", count / answered}};
  for (const auto& [name, seconds] : after) {
    const auto found = before.find(name);
    const double spent = seconds - (found == before.end() ? 0.0 : found->second);
    report["cpu_us_per_transfer"][name] = spent * 1e6 / count;
  }
  if (options.json) {
    std::cout << report.dump(2) << "\n";
  } else {
    fmt::print(
        "{:.0f} transfers/s settled ({:.0f}/s answered), {} created, {} failed, opened in {:.2f} "
        "s\n",
        count / settled, count / answered, transfers.created(), transfers.failed(), open_seconds);
    for (const auto& [name, us] : report["cpu_us_per_transfer"].items())
      fmt::print("  {:<12} {:.3f} us per transfer\n", name, us.get<double>());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Transfers through one replica in this process");
  app.add_option("--data", options.data, "Folder for the ledger (made if missing)")->required();
  app.add_option("--accounts", options.accounts)->check(CLI::Range(2, 1'000'000'000));
  app.add_option("--count", options.count);
  app.add_option("--batch", options.batch)->check(CLI::Range(1, 8'190));
  app.add_option("--in-flight", options.in_flight);
  app.add_flag("!--sequential-ids", options.random_ids);
  app.add_flag("--json", options.json);
  CLI11_PARSE(app, argc, argv);
  const auto done = run(options);
  if (done) return *done;
  fmt::print(stderr, "meridian-pipeline-bench: {}\n", done.error().message);
  return 1;
}
