// `meridian demo`: the guided tour, on a server of its own in a directory of its own.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <set>

#include "api/convert.h"
#include "child.h"
#include "files.h"
#include "ids.h"
#include "io/executor.h"
#include "load.h"
#include "names.h"
#include "output.h"
#include "sample_books.h"

namespace meridian::app {

namespace {

constexpr std::string_view payee = "Sushi Kawa";  // of the household's book
constexpr io::Duration kill_after = io::milliseconds(700);

struct Options {
  bool keep = false;
};

/// A directory that goes with the object, unless it is kept.
class WorkDirectory {
 public:
  static Result<WorkDirectory> make() {
    std::error_code error;
    std::string name =
        (std::filesystem::temp_directory_path(error) / "meridian-demo-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      return fail(Code::internal, fmt::format("cannot make a directory like {}", name));
    return WorkDirectory(std::move(name));
  }
  WorkDirectory(WorkDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  WorkDirectory& operator=(WorkDirectory&&) = delete;
  ~WorkDirectory() {
    std::error_code error;
    if (!path_.empty()) std::filesystem::remove_all(path_, error);
  }
  std::string at(std::string_view name) const { return path_ + "/" + std::string(name); }
  void keep() { path_.clear(); }
  const std::string& path() const { return path_; }

 private:
  explicit WorkDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

class Demo {
 public:
  explicit Demo(WorkDirectory work) : work_(std::move(work)) {}
  Status run();
  WorkDirectory& work() { return work_; }

 private:
  void say(std::string_view title, std::string_view text);
  Status serve();
  Result<std::unique_ptr<Client>> connect();
  /// Shows a command and runs it; `expected` exit code or an error.
  Status command(std::vector<std::string> arguments, Exit expected, bool with_server);
  Status import_books();
  Status look_at_books();
  Status get_receipt();
  Result<std::string> log_key();
  Status get_witnessed();
  Status verify_ledger();
  Status damage_copy();
  Status forget();
  Status survive_kill();
  Result<std::uint64_t> count_found(Client& client, const LoadPlan& plan,
                                    const std::vector<std::uint64_t>& acknowledged);

  WorkDirectory work_;
  std::optional<ChildWitness> witness_;
  std::vector<std::string> witness_arguments_;  ///< Of `serve`, once there is a witness.
  std::optional<ChildServer> server_;
  int step_ = 0;
  std::string event_id_;
  std::uint64_t event_record_ = 0;
};

void Demo::say(std::string_view title, std::string_view text) {
  const bool is_screen = ::isatty(1) == 1;
  print_line(fmt::format("\n{}{}. {}{}", is_screen ? "\033[1m" : "", ++step_, title,
                         is_screen ? "\033[0m" : ""));
  print_line(text);
}

Status Demo::serve() {
  server_.reset();
  server_.emplace(
      TRY(ChildServer::start(work_.at("ledger"), work_.at("server.log"), witness_arguments_)));
  return {};
}

Result<std::unique_ptr<Client>> Demo::connect() {
  ClientOptions options;
  options.servers = {server_->grpc()};
  return Client::connect(options);
}

Status Demo::command(std::vector<std::string> arguments, Exit expected, bool with_server) {
  std::string shown = "$ meridian";
  for (std::string word : arguments) {
    if (word.starts_with(work_.path() + "/")) word.erase(0, work_.path().size() + 1);
    shown += word.find(' ') == std::string::npos ? " " + word : " '" + word + "'";
  }
  print_line(shown);
  if (with_server) {
    arguments.emplace_back("--server");
    arguments.push_back(server_->grpc());
  }
  const std::unique_ptr<Child> child = TRY(Child::start(arguments, true, ""));
  int lines = 0;
  for (;;) {
    const std::optional<std::string> line = child->read_line();
    if (!line) break;
    constexpr int lines_max = 24;
    if (++lines <= lines_max) print_line("  " + *line);
    if (lines == lines_max + 1) print_line("  ...");
  }
  const int code = child->wait();
  if (code == static_cast<int>(expected)) return {};
  return fail(Code::internal,
              fmt::format("`{}` ended with exit code {} instead of {}. see {}", shown, code,
                          static_cast<int>(expected), work_.at("server.log")));
}

Status Demo::import_books() {
  say("A ledger starts; real books go in.",
      "One process, one directory. Each journal transaction becomes an event (its text, sealed "
      "under\n"
      "its payee's key) and its transfers, all or nothing; each currency balances on its own.");
  TRY(serve());
  print_line(
      fmt::format("$ meridian serve --data ledger --dev        (process {})", server_->pid()));
  print_line("  " + server_->ready_line());
  for (const SampleBook& book : sample_books()) {
    TRY(write_output(work_.at(book.file_name), book.text));
    TRY(command({"import", "journal", work_.at(book.file_name)}, Exit::ok, true));
  }
  print_line("Importing again changes nothing:");
  return command({"import", "journal", work_.at(sample_books().front().file_name)}, Exit::ok, true);
}

Status Demo::look_at_books() {
  say("Balances and a statement.", "Exact to the last digit, whatever the commodity.");
  TRY(command({"balances", "--book", "household"}, Exit::ok, true));
  return command({"account", "statement", "liabilities:card", "--commodity", "EUR", "--limit", "5"},
                 Exit::ok, true);
}

Status Demo::get_receipt() {
  say("A receipt, and its proof offline.",
      fmt::format(
          "The lunch at {} gets a receipt: the record, its path in the Merkle tree, a signed "
          "tree head.\nWith the policy file it verifies without the server, for ever.",
          payee));
  const std::unique_ptr<Client> client = TRY(connect());
  v1::ReadRequest request;
  request.set_stream("journal-household");
  TRY(read_all(*client, request, [&](const v1::RecordedEvent& event) -> Status {
    if (!event_id_.empty() || event.data().find(payee) == std::string::npos) return {};
    event_id_ = to_decimal(to_u128(event.event_id()));
    event_record_ = event.record_index();
    return {};
  }));
  TRY(command({"receipt", "get", "--event", event_id_, "-o", work_.at("lunch.tlog-proof")},
              Exit::ok, true));
  TRY(command({"log", "policy", "-o", work_.at("ledger.policy")}, Exit::ok, true));
  return command(
      {"receipt", "verify", work_.at("lunch.tlog-proof"), "--policy", work_.at("ledger.policy")},
      Exit::ok, false);
}

Result<std::string> Demo::log_key() {
  const std::unique_ptr<Client> client = TRY(connect());
  const v1::KeysReply keys =
      TRY(client->call(*client->proofs, &v1::Proofs::Stub::Keys, v1::KeysRequest()));
  return keys.log_vkey();
}

/// On this machine a witness proves nothing, and the text must say so.
Status Demo::get_witnessed() {
  say("A witness, so that the operator cannot tell two stories.",
      "STAND-IN: this one runs on the same machine. A real one is run by another organisation,\n"
      "elsewhere. It sees signed tree heads only, and cosigns each that extends the last.");
  TRY(command(
      {"witness", "init", "--dir", work_.at("witness"), "--name", "stand-in.example/w1", "--dev"},
      Exit::ok, false));
  const std::string log_vkey = TRY(log_key());
  witness_ = TRY(start_witness(work_.at("witness"), log_vkey, work_.at("witness.log")));
  print_line(fmt::format("$ meridian witness serve --dir witness --dev --log {}", log_vkey));
  print_line("  " + witness_->ready_line);
  std::string vkey = TRY(read_input(work_.at("witness/vkey"), 4'096));
  while (vkey.ends_with('\n')) vkey.pop_back();
  witness_arguments_ = {"--witness", fmt::format("http://{}={}", witness_->address, vkey)};
  server_->stop();
  TRY(serve());
  print_line(
      fmt::format("$ meridian serve --data ledger --dev --witness {}", witness_arguments_.back()));
  print_line("  " + server_->ready_line());
  TRY(command({"receipt", "get", "--event", event_id_, "--witnessed", "-o",
               work_.at("witnessed.tlog-proof")},
              Exit::ok, true));
  TRY(command({"log", "witnesses"}, Exit::ok, true));
  TRY(command({"witness", "policy", work_.at("ledger.policy"), "--witness", vkey, "--organisation",
               "Stand-In-On-This-Machine", "-o", work_.at("trusted.policy")},
              Exit::ok, false));
  print_line(
      "The first receipt has no witness, so this policy refuses it; the second satisfies it:");
  TRY(command(
      {"receipt", "verify", work_.at("lunch.tlog-proof"), "--policy", work_.at("trusted.policy")},
      Exit::refused, false));
  TRY(command({"receipt", "verify", work_.at("witnessed.tlog-proof"), "--policy",
               work_.at("trusted.policy")},
              Exit::ok, false));
  print_line(
      "Here, of course, one person holds both keys: it would mean this if another organisation "
      "had\n"
      "run the witness.");
  return {};
}

Status Demo::verify_ledger() {
  say("The whole ledger, verified offline.",
      "Headers, Merkle tree, signed root, payload commitments; balances refolded from the "
      "records.");
  server_->stop();
  return command({"verify", "--data", work_.at("ledger")}, Exit::ok, false);
}

Status Demo::damage_copy() {
  say("One flipped byte.", "In a copy of the data, one bit of one byte changes.");
  std::error_code error;
  std::filesystem::copy(work_.at("ledger"), work_.at("copy"),
                        std::filesystem::copy_options::recursive, error);
  if (error) return fail(Code::internal, "copying the ledger: " + error.message());
  const std::unique_ptr<io::Disk> disk = TRY(open_directory(work_.at("copy")));
  const std::string path = "payloads/" + TRY(disk->list("payloads")).front();
  const std::unique_ptr<io::File> file = TRY(disk->open(path, io::OpenMode::read_write));
  const std::uint64_t at = TRY(file->size()) / 2;
  Byte byte = 0;
  if (TRY(file->read_at(at, {&byte, 1})) != 1) return fail(Code::internal, "the copy is empty");
  byte = static_cast<Byte>(byte ^ 1);
  TRY(file->write_at(at, {&byte, 1}));
  print_line(fmt::format("flipped bit 0 of byte {} of copy/{}", at, path));
  return command({"verify", "--data", work_.at("copy")}, Exit::damaged, false);
}

Status Demo::forget() {
  say("Forgetting a person.",
      fmt::format(
          "{} asks to be forgotten: its keys are destroyed, and every copy of its texts with "
          "them.\nBalances stay, the log stays, and the old receipt still verifies.",
          payee));
  TRY(serve());
  TRY(command({"read", "--all", "--from", std::to_string(event_record_), "--limit", "1"}, Exit::ok,
              true));
  TRY(command({"subject", "forget", std::string(payee)}, Exit::ok, true));
  TRY(command({"read", "--all", "--from", std::to_string(event_record_), "--limit", "1"}, Exit::ok,
              true));
  return command(
      {"receipt", "verify", work_.at("lunch.tlog-proof"), "--policy", work_.at("ledger.policy")},
      Exit::ok, false);
}

Result<std::uint64_t> Demo::count_found(Client& client, const LoadPlan& plan,
                                        const std::vector<std::uint64_t>& acknowledged) {
  std::uint64_t found = 0;
  constexpr std::uint64_t chunk = 4'000;
  v1::LookupRequest request;
  const auto look_up = [&]() -> Status {
    if (request.ids().empty()) return {};
    const v1::LookupTransfersReply reply =
        TRY(client.call(*client.transfers, &v1::Transfers::Stub::Lookup, request));
    found += static_cast<std::uint64_t>(reply.transfers_size());
    request.Clear();
    return {};
  };
  for (const std::uint64_t first : acknowledged) {
    const std::uint64_t end = std::min(first + plan.batch, plan.count);
    for (std::uint64_t number = first; number < end; ++number)
      request.add_ids(api::format_u128(load_id(plan, number)));
    if (static_cast<std::uint64_t>(request.ids_size()) >= chunk) TRY(look_up());
  }
  TRY(look_up());
  return found;
}

Status Demo::survive_kill() {
  say("kill -9 in the middle of a load.",
      "Transfers stream in, the server is killed without warning and started again. Every "
      "transfer\n"
      "that was acknowledged must be there.");
  std::unique_ptr<Client> client = TRY(connect());
  const std::unique_ptr<io::Entropy> entropy = io::os_entropy();
  LoadPlan plan;
  plan.count = 2'000'000;
  plan.batch = 100;
  plan.in_flight = 8;
  plan.accounts = 1'000;
  const u128 base = time_ordered_id(client->clock(), *entropy);
  plan.first_account = (base >> 40) << 40;
  plan.seed = high64(base);
  TRY(make_accounts(*client, plan));
  std::vector<std::uint64_t> acknowledged;
  std::uint64_t acknowledged_count = 0;
  const std::unique_ptr<io::Executor> killer = io::os_executor("killer");
  killer->post_after(kill_after, [this] { server_->kill_at_once(); });
  const Result<LoadResult> load =
      run_load(*client, plan, [&](std::uint64_t first, std::uint64_t count) {
        acknowledged.push_back(first);
        acknowledged_count += count;
      });
  killer->drain();
  print_line(fmt::format("killed process {}; {} transfers were acknowledged before", server_->pid(),
                         acknowledged_count));
  if (load) return fail(Code::internal, "the load ended before the server was killed");
  TRY(serve());
  print_line("  " + server_->ready_line());
  client = TRY(connect());
  const std::uint64_t found = TRY(count_found(*client, plan, acknowledged));
  print_line(fmt::format("{} of {} acknowledged transfers are there", found, acknowledged_count));
  if (found != acknowledged_count)
    return fail(Code::data_loss, "acknowledged transfers are missing");
  server_->stop();
  return command({"verify", "--data", work_.at("ledger")}, Exit::ok, false);
}

Status Demo::run() {
  TRY(import_books());
  TRY(look_at_books());
  TRY(get_receipt());
  TRY(get_witnessed());
  TRY(verify_ledger());
  TRY(damage_copy());
  TRY(forget());
  TRY(survive_kill());
  print_line("\nThat was the tour. Next: `meridian --help`, README.md.");
  return {};
}

Result<Exit> run(const Options& options) {
  Demo demo(TRY(WorkDirectory::make()));
  const std::string path = demo.work().path();
  const Status done = demo.run();
  if (options.keep || !done) {
    demo.work().keep();
    fmt::print(stderr, "kept: {}\n", path);
  }
  if (!done) return done.error();
  return Exit::ok;
}

}  // namespace

void add_demo(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<Options>();
  CLI::App& demo = *app.add_subcommand("demo", "The guided tour, in under a minute");
  demo.add_flag("--keep", options->keep, "Keep the directory it worked in");
  demo.footer(
      "Works in a temporary directory with servers of its own on free loopback ports; kills only\n"
      "those; safe to repeat.");
  demo.callback([options, &invocation] {
    invocation.run = [options] {
      const Result<Exit> done = run(*options);
      return done ? *done : report(done.error());
    };
  });
}

}  // namespace meridian::app
